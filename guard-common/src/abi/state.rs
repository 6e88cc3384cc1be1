//! State: what outlives a generation. Switches, counters, buckets, pins.
//!
//! Cells that several CPUs share are single aligned words, read and written whole. Two CPUs
//! that write at once lose one of the two writes; every user of a cell says why that is harmless.

use core::cell::UnsafeCell;

use super::sample::{FLOW_CELLS, REASON_CELLS, SLOT_CELLS};
use super::{Abi, abi_types};
use crate::leaving::COUNTERS_OUT;
use crate::reason::COUNTERS;

/// The switches: words that work without a new generation. Each has one kind of writer, so that
/// no writer ever undoes another's change: a person's verb, the daemon's heartbeat, a swap.
///
/// The first three never change their place or meaning, whatever [`crate::abi::ABI_VERSION`]:
/// `guard bypass on` writes its word into the state of any version.
///
/// A guard of another version reads [`switch::MODE`], [`switch::BYPASS`], [`switch::DROP_UNTIL`],
/// [`switch::ABI`] and [`switch::OPENED`]: their places never change.
pub mod switch {
    /// One of the `MODE_` constants; anything else drops nothing. Written by `guard mode`.
    pub const MODE: u32 = 0;
    /// Not zero: pass everything, keep counting. [`super::BYPASS_ENDLESS`], or monotonic
    /// nanoseconds from which on the daemon ends it. Written by `guard bypass`.
    pub const BYPASS: u32 = 1;
    /// Monotonic nanoseconds after which the guard drops nothing: the watchdog's deadline.
    /// Written by the daemon's heartbeat.
    pub const DROP_UNTIL: u32 = 2;
    /// [`crate::abi::ABI_VERSION`] of all state maps. Written once, with the next three.
    pub const ABI: u32 = 3;
    /// Counter slots in the state maps.
    pub const SLOTS: u32 = 4;
    /// See [`crate::abi::policy::Policy::hash_key`].
    pub const HASH_KEY: u32 = 5;
    /// Number of the live generation, for readers. Written by a swap.
    pub const GENERATION: u32 = 6;
    /// Not zero: the controller opened the guard, and everything passes until a person closes it
    /// again; the number says why. Written by the daemon's proofs.
    pub const OPENED: u32 = 7;
    /// Not zero: monotonic nanoseconds at which the guard opens, because nobody confirmed the
    /// change that is live. Written by a swap, its confirmation and its roll-back.
    pub const CONFIRM_BY: u32 = 8;
    /// Kernel id of the live generation's XDP program, for readers who may not open it. Written by
    /// a swap.
    pub const PROGRAM: u32 = 9;
    /// The time in a private copy whose clock is told: monotonic nanoseconds. No program on an
    /// interface looks at it.
    pub const CLOCK: u32 = 10;
    /// Not zero: entries of the lists are being changed in the live generation, or somebody was
    /// killed at it; what it holds is not what is written down. No program looks at it.
    pub const CHANGING: u32 = 11;
    /// How many switches there are.
    pub const COUNT: u32 = 16;
}

/// Why the controller opened the guard: values of [`switch::OPENED`], what weighs more first.
pub mod opened {
    /// The canary: a frame that must pass did not, or passed for want of better knowledge.
    pub const CANARY: u64 = 1;
    /// After a change, the evidence turned and it could not be rolled back.
    pub const EVIDENCE: u64 = 2;
    /// Nobody confirmed a change that was to be confirmed.
    pub const UNCONFIRMED: u64 = 3;

    /// What it means, for people.
    #[must_use]
    pub const fn meaning(code: u64) -> &'static str {
        match code {
            CANARY => "the canary failed: a frame that must pass was not protected",
            EVIDENCE => "after a change, the evidence turned",
            UNCONFIRMED => "nobody confirmed a change",
            _ => "for a reason that this version does not know",
        }
    }
}

/// Decide and count, drop nothing.
pub const MODE_MONITOR: u64 = 1;
/// Decide, count and drop.
pub const MODE_ENFORCE: u64 = 2;

/// A bypass that nobody ends but a person.
pub const BYPASS_ENDLESS: u64 = 1;

