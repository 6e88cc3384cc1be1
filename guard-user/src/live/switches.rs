//! The big switches, and removal: what an operator needs when all else is broken.

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};

use super::{Live, LiveError, time, who};
use crate::config::Mode;
use crate::gates::{self, Cause, Finding, Trial};
use crate::kernel::KernelError;
use crate::report::mode_name;
use crate::store::{BypassNote, Record};

impl Live {
    /// Sets the mode. Enforcing has to pass the gates.
    pub fn set_mode(&self, mode: Mode, why: Option<&str>) -> Result<Vec<Finding>, LiveError> {
        let set = self.try_set_mode(mode);
        self.tell(&format!("mode {}", mode_name(mode)), why, &set);
        set
    }

    fn try_set_mode(&self, mode: Mode) -> Result<Vec<Finding>, LiveError> {
        let _lock = self.pins.lock()?;
        let mut switches = self.pins.switches()?;
        let mut findings = Vec::new();
        if mode == Mode::Enforce {
            let config = self.effective()?;
            let trial = Trial {
                cause: Cause::Enforce,
                differences: &[],
                before: Some(&config),
                after: &config,
                mode,
                force: false,
            };
            findings = gates::pass(&trial)?.findings();
        }
        switches.set(switch::MODE, mode_number(mode))?;
        Ok(findings)
    }

    /// Switches the bypass: one map write, before and without anything else. Whether the note
    /// about it could be kept is told apart.
    pub fn set_bypass(&self, on: bool, reason: &str) -> Result<Result<(), KernelError>, LiveError> {
        // Whatever version the state is of: this word means the same in all of them.
        let set = self.pins.any_switches().and_then(|mut it| it.set(switch::BYPASS, u64::from(on)));
        let what = if on { "bypass on" } else { "bypass off" };
        if let Err(error) = set {
            self.audit.record(what, on.then_some(reason), &error.to_string(), None);
            return Err(error.into());
        }
        let note = BypassNote { since: time(), by: who(), reason: reason.to_owned() };
        let noted = self.store.set_bypass(on.then_some(&note));
        self.audit.record(what, on.then_some(reason), "done", self.generation());
        Ok(noted)
    }

    /// Takes the guard off all interfaces and out of the kernel.
    pub fn unload(&self, why: Option<&str>) -> Result<Vec<String>, LiveError> {
        let generation = self.generation();
        let unloaded = self.try_unload();
        self.audit.outcome("unload", why, &unloaded, generation);
        unloaded
    }

    fn try_unload(&self) -> Result<Vec<String>, LiveError> {
        let _lock = self.pins.lock()?;
        let left = self.pins.linked()?;
        self.leave_sides()?;
        self.pins.remove()?;
        self.store.set_bypass(None)?;
        // Last: without it, the next start goes on with what was live. A record that cannot be
        // read any more keeps nobody from leaving.
        if let Ok(Some(record)) = self.store.record() {
            let record = Record { unloaded: true, pending: None, ..record };
            self.store.stage_record(&record)?.commit()?;
        }
        Ok(left)
    }
}

/// Number of a mode in the switches.
#[must_use]
pub const fn mode_number(mode: Mode) -> u64 {
    match mode {
        Mode::Monitor => MODE_MONITOR,
        Mode::Enforce => MODE_ENFORCE,
    }
}
