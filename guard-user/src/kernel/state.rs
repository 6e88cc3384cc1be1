//! The state maps of a loaded guard: switches, counters, alarms.
//!
//! Opened from their pins, for reading alone where that is enough, so that every verb works with
//! the daemon dead.

use std::ffi::CString;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya::maps::{Array, Map, MapData, PerCpuArray};
use aya_obj::generated::BPF_F_RDONLY;
use aya_obj::generated::bpf_cmd::BPF_OBJ_GET;
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{Counter, Counters, SlotCounters, alarm, switch};
use guard_common::leaving::COUNTERS_OUT;
use guard_common::reason::COUNTERS;
use nix::libc::{SYS_bpf, syscall};

use super::error::KernelError;
use super::load::chain;
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
        self.0.set(number, value, 0).map_err(|error| {
            let reason = chain(&error);
            if reason.contains("os error 1)") {
                return KernelError::NotPermitted { what: "change the guard".to_owned(), reason };
            }
            KernelError::map(object::SWITCHES, reason)
        })
    }

    /// Opens the guard for a reason of `guard_common::abi::state::opened`; whether that was not said
    /// already. A reason that weighs more stays: what closes the guard for another does not close
    /// it for that one.
    pub fn open_for(&mut self, reason: u64) -> Result<bool, KernelError> {
        let now = self.get(switch::OPENED)?;
        let is_news = now == 0 || reason < now;
        if is_news {
            self.set(switch::OPENED, reason)?;
        }
        Ok(is_news)
    }

    /// Live generation, mode, bypass and deadline, for readers.
    pub fn overview(&self) -> Result<Overview, KernelError> {
        Ok(Overview {
            generation: self.get(switch::GENERATION)?,
            mode: self.get(switch::MODE)?,
            bypass: match self.get(switch::BYPASS)? {
                0 => None,
                word => Some(word),
            },
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
    /// Whether everything passes by a person's decision: the word of [`switch::BYPASS`].
    pub bypass: Option<u64>,
    /// The watchdog's deadline in monotonic nanoseconds.
    pub drop_until: u64,
    /// Why the controller opened the guard; 0 if it did not.
    pub opened: u64,
    /// When the guard opens for want of a confirmation, in monotonic nanoseconds.
    pub confirm_by: Option<u64>,
    /// Counter slots.
    pub slots: u32,
}

/// Counters by slot, of one direction, which has so many of them.
pub struct Slots<const N: usize> {
    map: &'static str,
    counters: PerCpuArray<MapData, Wire<Counters<N>>>,
}

/// Counters of what comes in, by slot.
pub type InSlots = Slots<COUNTERS>;
/// Counters of what leaves, by slot.
pub type OutSlots = Slots<COUNTERS_OUT>;

impl<const N: usize> Slots<N> {
    /// From a loaded or opened map of this name.
    pub fn new(counters: Map, map: &'static str) -> Result<Self, KernelError> {
        let counters =
            PerCpuArray::try_from(counters).map_err(|error| KernelError::map(map, error))?;
        Ok(Self { map, counters })
    }

    /// From their pin; `map` is its name.
    pub fn open(path: &Path, map: &'static str) -> Result<Self, KernelError> {
        Self::new(open(path, map)?, map)
    }

    /// The counters of a slot, summed over CPUs; those that the direction does not have are zero.
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
    counters: InSlots,
    alarms: PerCpuArray<MapData, u64>,
}

impl Counts {
    /// From loaded or opened maps.
    pub fn new(counters: Map, alarms: Map) -> Result<Self, KernelError> {
        Ok(Self {
            counters: InSlots::new(counters, object::COUNTERS)?,
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

/// Opens a pinned map; for reading alone where the caller may do no more.
pub fn open(path: &Path, name: &str) -> Result<Map, KernelError> {
    let data = MapData::from_pin(path)
        .or_else(|error| read_only(path).ok_or(error))
        .map_err(|error| KernelError::map(name, error))?;
    Map::from_map_data(data).map_err(|error| KernelError::map(name, error))
}

/// What `BPF_OBJ_GET` takes: the beginning of the kernel's `union bpf_attr`.
#[repr(C)]
struct Get {
    path: u64,
    descriptor: u32,
    flags: u32,
}

/// Opens a pinned map for reading. aya asks for both, which the mode of a pin may not allow.
fn read_only(path: &Path) -> Option<MapData> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let get = Get { path: path.as_ptr() as u64, descriptor: 0, flags: BPF_F_RDONLY };
    // SAFETY: the structure and the path it points to outlive the call, and the size is its own.
    let answer = unsafe { syscall(SYS_bpf, BPF_OBJ_GET as u32, &raw const get, size_of::<Get>()) };
    let descriptor = i32::try_from(answer).ok().filter(|descriptor| *descriptor >= 0)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    MapData::from_fd(descriptor).ok()
}