/// A deadline that never passes.
pub const NO_DEADLINE: u64 = u64::MAX;

/// Frames and bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Frames.
    pub packets: u64,
    /// Bytes, from the Ethernet header on, without the frame check sequence.
    pub bytes: u64,
}

/// Counters of one slot on one CPU, by [`crate::reason::Reason::counter`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters<const N: usize> {
    /// The counters.
    pub counters: [Counter; N],
}

/// Of what comes in, or of both directions: all there are.
pub type SlotCounters = Counters<COUNTERS>;
/// Of what leaves: those that [`crate::leaving::Leaving`] can move.
pub type OutCounters = Counters<COUNTERS_OUT>;

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self { counters: [Counter::default(); N] }
    }
}

// SAFETY: repr(C), and an array of pairs of integers, which has no padding at any length.
unsafe impl<const N: usize> Abi for Counters<N> {}
const _: () = assert!(size_of::<SlotCounters>() == 16 * COUNTERS);
const _: () = assert!(size_of::<OutCounters>() == 16 * COUNTERS_OUT);

/// Things worth a person's attention that are not the fate of a frame, one number each.
pub mod alarm {
    /// A configured address came in where it is not bound.
    pub const UNBOUND_SOURCE: u32 = 0;
    /// A stranger's call was answered and all places for its pin were taken.
    pub const PIN_OVERFLOW: u32 = 1;
    /// A frame would have been dropped, but the watchdog had run out.
    pub const WATCHDOG_OPEN: u32 = 2;
    /// A bucket, pin or counter was missing. The frame passed.
    pub const STATE_MISSING: u32 = 3;
    /// A frame came in on an interface the policy does not list.
    pub const UNKNOWN_INTERFACE: u32 = 4;
    /// A copy of signalling between configured parties found no room in its ring: media to that
    /// element is open for a while.
    pub const COPY_LOST: u32 = 5;
    /// A copy of a stranger's signalling found no room in its ring.
    pub const STRANGER_COPY_LOST: u32 = 6;
    /// A live port pin gave way to another: all places for it were taken.
    pub const PORT_OVERFLOW: u32 = 7;
    /// A protected first fragment displaced one whose datagram may not have been complete.
    pub const FRAGMENT_OVERFLOW: u32 = 8;
    /// What was known of a stranger's call that had only begun gave way to another: its tentative
    /// pin, before the element may have answered, or what its TCP segments have said so far.
    pub const TENTATIVE_OVERFLOW: u32 = 9;
    /// A sample of a frame found no room in its ring.
    pub const SAMPLE_LOST: u32 = 10;
    /// A line of the kernel half's log found no room in its ring.
    pub const LOG_LOST: u32 = 11;
    /// How many alarms there are.
    pub const COUNT: u32 = 12;
    /// Names, by number: for people and for JSON.
    pub const NAMES: [&str; COUNT as usize] = [
        "unbound_source",
        "pin_overflow",
        "watchdog_open",
        "state_missing",
        "unknown_interface",
        "copy_lost",
        "stranger_copy_lost",
        "port_overflow",
        "fragment_overflow",
        "tentative_overflow",
        "sample_lost",
        "log_lost",
    ];
}

/// A word that several CPUs read and write.
#[repr(transparent)]
pub struct Cell(UnsafeCell<u64>);

// SAFETY: all access goes through volatile reads and writes of one aligned 64-bit word, which
// the supported 64-bit targets perform whole. Users tolerate lost writes (module head).
unsafe impl Sync for Cell {}

