//! The big switches, and removal: what an operator needs when all else is broken.

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};

use super::{Live, LiveError, settle};
use crate::audit::Took;
use crate::config::Mode;
use crate::gates::{self, Cause, Finding, Passed, Trial};
use crate::report::mode_name;
use crate::store::Record;

impl Live {
    /// Sets the mode. Enforcing has to pass the gates.
    pub fn set_mode(&self, mode: Mode, why: Option<&str>) -> Result<Vec<Finding>, LiveError> {
        let set = self.try_set_mode(mode);
        self.tell_timed(&format!("mode {}", mode_name(mode)), why, &set, |(_, took)| *took);
        set.map(|(findings, _)| findings)
    }

    fn try_set_mode(&self, mode: Mode) -> Result<(Vec<Finding>, Option<Took>), LiveError> {
        let _lock = self.pins.lock()?;
        let mut switches = self.pins.switches()?;
        let mut passed = None;
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
            let record = self.record()?;
            passed.insert(gates::pass(&trial)?).judge(|| {
                let found = gates::canary::check(&self.pins, &record, &config, trial.cause);
                Ok::<_, LiveError>(found)
            })?;
        }
        switches.set(switch::MODE, mode_number(mode))?;
        let took = passed.as_ref().map(Passed::took);
        Ok((passed.map_or_else(Vec::new, Passed::findings), took))
    }

    /// Takes the guard off all interfaces and out of the kernel.
    pub fn unload(&self, why: Option<&str>) -> Result<Vec<String>, LiveError> {
        let generation = self.generation();
        let unloaded = self.try_unload();
        self.audit.outcome("unload", why, &unloaded, generation, None);
        unloaded
    }

    fn try_unload(&self) -> Result<Vec<String>, LiveError> {
        let _lock = self.pins.lock()?;
        let left = self.pins.linked()?;
        self.leave_sides()?;
        for name in &left {
            settle::detach(name, &self.pins)?;
        }
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
