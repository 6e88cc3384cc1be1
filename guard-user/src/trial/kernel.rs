//! The private copy of the program, and what it says.

use std::collections::BTreeMap;

use aya::maps::{Array, MapData};
use aya::programs::ProgramInfo;
use guard_common::abi::state::{Cells, SlotCounters, switch};
use guard_common::verdict::{Switches, Verdict};

use super::ground::{Ground, Source};
use crate::kernel::private::PrivateGuard;
use crate::kernel::{KernelError, state};
use crate::policy::Constants;
use crate::policy::model::Words;

/// The XDP actions there can be.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// A copy of a program, with state of its own.
pub struct Kernel {
    guard: PrivateGuard,
    places: BTreeMap<Cells, Places>,
    /// Tags of the program on the interfaces and of this one, if they differ.
    other_build: Option<(u64, u64)>,
}

/// A table of places, of as many cells as they have.
enum Places {
    One(Array<MapData, u64>),
    Two(Array<MapData, [u64; 2]>),
    Four(Array<MapData, [u64; 4]>),
}

impl Kernel {
    /// A copy of the live program on the live policy maps; or a program of its own, with the tables
    /// of a file.
    pub fn new(ground: &Ground) -> Result<Self, KernelError> {
        let mut other_build = None;
        // What nobody reads need not be sampled.
        let constants = Constants { sampling: 0, ..ground.tables.constants };
        let mut guard = match &ground.source {
            Source::Tables => {
                let mut tables = ground.tables.clone();
                tables.constants = constants;
                PrivateGuard::trial(&tables)?
            }
            Source::Pinned { folder, program } => {
                let policy = state::policy(folder)?;
                let mut copy = PrivateGuard::trial_copy(folder, &policy, &constants)?;
                let live = ProgramInfo::from_pin(program)
                    .map_err(|error| KernelError::path(program, error, "run as root"))?;
                let ours = copy.tag()?;
                other_build = (live.tag() != ours).then_some((live.tag(), ours));
                copy
            }
        };
        let mut places = BTreeMap::new();
        for table in Cells::ALL {
            let map = guard.generation().take_map(table.map())?;
            let failed = |error| KernelError::map(table.map(), error);
            places.insert(
                table,
                match table.words() {
                    1 => Places::One(Array::try_from(map).map_err(failed)?),
                    2 => Places::Two(Array::try_from(map).map_err(failed)?),
                    _ => Places::Four(Array::try_from(map).map_err(failed)?),
                },
            );
        }
        Ok(Self { guard, places, other_build })
    }

    /// Tags of the program on the interfaces and of this one, if they differ.
    #[must_use]
    pub const fn other_build(&self) -> Option<(u64, u64)> {
        self.other_build
    }

    /// Sets the switches.
    pub fn set_switches(&mut self, switches: Switches) -> Result<(), KernelError> {
        let Switches { mode, bypass, drop_until, opened, confirm_by } = switches;
        for (number, value) in [
            (switch::MODE, mode),
            (switch::BYPASS, bypass),
            (switch::DROP_UNTIL, drop_until),
            (switch::OPENED, opened),
            (switch::CONFIRM_BY, confirm_by),
        ] {
            self.guard.set_switch(number, value)?;
        }
        Ok(())
    }

    /// Sets a place of the state.
    pub fn store(&mut self, table: Cells, place: u32, words: Words) -> Result<(), KernelError> {
        let [a, b, ..] = words;
        match self.places.get_mut(&table) {
            Some(Places::One(map)) => map.set(place, a, 0),
            Some(Places::Two(map)) => map.set(place, [a, b], 0),
            Some(Places::Four(map)) => map.set(place, words, 0),
            None => Ok(()),
        }
        .map_err(|error| KernelError::map(table.map(), error))
    }

    /// Runs a frame; `None` if the program answered neither "pass" nor "drop".
    pub fn run(
        &mut self,
        frame: &[u8],
        interface: u32,
        now: u64,
    ) -> Result<Option<Verdict>, KernelError> {
        self.guard.set_now(now)?;
        Ok(match self.guard.run_undrained(frame, interface)? {
            XDP_PASS => Some(Verdict::Pass),
            XDP_DROP => Some(Verdict::Drop),
            _ => None,
        })
    }

    /// Throws away copies of signalling, which the host has read.
    pub fn drain(&mut self) {
        self.guard.drain();
    }

    /// The counters of a slot.
    pub fn counters(&self, slot: u32) -> Result<SlotCounters, KernelError> {
        self.guard.counters(slot)
    }
}
