//! The only place where "drop" can be spelled.
//!
//! A frame gets here as an [`Outcome`]. What classification protects is an [`Outcome::Pass`],
//! whose reason has no way to become a [`Droppable`]; so it cannot reach the arm that drops.

use crate::abi::ABI_VERSION;
use crate::abi::state::{MODE_ENFORCE, Runtime};
use crate::reason::{Droppable, Reason};

/// What was found out about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passes, in every mode.
    Pass(Reason),
    /// Denied, or over a limit.
    Excess(Droppable),
}

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on as if the guard were not there.
    Pass,
    /// Gone.
    Drop,
}

/// A verdict and what it leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What happens to the frame.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The counter that takes the frame.
    pub counter: u32,
    /// It would have been dropped, had the watchdog not run out.
    pub watchdog_open: bool,
}

/// The verdict. Everything but "enforce, with the watchdog running" passes; so does a switch
/// that was never written or is of another version.
#[must_use]
#[inline(always)]
pub fn judge(outcome: Outcome, runtime: Option<Runtime>, now: u64) -> Judgement {
    let excess = match outcome {
        Outcome::Pass(reason) => return pass(reason, false),
        Outcome::Excess(excess) => excess,
    };
    match runtime {
        Some(Runtime {
            abi: ABI_VERSION,
            mode: MODE_ENFORCE,
            drop_until,
            ..
        }) => {
            if now >= drop_until {
                return pass(excess.reason(), true);
            }
            Judgement {
                verdict: Verdict::Drop,
                reason: excess.reason(),
                counter: excess.dropped_counter(),
                watchdog_open: false,
            }
        }
        Some(_) | None => pass(excess.reason(), false),
    }
}

#[inline(always)]
const fn pass(reason: Reason, watchdog_open: bool) -> Judgement {
    Judgement {
        verdict: Verdict::Pass,
        reason,
        counter: reason.counter(),
        watchdog_open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::state::{MODE_BYPASS, MODE_MONITOR, NO_DEADLINE};

    const fn enforcing() -> Runtime {
        Runtime {
            abi: ABI_VERSION,
            mode: MODE_ENFORCE,
            drop_until: NO_DEADLINE,
            generation: 1,
            hash_key: 0,
            slots: 1,
            padding: 0,
        }
    }

    fn denied(runtime: Option<Runtime>, now: u64) -> Judgement {
        judge(Outcome::Excess(Droppable::DENIED), runtime, now)
    }

    #[test]
    fn only_enforce_with_a_running_watchdog_drops() {
        assert_eq!(denied(Some(enforcing()), 7).verdict, Verdict::Drop);
        for mode in [0, MODE_MONITOR, MODE_BYPASS, 4, u32::MAX] {
            let runtime = Runtime {
                mode,
                ..enforcing()
            };
            assert_eq!(
                denied(Some(runtime), 7).verdict,
                Verdict::Pass,
                "mode {mode}"
            );
        }
        assert_eq!(denied(None, 7).verdict, Verdict::Pass);
        let other_abi = Runtime {
            abi: ABI_VERSION + 1,
            ..enforcing()
        };
        assert_eq!(denied(Some(other_abi), 7).verdict, Verdict::Pass);
    }

    #[test]
    fn the_watchdog_opens() {
        let runtime = Runtime {
            drop_until: 100,
            ..enforcing()
        };
        assert_eq!(denied(Some(runtime), 99).verdict, Verdict::Drop);
        let open = denied(Some(runtime), 100);
        assert_eq!(open.verdict, Verdict::Pass);
        assert!(open.watchdog_open);
    }

    #[test]
    fn what_passes_passes_in_every_mode() {
        for mode in 0..5 {
            let runtime = Runtime {
                mode,
                ..enforcing()
            };
            let judgement = judge(Outcome::Pass(Reason::MARKED), Some(runtime), 7);
            assert_eq!(judgement.verdict, Verdict::Pass);
            assert_eq!(judgement.counter, Reason::MARKED.counter());
        }
    }
}
