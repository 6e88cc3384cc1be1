//! The clock: the kernel's, or, in a private copy that frames are tried in, one that is told.

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns};
use guard_common::abi::state::{Cell, switch};

use crate::maps;

/// Not zero: the clock is a switch. Set when loaded, in private copies alone; what is on an
/// interface has the verifier take that way out.
#[unsafe(no_mangle)]
static CLOCK_TOLD: u32 = 0;

/// The monotonic time of the last tick, kept by each CPU.
///
/// The kernel moves its coarse clock and its count of ticks together, by up to 10 ms. The count is
/// read in place, without a call; the clock is asked once a tick and not once a frame, which
/// is a tenth of what dropping a frame costs. A CPU that asks between the two moves is one tick
/// behind until the next.
#[repr(C)]
pub struct Clock {
    tick: Cell,
    time: Cell,
}

impl Clock {
    /// Monotonic nanoseconds.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        // SAFETY: a constant that the loader has set; volatile, so that the compiler does not take
        // it for what it is here.
        let is_told = unsafe { (&raw const CLOCK_TOLD).read_volatile() != 0 };
        if is_told {
            return maps::SWITCHES.get(switch::CLOCK).map_or(0, |word| word.load());
        }
        // SAFETY: no arguments, no failure.
        let tick = unsafe { bpf_jiffies64() };
        let time = self.time.load();
        // Without a time, nobody has asked yet.
        if self.tick.load() == tick && time != 0 {
            return time;
        }
        // SAFETY: as above. A third of the cost of the fine clock.
        let time = unsafe { bpf_ktime_get_coarse_ns() };
        self.tick.store(tick);
        self.time.store(time);
        time
    }
}
