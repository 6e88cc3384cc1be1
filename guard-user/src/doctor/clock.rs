//! The clock of the wall: what log, audit and samples say of times, and when entries end.

use nix::libc;

use super::Finding;

const TOPIC: &str = "clock";
/// `TIME_ERROR`: the clock is not synchronised.
const NOT_SYNCHRONISED: libc::c_int = 5;

pub fn look() -> Option<Finding> {
    // SAFETY: all zeros are a valid `timex`, a structure of numbers, and ask without changing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    Some(judge(state))
}

/// What the kernel's word means.
fn judge(state: libc::c_int) -> Finding {
    let next = "run chrony, ntpd or systemd-timesyncd: entries with `expires` end by this clock, \
                and the log is held against other hosts'";
    match state {
        ..0 => Finding::unknown(TOPIC, "synchronised", "the kernel does not tell", next),
        NOT_SYNCHRONISED => {
            Finding::warn(TOPIC, "synchronised", "the clock is not synchronised", next)
        }
        _ => Finding::ok(TOPIC, "synchronised", "the clock is synchronised"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    #[test]
    fn a_clock_that_runs_free_is_a_warning() {
        let mark = |state| judge(state).mark;
        assert_eq!(mark(-1), Mark::Unknown);
        assert_eq!(mark(NOT_SYNCHRONISED), Mark::Warn);
        // TIME_OK, and leap seconds that come or are here.
        for state in 0..NOT_SYNCHRONISED {
            assert_eq!(mark(state), Mark::Ok, "{state}");
        }
    }
}
