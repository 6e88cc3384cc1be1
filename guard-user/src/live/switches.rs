//! The big switches, and removal: what an operator needs when all else is broken.

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};

use super::{Live, LiveError, clock_pair, settle};
use crate::audit::Took;
use crate::config::Mode;
use crate::gates::{self, Cause, Finding, Passed, Trial};
use crate::kernel::state::Switches;
use crate::report::mode_name;
use crate::store::Record;

impl Live {
    /// Sets the mode. Enforcing has to pass the gates.
    pub fn set_mode(
        &self,
        mode: Mode,
        why: Option<&str>,
        force: bool,
    ) -> Result<Vec<Finding>, LiveError> {
        let set = self.try_set_mode(mode, force);
        let what = format!("mode {}{}", mode_name(mode), if force { " --force" } else { "" });
        self.tell_timed(&what, why, &set, |(_, took)| *took);
        set.map(|(findings, _)| findings)
    }

    fn try_set_mode(
        &self,
        mode: Mode,
        force: bool,
    ) -> Result<(Vec<Finding>, Option<Took>), LiveError> {
        let _lock = self.pins.lock()?;
        let mut switches = self.pins.switches()?;
        let passed = match mode {
            Mode::Enforce => Some(self.pass_enforcing(&switches, force)?),
            Mode::Monitor => None,
        };
        switches.set(switch::MODE, mode_number(mode))?;
        let took = passed.as_ref().map(Passed::took);
        Ok((passed.map_or_else(Vec::new, Passed::findings), took))
    }

    /// The gates, for enforcing what is live.
    fn pass_enforcing(&self, switches: &Switches, force: bool) -> Result<Passed, LiveError> {
        let (record, config) = (self.record()?, self.effective()?);
        let cause = Cause::Enforce;
        let mut passed = gates::pass(&Trial {
            cause,
            differences: &[],
            before: Some(&config),
            after: &config,
            mode: Mode::Enforce,
            force,
        })?;
        if switches.get(switch::MODE)? != MODE_ENFORCE {
            // Nobody is denied anything so far, whatever is listed.
            let mut before = config.clone();
            before.deny.clear();
            let tables = self.tables(&config, switches, &record, clock_pair())?;
            let after = (&config, &tables, &record.interfaces);
            self.judge_recorded(&record, &before, after, &mut passed)?;
        }
        passed.judge(|| {
            Ok::<_, LiveError>(gates::canary::check(&self.pins, &record, &config, cause))
        })?;
        Ok(passed)
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
