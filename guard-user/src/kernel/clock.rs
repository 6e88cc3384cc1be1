//! The data plane's clock: monotonic nanoseconds, as `bpf_ktime_get_coarse_ns` counts them; and
//! the clock of a thread's own work.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What the calling thread has had of a CPU so far.
#[must_use]
pub fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Monotonic nanoseconds now; 0 if the clock cannot be read, which no supported kernel does.
#[must_use]
pub fn now() -> u64 {
    let Ok(time) = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE) else {
        return 0;
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
