//! The big switches, and removal: what an operator needs when all else is broken.

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};

use super::{Live, LiveError, settle};
use crate::config::Mode;

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

    /// Takes the guard off all interfaces and out of the kernel.
    pub fn unload(&self) -> Result<Vec<String>, LiveError> {
        let _lock = self.pins.lock()?;
        let left = self.pins.linked()?;
        self.leave_sides()?;
        for name in &left {
            settle::detach(name, &self.pins)?;
        }
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
