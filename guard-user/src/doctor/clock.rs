//! The clock of the wall: what log, audit and samples say of times, and when entries end.

use nix::libc;

use super::Finding;

const TOPIC: &str = "clock";
/// `TIME_ERROR`: the clock is not synchronised.
const NOT_SYNCHRONISED: libc::c_int = 5;

pub fn look() -> Option<Finding> {
    let next = "run chrony, ntpd or systemd-timesyncd: entries with `expires` end by this clock, \
                and the log is held against other hosts'";
    // SAFETY: all zeros are a valid `timex`, a structure of numbers, and ask without changing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    Some(match state {
        ..0 => Finding::unknown(TOPIC, "synchronised", "the kernel does not tell", next),
        NOT_SYNCHRONISED => {
            Finding::warn(TOPIC, "synchronised", "the clock is not synchronised", next)
        }
        _ => Finding::ok(TOPIC, "synchronised", "the clock is synchronised"),
    })
}
