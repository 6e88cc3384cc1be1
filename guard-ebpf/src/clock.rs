//! The clock: the kernel's, or, in a private copy that frames are tried in, one that is told.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use guard_common::abi::state::switch;

use crate::maps;

/// Not zero: the clock is a switch. Set when loaded, in private copies alone; what is on an
/// interface has the verifier take that way out.
#[unsafe(no_mangle)]
static CLOCK_TOLD: u32 = 0;

/// Monotonic nanoseconds.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: a constant that the loader has set; volatile, so that the compiler does not take it
    // for what it is here.
    let is_told = unsafe { (&raw const CLOCK_TOLD).read_volatile() != 0 };
    if is_told {
        return maps::SWITCHES.get(switch::CLOCK).map_or(0, |word| word.load());
    }
    // SAFETY: no arguments, no failure. Steps by up to 10 ms, a third of the cost.
    unsafe { bpf_ktime_get_coarse_ns() }
}
