//! Writing samples of frames into their ring.

use core::hint::black_box;

use guard_common::abi::sample::{SAMPLE_BYTES, SampleHeader, SampleRecord};

use crate::context::Context;
use crate::maps;

/// Not zero: frames are sampled. Set when loaded.
#[unsafe(no_mangle)]
static SAMPLING: u32 = 0;

/// Nanoseconds between two samples of what is over its limit, on each CPU; 0 for none. Set when
/// loaded.
#[unsafe(no_mangle)]
static DROP_INTERVAL: u64 = 0;

/// Nanoseconds between two samples of what is over its limit.
#[inline(always)]
pub fn drop_interval() -> u64 {
    // SAFETY: as for `are_wanted`.
    unsafe { (&raw const DROP_INTERVAL).read_volatile() }
}

/// Whether frames are sampled.
#[inline(always)]
pub fn are_wanted() -> bool {
    // SAFETY: a constant that the loader has set; volatile, so that the compiler does not take it
    // for what it is here.
    unsafe { (&raw const SAMPLING).read_volatile() != 0 }
}

/// Writes a sample; false if there is no room. Of a frame that ends before its length says, or
/// is empty, there is none.
#[inline(always)]
pub fn write<C: Context>(ctx: &C, header: &SampleHeader) -> bool {
    let Some(mut record) = maps::SAMPLES.reserve::<SampleRecord>(0) else {
        return false;
    };
    let place: *mut SampleRecord = record.as_mut_ptr();
    // As for copies: the verifier of older kernels can add one, and the black box has it look at
    // the register that is checked.
    let less_one = black_box(header.captured.wrapping_sub(1));
    // SAFETY: the record is ours until it is submitted; header and bytes lie within it, and
    // what is loaded no more than the bytes there are.
    let is_whole = unsafe {
        (&raw mut (*place).header).write(*header);
        let to = (&raw mut (*place).bytes).cast();
        less_one < SAMPLE_BYTES as u32 && ctx.load(0, to, less_one + 1)
    };
    if is_whole {
        record.submit(0);
    } else {
        record.discard(0);
    }
    true
}
