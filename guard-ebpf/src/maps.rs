//! The maps. Names are the pin names; sizes of policy maps are set when a generation is loaded.
//!
//! Policy maps belong to one generation and are read-only to the program. State maps are pinned
//! and shared by all generations.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, ProgramArray, RingBuf};
use guard_common::abi::acl::{AclBlock, AclEntry};
use guard_common::abi::copy::{COPIES_BYTES, STRANGER_COPIES_BYTES};
use guard_common::abi::party::{Bucket4, Bucket6, Party, Prefix4, Prefix6};
use guard_common::abi::policy::Policy;
use guard_common::abi::sample::SAMPLES_BYTES;
use guard_common::abi::state::{
    Cell, Cells, OutCounters, PIN_WORDS, PORT_WORDS, SlotCounters, alarm, switch,
};
use guard_common::bytes::BLOCK_MAX;
use guard_common::guard::Scratch;
use guard_common::memory::Word;
use guard_common::prefix::BUCKETS;

use crate::clock::Clock;

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
pub static PARTY_INDEX4: Array<Bucket4> = Array::with_max_entries(1, READ_ONLY);
#[map]
pub static PARTY_INDEX6: Array<Bucket6> = Array::with_max_entries(1, READ_ONLY);
#[map]
pub static PARTIES: Array<Party> = Array::with_max_entries(1, READ_ONLY);
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

/// The program for the inside of tunnels that come in; empty where nothing is looked into.
#[map]
pub static INSIDE: ProgramArray = ProgramArray::with_max_entries(1, 0);
/// The one for those that go out. A program array holds programs of one type.
#[map]
pub static OUT_INSIDE: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Goes on with the program for the inside; returns if there is none.
#[inline(always)]
pub fn inside<C: EbpfContext>(programs: &ProgramArray, ctx: &C) {
    // SAFETY: the program has the same type and context. It leaves for good or fails.
    unsafe { programs.tail_call(ctx, 0) };
}

// State that generations share.

#[map]
pub static SWITCHES: Array<Cell> = Array::with_max_entries(switch::COUNT, READ_ONLY);
#[map]
pub static COUNTERS: PerCpuArray<SlotCounters> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static ALARMS: PerCpuArray<u64> = PerCpuArray::with_max_entries(alarm::COUNT, 0);
#[map]
pub static COPIES: RingBuf = RingBuf::with_byte_size(COPIES_BYTES, 0);
#[map]
pub static STRANGER_COPIES: RingBuf = RingBuf::with_byte_size(STRANGER_COPIES_BYTES, 0);
#[map]
pub static SAMPLES: RingBuf = RingBuf::with_byte_size(SAMPLES_BYTES, 0);
#[map]
pub static OUT_COUNTERS: PerCpuArray<OutCounters> = PerCpuArray::with_max_entries(1, 0);

// Tables of cells, by [`Cells`].

#[map]
pub static SOURCE_BUCKETS: Array<[Cell; 1]> = Array::with_max_entries(Cells::Source.count(1), 0);
#[map]
pub static PSAP_BUCKETS: Array<[Cell; 1]> = Array::with_max_entries(Cells::Psap.count(1), 0);
#[map]
pub static TENTATIVE: Array<[Cell; 1]> = Array::with_max_entries(Cells::Tentative.count(1), 0);
#[map]
pub static PINS: Array<[Cell; PIN_WORDS]> = Array::with_max_entries(Cells::Pins.count(1), 0);
#[map]
pub static PORTS: Array<[Cell; PORT_WORDS]> = Array::with_max_entries(Cells::Ports.count(1), 0);
#[map]
pub static FRAGMENTS: Array<[Cell; 1]> = Array::with_max_entries(Cells::Fragments.count(1), 0);
#[map]
pub static CONNECTIONS: Array<[Cell; 1]> = Array::with_max_entries(Cells::Connections.count(1), 0);
#[map]
pub static SEGMENTS: Array<[Cell; 1]> = Array::with_max_entries(Cells::Segments.count(1), 0);
#[map]
pub static OPEN: Array<[Cell; 1]> = Array::with_max_entries(Cells::Open.count(1), 0);
#[map]
pub static SAMPLED: Array<[Cell; 1]> = Array::with_max_entries(Cells::Samples.count(1), 0);

/// A place of a table; none if the table's places have another number of cells.
#[inline(always)]
pub fn place<'a, const N: usize>(table: Cells, place: u32) -> Option<&'a [Cell; N]> {
    if table.words() != N {
        return None;
    }
    let cells: *const [Cell; N] = match table {
        Cells::Source => SOURCE_BUCKETS.get_ptr(place)?.cast(),
        Cells::Psap => PSAP_BUCKETS.get_ptr(place)?.cast(),
        Cells::Tentative => TENTATIVE.get_ptr(place)?.cast(),
        Cells::Pins => PINS.get_ptr(place)?.cast(),
        Cells::Ports => PORTS.get_ptr(place)?.cast(),
        Cells::Fragments => FRAGMENTS.get_ptr(place)?.cast(),
        Cells::Connections => CONNECTIONS.get_ptr(place)?.cast(),
        Cells::Segments => SEGMENTS.get_ptr(place)?.cast(),
        Cells::Open => OPEN.get_ptr(place)?.cast(),
        Cells::Samples => SAMPLED.get_ptr(place)?.cast(),
    };
    // SAFETY: the value has `N` cells, as just checked, is never freed, and [`Cell`] allows
    // others to write it meanwhile.
    unsafe { cells.as_ref() }
}

/// The piece of a message that is being read, and what comes after it.
#[repr(C)]
pub struct Block {
    /// The piece; zeros behind its end.
    pub bytes: [u8; BLOCK_MAX],
    /// Where it begins in the frame.
    pub offset: Word<u32>,
    /// Bytes that are left to read, this piece included.
    pub left: Word<u32>,
}

/// What a CPU works with.
#[repr(C)]
pub struct Working {
    /// For one frame.
    pub scratch: Scratch,
    /// From one frame to the next.
    pub clock: Clock,
}

// Memory to work in, of each CPU its own.

#[map]
pub static SCRATCH: PerCpuArray<Working> = PerCpuArray::with_max_entries(1, 0);
/// The piece of a message that is being read.
#[map]
pub static BLOCK: PerCpuArray<Block> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's memory. There is always one: `None` only satisfies the verifier.
#[inline(always)]
pub fn working<'a>() -> Option<&'a mut Working> {
    // SAFETY: per-CPU memory, valid for the whole run of the program, called once a run. XDP and tc
    // share it: both run with bottom halves off, so neither interrupts the other on a CPU.
    unsafe { SCRATCH.get_ptr_mut(0)?.as_mut() }
}

/// This CPU's memory for the piece of a message that is being read.
#[inline(always)]
pub fn block<'a>() -> Option<&'a mut Block> {
    // SAFETY: as for `scratch`.
    unsafe { BLOCK.get_ptr_mut(0)?.as_mut() }
}
