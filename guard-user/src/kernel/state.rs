//! The state maps of a loaded guard: switches, counters, alarms.
//!
//! Opened from their pins, for reading alone where that is enough, so that every verb works with
//! the daemon dead.

use std::path::Path;

use aya::maps::{Array, Map, MapData, PerCpuArray};
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{Counter, SlotCounters, alarm, switch};

use super::error::KernelError;
use super::object;
use super::wire::Wire;

/// The switches.
pub struct Switches(Array<MapData, u64>);

impl Switches {
    /// From a loaded or opened map.
    pub fn new(map: Map) -> Result<Self, KernelError> {
        Array::try_from(map).map(Self).map_err(|error| KernelError::map(object::SWITCHES, error))
    }

    /// From its pin.
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        Self::new(open(path, object::SWITCHES)?)
    }

    /// The value of a switch of [`switch`].
    pub fn get(&self, number: u32) -> Result<u64, KernelError> {
        self.0.get(&number, 0).map_err(|error| KernelError::map(object::SWITCHES, error))
    }

    /// Sets a switch: one map write.
    pub fn set(&mut self, number: u32, value: u64) -> Result<(), KernelError> {
        self.0.set(number, value, 0).map_err(|error| KernelError::map(object::SWITCHES, error))
    }

    /// Live generation, mode, bypass and deadline, for readers.
    pub fn overview(&self) -> Result<Overview, KernelError> {
        Ok(Overview {
            generation: self.get(switch::GENERATION)?,
            mode: self.get(switch::MODE)?,
            bypass: self.get(switch::BYPASS)? != 0,
            drop_until: self.get(switch::DROP_UNTIL)?,
            opened: self.get(switch::OPENED)?,
            confirm_by: match self.get(switch::CONFIRM_BY)? {
                0 => None,
                deadline => Some(deadline),
            },
            slots: u32::try_from(self.get(switch::SLOTS)?).unwrap_or(0),
        })
    }
}

/// What the switches say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Number of the live generation.
    pub generation: u64,
    /// Mode number.
    pub mode: u64,
    /// Whether everything passes by a person's decision.
    pub bypass: bool,
    /// The watchdog's deadline in monotonic nanoseconds.
    pub drop_until: u64,
    /// Why the controller opened the guard; 0 if it did not.
    pub opened: u64,
    /// When the guard opens for want of a confirmation, in monotonic nanoseconds.
    pub confirm_by: Option<u64>,
    /// Counter slots.
    pub slots: u32,
}

/// Counters by slot, of one direction.
pub struct Slots {
    map: &'static str,
    counters: PerCpuArray<MapData, Wire<SlotCounters>>,
}

impl Slots {
    fn new(counters: Map, map: &'static str) -> Result<Self, KernelError> {
        let counters =
            PerCpuArray::try_from(counters).map_err(|error| KernelError::map(map, error))?;
        Ok(Self { map, counters })
    }

    /// From their pin; `map` is its name.
    pub fn open(path: &Path, map: &'static str) -> Result<Self, KernelError> {
        Self::new(open(path, map)?, map)
    }

    /// The counters of a slot, summed over CPUs.
    pub fn slot(&self, slot: u32) -> Result<SlotCounters, KernelError> {
        let values =
            self.counters.get(&slot, 0).map_err(|error| KernelError::map(self.map, error))?;
        let mut sum = SlotCounters::default();
        for Wire(cpu) in values.iter() {
            for (total, counter) in sum.counters.iter_mut().zip(&cpu.counters) {
                let Counter { packets, bytes } = *counter;
                total.packets = total.packets.wrapping_add(packets);
                total.bytes = total.bytes.wrapping_add(bytes);
            }
        }
        Ok(sum)
    }
}

/// Counters of what comes in, and alarms.
pub struct Counts {
    counters: Slots,
    alarms: PerCpuArray<MapData, u64>,
}

impl Counts {
    /// From loaded or opened maps.
    pub fn new(counters: Map, alarms: Map) -> Result<Self, KernelError> {
        Ok(Self {
            counters: Slots::new(counters, object::COUNTERS)?,
            alarms: PerCpuArray::try_from(alarms)
                .map_err(|error| KernelError::map(object::ALARMS, error))?,
        })
    }

    /// From their pins.
    pub fn open(counters: &Path, alarms: &Path) -> Result<Self, KernelError> {
        Self::new(open(counters, object::COUNTERS)?, open(alarms, object::ALARMS)?)
    }

    /// The counters of a slot, summed over CPUs.
    pub fn slot(&self, slot: u32) -> Result<SlotCounters, KernelError> {
        self.counters.slot(slot)
    }

    /// All alarms, summed over CPUs.
    pub fn alarms(&self) -> Result<[u64; alarm::COUNT as usize], KernelError> {
        let mut sums = [0; alarm::COUNT as usize];
        for (number, sum) in (0..).zip(&mut sums) {
            let values = self
                .alarms
                .get(&number, 0)
                .map_err(|error| KernelError::map(object::ALARMS, error))?;
            *sum = values.iter().sum();
        }
        Ok(sums)
    }
}

/// The policy of the generation that is pinned in this folder.
pub fn policy(folder: &Path) -> Result<Policy, KernelError> {
    let failed = |error| KernelError::map(object::POLICY, error);
    let map = open(&folder.join(object::POLICY), object::POLICY)?;
    let array = Array::<_, Wire<Policy>>::try_from(map).map_err(failed)?;
    array.get(&0, 0).map(|Wire(policy)| policy).map_err(failed)
}

/// Opens a pinned map.
pub fn open(path: &Path, name: &str) -> Result<Map, KernelError> {
    let data = MapData::from_pin(path).map_err(|error| KernelError::map(name, error))?;
    Map::from_map_data(data).map_err(|error| KernelError::map(name, error))
}
