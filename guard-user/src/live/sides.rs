//! The tc programs of the live generation, beside XDP: what leaves, and labels.
//!
//! They follow once a generation is live, and nothing that goes wrong with them takes it back:
//! without them frames are watched and labelled less, and dropped no more.

use std::collections::BTreeMap;

use super::{Live, LiveError};
use crate::config::{Config, InterfaceEntry};
use crate::kernel::load::Generation;
use crate::kernel::tc::{self, Hold, Side};
use crate::kernel::{KernelError, interface};

/// A tc program that is not where it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The interface.
    pub interface: String,
    /// Which of the two.
    pub side: Side,
    /// Why.
    pub reason: String,
}

/// Which programs the kernel refused, and its words.
pub(super) type Refused = BTreeMap<Side, String>;

/// Whether a side of an interface is configured.
#[must_use]
pub fn is_wanted(side: Side, config: &Config, interface: &InterfaceEntry) -> bool {
    match side {
        Side::Outgoing => interface.outgoing,
        Side::Label => config.labels.are_wanted(),
    }
}

impl Live {
    /// Loads and pins the tc programs of a generation that some interface needs.
    pub(super) fn pin_sides(
        &self,
        generation: &mut Generation,
        config: &Config,
        number: u64,
    ) -> Refused {
        let mut refused = Refused::new();
        for side in Side::ALL {
            if !config.interface.iter().any(|interface| is_wanted(side, config, interface)) {
                continue;
            }
            let path = self.pins.classifier(number, side);
            let pinned = generation.load_classifier(side.program()).and_then(|program| {
                let failed = |error| KernelError::path(&path, error, "run as root");
                program.pin(&path).map_err(failed)
            });
            if let Err(error) = pinned {
                refused.insert(side, error.to_string());
            }
        }
        refused
    }

    /// Puts the tc programs of a generation where they are wanted and takes them away elsewhere;
    /// those that are not where they should be. Interfaces that are not there wait for XDP.
    pub(super) fn place_sides(
        &self,
        config: &Config,
        number: u64,
        refused: &Refused,
    ) -> Vec<Missing> {
        let mut missing = Vec::new();
        for side in Side::ALL {
            let names = config.interface.iter().map(|interface| interface.name.as_str());
            let Ok(names) = tc::candidates(side, &self.pins, names) else { continue };
            for name in names {
                let entry = config.interface.iter().find(|interface| interface.name == name);
                let wanted = entry.is_some_and(|entry| is_wanted(side, config, entry));
                let done = if wanted && interface::index(&name).is_ok() {
                    self.place_side(side, &name, number, refused)
                } else {
                    self.leave_side(side, &name)
                };
                if let Err(reason) = done {
                    missing.push(Missing { interface: name, side, reason });
                }
            }
        }
        missing
    }

    fn place_side(
        &self,
        side: Side,
        name: &str,
        number: u64,
        refused: &Refused,
    ) -> Result<(), String> {
        let placed = match refused.get(&side) {
            Some(reason) => Err(reason.clone()),
            None => tc::place(side, name, &self.pins.classifier(number, side), &self.pins)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        };
        // Of an older generation: better none than one that goes by another policy than XDP.
        placed.inspect_err(|_| drop(self.leave_side(side, name)))
    }

    fn leave_side(&self, side: Side, name: &str) -> Result<(), String> {
        tc::leave(side, name, &self.pins).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Takes the tc programs off all interfaces.
    pub(super) fn leave_sides(&self) -> Result<(), LiveError> {
        let record = self.store.record().ok().flatten();
        let interfaces = record.map(|record| record.interfaces).unwrap_or_default();
        for side in Side::ALL {
            let names = interfaces.keys().map(String::as_str);
            for name in tc::candidates(side, &self.pins, names)? {
                tc::leave(side, &name, &self.pins)?;
            }
        }
        Ok(())
    }

    /// What holds the tc program of a generation on an interface; `None` if nothing does.
    #[must_use]
    pub fn holds_side(&self, number: u64, side: Side, name: &str) -> Option<Hold> {
        let program = tc::pinned(&self.pins.classifier(number, side))?;
        tc::held(side, name, program).ok().flatten()
    }

    /// Interfaces of a generation that are there, but not with the tc programs they should have.
    #[must_use]
    pub fn missing_sides(&self, config: &Config, generation: u64) -> Vec<(String, Side)> {
        let mut missing = Vec::new();
        for entry in &config.interface {
            for side in Side::ALL {
                if is_wanted(side, config, entry)
                    && interface::index(&entry.name).is_ok()
                    && self.holds_side(generation, side, &entry.name).is_none()
                {
                    missing.push((entry.name.clone(), side));
                }
            }
        }
        missing
    }

    /// Puts the tc programs back that somebody took away; those that are still missing.
    pub fn mend_sides(&self) -> Result<Vec<Missing>, LiveError> {
        let _lock = self.pins.lock()?;
        let record = self.record()?;
        Ok(self.place_sides(&record.config, record.number, &Refused::new()))
    }
}