impl Cell {
    /// A cell with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value now.
    #[inline(always)]
    pub fn load(&self) -> u64 {
        // SAFETY: the pointer comes from a live reference, is aligned and valid for reads.
        unsafe { self.0.get().read_volatile() }
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn store(&self, value: u64) {
        // SAFETY: as above, and UnsafeCell permits the write through a shared reference.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// Bucket cells of one slot: one for each kind, the last for marked signalling. A power of two.
pub const PSAP_CELLS: u32 = 16;
/// The place of marked signalling among the bucket cells of a slot, and its number in the hash
/// of a source's cells.
pub const MARKED_CELL: u32 = PSAP_CELLS - 1;
const _: () = assert!(crate::class::KINDS <= MARKED_CELL as usize);
/// Bucket cells of one hash row; two rows are used. A power of two.
pub const SOURCE_CELLS: u32 = 1 << 16;
/// Cells of tentative pins. A power of two.
pub const TENTATIVE_CELLS: u32 = 1 << 16;
/// Sets of confirmed pins of conversations. A power of two.
pub const PIN_SETS: u32 = 1 << 14;
/// Sets of pins of ports. A power of two.
pub const PORT_SETS: u32 = 1 << 13;
/// Sets of datagrams whose first fragment was protected. A power of two.
pub const FRAGMENT_SETS: u32 = 1 << 14;
/// Sets of completed connections of strangers. A power of two.
pub const CONNECTION_SETS: u32 = 1 << 14;
/// Cells of start lines that a segment has not finished. A power of two.
pub const SEGMENT_CELLS: u32 = 1 << 16;
/// Places in a set of any of them.
pub const WAYS: u32 = 4;
/// Cells of a pin of a conversation: the pin, its allowance.
pub const PIN_WORDS: usize = 2;
/// Cells of a pin of a port: the pin, its sources, their allowance, everybody else's.
pub const PORT_WORDS: usize = 4;

/// A table that frames change: places of one or more cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cells {
    /// Buckets of sources: two rows.
    Source,
    /// Buckets of PSAPs and sites: [`PSAP_CELLS`] a slot.
    Psap,
    /// Tentative pins and handshakes.
    Tentative,
    /// Confirmed pins of conversations: [`PIN_WORDS`] cells each.
    Pins,
    /// Pins of ports: [`PORT_WORDS`] cells each.
    Ports,
    /// Datagrams whose first fragment was protected.
    Fragments,
    /// Completed connections of strangers.
    Connections,
    /// Start lines that a segment has not finished.
    Segments,
    /// Until when media to the element of a slot is open for everybody: monotonic nanoseconds.
    Open,
    /// Rations of samples: see [`crate::abi::sample`].
    Samples,
}

impl Cells {
    /// All tables, by number.
    pub const ALL: [Self; 10] = [
        Self::Source,
        Self::Psap,
        Self::Tentative,
        Self::Pins,
        Self::Ports,
        Self::Fragments,
        Self::Connections,
        Self::Segments,
        Self::Open,
        Self::Samples,
    ];

    /// Name of its map.
    #[must_use]
    pub const fn map(self) -> &'static str {
        match self {
            Self::Source => "SOURCE_BUCKETS",
            Self::Psap => "PSAP_BUCKETS",
            Self::Tentative => "TENTATIVE",
            Self::Pins => "PINS",
            Self::Ports => "PORTS",
            Self::Fragments => "FRAGMENTS",
            Self::Connections => "CONNECTIONS",
            Self::Segments => "SEGMENTS",
            Self::Open => "OPEN",
            Self::Samples => "SAMPLED",
        }
    }

    /// Cells of a place.
    #[must_use]
    pub const fn words(self) -> usize {
        match self {
            Self::Pins => PIN_WORDS,
            Self::Ports => PORT_WORDS,
            Self::Source
            | Self::Psap
            | Self::Tentative
            | Self::Fragments
            | Self::Connections
            | Self::Segments
            | Self::Open
            | Self::Samples => 1,
        }
    }

    /// How many places it has where there are so many counter slots.
    #[must_use]
    pub const fn count(self, slots: u32) -> u32 {
        match self {
            Self::Source => 2 * SOURCE_CELLS,
            Self::Psap => slots.saturating_mul(PSAP_CELLS),
            Self::Tentative => TENTATIVE_CELLS,
            Self::Pins => PIN_SETS * WAYS,
            Self::Ports => PORT_SETS * WAYS,
            Self::Fragments => FRAGMENT_SETS * WAYS,
            Self::Connections => CONNECTION_SETS * WAYS,
            Self::Segments => SEGMENT_CELLS,
            Self::Open => slots,
            Self::Samples => REASON_CELLS + SLOT_CELLS + FLOW_CELLS,
        }
    }
}

abi_types! {
    Counter => 16,
}
