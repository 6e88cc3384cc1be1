//! The maps. Names are the pin names; sizes of policy maps are set when a generation is loaded.
//!
//! Policy maps belong to one generation and are read-only to the program. State maps are pinned
//! and shared by all generations.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use guard_common::abi::acl::{AclBlock, AclEntry};
use guard_common::abi::party::{Party, Prefix4, Prefix6};
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{
    Cell, PIN_SETS, PIN_WAYS, PSAP_CELLS, SOURCE_CELLS, SlotCounters, TENTATIVE_CELLS, alarm,
    switch,
};
use guard_common::guard::Scratch;
use guard_common::prefix::BUCKETS;

/// `BPF_F_RDONLY_PROG`: the program cannot write.
const READ_ONLY: u32 = 1 << 7;

// Policy of the generation.

#[map]
pub static POLICY: Array<Policy> = Array::with_max_entries(1, READ_ONLY);
#[map]
pub static PARTY_LENGTHS4: Array<u32> = Array::with_max_entries(BUCKETS, READ_ONLY);
#[map]
pub static PARTY_LENGTHS6: Array<u32> = Array::with_max_entries(BUCKETS, READ_ONLY);
#[map]
pub static PARTIES4: HashMap<Prefix4, Party> = HashMap::with_max_entries(1, READ_ONLY);
#[map]
pub static PARTIES6: HashMap<Prefix6, Party> = HashMap::with_max_entries(1, READ_ONLY);
#[map]
pub static ACL_LENGTHS4: Array<u32> = Array::with_max_entries(BUCKETS, READ_ONLY);
#[map]
pub static ACL_LENGTHS6: Array<u32> = Array::with_max_entries(BUCKETS, READ_ONLY);
#[map]
pub static ACL4: HashMap<Prefix4, AclEntry> = HashMap::with_max_entries(1, READ_ONLY);
#[map]
pub static ACL6: HashMap<Prefix6, AclEntry> = HashMap::with_max_entries(1, READ_ONLY);
#[map]
pub static ACL_BLOCKS: Array<AclBlock> = Array::with_max_entries(1, READ_ONLY);

// State that generations share.

#[map]
pub static SWITCHES: Array<Cell> = Array::with_max_entries(switch::COUNT, READ_ONLY);
#[map]
pub static COUNTERS: PerCpuArray<SlotCounters> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static ALARMS: PerCpuArray<u64> = PerCpuArray::with_max_entries(alarm::COUNT, 0);
#[map]
pub static SOURCE_BUCKETS: Array<Cell> = Array::with_max_entries(2 * SOURCE_CELLS, 0);
#[map]
pub static PSAP_BUCKETS: Array<Cell> = Array::with_max_entries(PSAP_CELLS, 0);
#[map]
pub static TENTATIVE: Array<Cell> = Array::with_max_entries(TENTATIVE_CELLS, 0);
#[map]
pub static PINS: Array<Cell> = Array::with_max_entries(PIN_SETS * PIN_WAYS, 0);

// Memory to work in, of each CPU its own.

#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's memory. There is always one: `None` only satisfies the verifier.
#[inline(always)]
pub fn scratch<'a>() -> Option<&'a mut Scratch> {
    // SAFETY: per-CPU memory, valid for the whole run of the program, which nothing on this CPU
    // interrupts to run it again; this is its only user, called once a run.
    unsafe { SCRATCH.get_ptr_mut(0)?.as_mut() }
}
