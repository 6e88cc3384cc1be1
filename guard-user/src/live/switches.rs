//! The big switches, and removal: what an operator needs when all else is broken.

use std::time::SystemTime;

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};

use super::{Live, LiveError, who};
use crate::config::Mode;
use crate::kernel::KernelError;
use crate::store::BypassNote;

impl Live {
    /// Sets the mode. Enforcing needs a configuration that is complete enough for it.
    pub fn set_mode(&self, mode: Mode) -> Result<(), LiveError> {
        let _lock = self.pins.lock()?;
        let mut switches = self.pins.switches()?;
        if mode == Mode::Enforce {
            self.effective()?.validate_as(mode)?;
        }
        Ok(switches.set(switch::MODE, mode_number(mode))?)
    }

    /// Switches the bypass: one map write, before and without anything else. Whether the note
    /// about it could be kept is told apart.
    pub fn set_bypass(&self, on: bool, reason: &str) -> Result<Result<(), KernelError>, LiveError> {
        // Whatever version the state is of: this word means the same in all of them.
        self.pins.any_switches()?.set(switch::BYPASS, u64::from(on))?;
        let note = BypassNote {
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            by: who(),
            reason: reason.to_owned(),
        };
        Ok(self.store.set_bypass(on.then_some(&note)))
    }

    /// Takes the guard off all interfaces and out of the kernel.
    pub fn unload(&self) -> Result<Vec<String>, LiveError> {
        let _lock = self.pins.lock()?;
        let left = self.pins.linked()?;
        self.leave_sides()?;
        self.pins.remove()?;
        self.store.set_bypass(None)?;
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
