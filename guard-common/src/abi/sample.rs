//! Samples of frames, as they lie in the ring between kernel and controller, and the cells that
//! ration them.

use super::abi_types;
use crate::reason::COUNTERS;

/// Bytes of a frame that a sample holds at most: the longest usual headers (Ethernet, two tags,
/// IPv6, TCP with options) take 126, which leaves room for the marker of a start line.
pub const SAMPLE_BYTES: usize = 256;
/// Bytes of the ring: about 3,500 samples.
pub const SAMPLES_BYTES: u32 = 1 << 20;

/// Cells that ration by counter.
pub const REASON_CELLS: u32 = 256;
const _: () = assert!(COUNTERS <= REASON_CELLS as usize);
/// Cells that ration by slot and counter. A power of two.
pub const SLOT_CELLS: u32 = 1 << 14;
/// Cells that ration by source, destination and counter. A power of two.
pub const FLOW_CELLS: u32 = 1 << 15;

/// Longest time in which a CPU saves up samples of what is over its limit: nanoseconds.
pub const DROPS_BURST: u64 = 1_000_000_000;

/// What is known about a sampled frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleHeader {
    /// Monotonic nanoseconds, coarse.
    pub time: u64,
    /// Kernel index of the interface the frame came in by; 0 if it left the host.
    pub interface: u32,
    /// Counter slot that took it.
    pub slot: u32,
    /// Counter that took it, which says reason and verdict: see
    /// [`crate::reason::Reason::of_counter`].
    pub counter: u32,
    /// About how many frames between these two ends it stands for, itself included; 0 if it was
    /// taken only because it was over a limit or denied, and others stand for it.
    pub stands_for: u32,
    /// Bytes of the frame, as counted.
    pub length: u32,
    /// How many of them the sample holds: the first.
    pub captured: u32,
}

/// A record of the ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRecord {
    /// What it is a sample of.
    pub header: SampleHeader,
    /// The first bytes of the frame; what lies beyond `captured` has no meaning.
    pub bytes: [u8; SAMPLE_BYTES],
}

abi_types! {
    SampleHeader => 32,
    SampleRecord => 32 + SAMPLE_BYTES,
}
