//! The only place where "drop" can be spelled.
//!
//! A frame gets here as an [`Outcome`]. What classification protects is an [`Outcome::Pass`],
//! whose reason has no way to become a [`Droppable`]; so it cannot reach the arm that drops.

use crate::abi::state::{MODE_ENFORCE, NO_DEADLINE};
use crate::reason::{Droppable, Reason};

/// What was found out about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passes, in every mode.
    Pass(Reason),
    /// Denied, or over a limit.
    Excess(Droppable),
}

impl Outcome {
    const EXCESS: u32 = 0x100;

    /// As a word.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn packed(self) -> u32 {
        match self {
            Self::Pass(reason) => reason.number() as u32,
            Self::Excess(excess) => Self::EXCESS | excess.reason().number() as u32,
        }
    }

    /// Whether a word that [`Outcome::packed`] made says that a frame is denied or over a limit.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn is_excess(word: u32) -> bool {
        word & Self::EXCESS != 0
    }

    /// Whether a word that [`Outcome::packed`] made says that nothing but a limit or a deny entry
    /// speaks for or against the frame.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn is_unprotected(word: u32) -> bool {
        Reason::numbered(word as u8).is_unprotected()
    }

    /// From a word that [`Outcome::packed`] made. Only a word that says "excess" and names a
    /// reason that can drop is one; everything else passes.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn unpacked(word: u32) -> Self {
        if Self::is_excess(word)
            && let Some(excess) = Droppable::numbered(word as u8)
        {
            return Self::Excess(excess);
        }
        Self::Pass(Reason::numbered(word as u8))
    }
}

/// The switches that decide about droppable frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// See [`crate::abi::state::switch::MODE`].
    pub mode: u64,
    /// See [`crate::abi::state::switch::BYPASS`].
    pub bypass: u64,
    /// See [`crate::abi::state::switch::DROP_UNTIL`].
    pub drop_until: u64,
    /// See [`crate::abi::state::switch::OPENED`].
    pub opened: u64,
    /// See [`crate::abi::state::switch::CONFIRM_BY`].
    pub confirm_by: u64,
}

impl Switches {
    /// The only ones that drop: enforcing, and nothing that opens.
    pub const DROPPING: Self =
        Self { mode: MODE_ENFORCE, bypass: 0, drop_until: NO_DEADLINE, opened: 0, confirm_by: 0 };

    /// Whether a deadline has passed that only a living controller puts off.
    #[inline(always)]
    const fn are_out_of_time(self, now: u64) -> bool {
        now >= self.drop_until || (self.confirm_by != 0 && now >= self.confirm_by)
    }
}

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on as if the guard were not there.
    Pass,
    /// Gone.
    Drop,
}

impl Verdict {
    /// The word for it, wherever one is read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
        }
    }
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
    /// It would have been dropped, had no deadline passed: the watchdog's, or that of a change
    /// which nobody confirmed.
    pub watchdog_open: bool,
}

/// The verdict. Only "enforce, without bypass, not opened, before all deadlines" drops; missing
/// switches pass.
#[must_use]
#[inline(always)]
pub const fn judge(outcome: Outcome, switches: Option<Switches>, now: u64) -> Judgement {
    let excess = match outcome {
        Outcome::Pass(reason) => return pass(reason, false),
        Outcome::Excess(excess) => excess,
    };
    match switches {
        Some(switches @ Switches { mode: MODE_ENFORCE, bypass: 0, opened: 0, .. }) => {
            if switches.are_out_of_time(now) {
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
    Judgement { verdict: Verdict::Pass, reason, counter: reason.counter(), watchdog_open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::state::MODE_MONITOR;

    const ENFORCING: Switches = Switches::DROPPING;

    fn denied(switches: Option<Switches>, now: u64) -> Judgement {
        judge(Outcome::Excess(Droppable::DENIED), switches, now)
    }

    #[test]
    fn only_enforce_without_bypass_drops() {
        assert_eq!(denied(Some(ENFORCING), 7).verdict, Verdict::Drop);
        for mode in [0, MODE_MONITOR, 3, u64::MAX] {
            let switches = Switches { mode, ..ENFORCING };
            assert_eq!(denied(Some(switches), 7).verdict, Verdict::Pass, "mode {mode}");
        }
        for bypass in [1, u64::MAX] {
            let switches = Switches { bypass, ..ENFORCING };
            assert_eq!(denied(Some(switches), 7).verdict, Verdict::Pass);
        }
        for opened in [1, u64::MAX] {
            let switches = Switches { opened, ..ENFORCING };
            assert_eq!(denied(Some(switches), 7).verdict, Verdict::Pass);
        }
        assert_eq!(denied(None, 7).verdict, Verdict::Pass);
    }

    #[test]
    fn an_unconfirmed_change_opens() {
        let switches = Switches { confirm_by: 100, ..ENFORCING };
        assert_eq!(denied(Some(switches), 99).verdict, Verdict::Drop);
        let open = denied(Some(switches), 100);
        assert_eq!(open.verdict, Verdict::Pass);
        assert!(open.watchdog_open);
    }

    #[test]
    fn the_watchdog_opens() {
        let switches = Switches { drop_until: 100, ..ENFORCING };
        assert_eq!(denied(Some(switches), 99).verdict, Verdict::Drop);
        let open = denied(Some(switches), 100);
        assert_eq!(open.verdict, Verdict::Pass);
        assert!(open.watchdog_open);
    }

    #[test]
    fn what_passes_passes_under_every_switch() {
        for mode in 0..5 {
            let switches = Switches { mode, ..ENFORCING };
            let judgement = judge(Outcome::Pass(Reason::MARKED), Some(switches), 7);
            assert_eq!(judgement.verdict, Verdict::Pass);
            assert_eq!(judgement.counter, Reason::MARKED.counter());
        }
    }

    #[test]
    fn outcomes_survive_the_way_through_a_word() {
        for reason in Reason::all() {
            let pass = Outcome::Pass(reason);
            assert_eq!(Outcome::unpacked(pass.packed()), pass);
        }
        for kind in crate::class::Kind::ALL {
            for excess in [Droppable::over_source(kind), Droppable::over_psap(kind)] {
                let excess = Outcome::Excess(excess);
                assert_eq!(Outcome::unpacked(excess.packed()), excess);
            }
        }
        let denied = Outcome::Excess(Droppable::DENIED);
        assert_eq!(Outcome::unpacked(denied.packed()), denied);
    }

    #[test]
    fn no_word_makes_protected_frames_droppable() {
        for word in 0..=u32::from(u16::MAX) {
            if let Outcome::Excess(excess) = Outcome::unpacked(word) {
                // Numbers nobody uses are of no class; none is one that always passes.
                let class = excess.reason().class().name();
                assert!(matches!(class, "denied" | "limited" | "other"), "{word}: {class}");
            }
        }
    }
}
