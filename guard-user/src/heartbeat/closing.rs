//! When a guard that the watchdog opened may close again: after stable time, more of it each time.
//!
//! Arithmetic on moments of the monotonic clock that are handed in; no clock that somebody sets
//! has a say.

/// Longest stable time that is asked for, and the time after which lapses are forgiven: an hour.
const HOUR: u64 = 3_600_000_000_000;

/// What to do at a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Put the deadline off.
    Beat,
    /// Leave it as it is: it passes, or has passed.
    Wait,
}

/// Where the guard stands, as far as the watchdog is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Closed since then.
    Closed(u64),
    /// Open since then.
    Open(u64),
}

/// The watchdog's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    stand: Stand,
    deadline: u64,
    lapses: u32,
}

impl Closing {
    /// From the deadline found in the kernel and what the last daemon noted: how often the
    /// watchdog had opened the guard, and whether a person ended the daemon while it was closed.
    ///
    /// Zero is a guard that never had a heartbeat: a first start, or the first after a reboot.
    pub(super) const fn new(deadline: u64, lapses: u32, ended: bool, now: u64) -> Self {
        if deadline == 0 || now < deadline || ended {
            Self { stand: Stand::Closed(now), deadline: u64::MAX, lapses }
        } else {
            Self { stand: Stand::Open(now), deadline, lapses: lapses.saturating_add(1) }
        }
    }

    /// How often the watchdog opened the guard, without an hour closed since.
    pub(super) const fn lapses(self) -> u32 {
        self.lapses
    }

    /// Stable time asked for; 0 if the guard is closed.
    pub(super) fn waits(self, close_after: u64) -> u64 {
        let doublings = self.lapses.saturating_sub(1).min(32);
        match self.stand {
            Stand::Closed(_) => 0,
            Stand::Open(_) => close_after.saturating_mul(1 << doublings).clamp(1, HOUR),
        }
    }

    /// The deadline has been put off.
    pub(super) const fn put_off(&mut self, deadline: u64) {
        self.deadline = deadline;
    }

    /// What to do now. `proven` says since when all has been well without a break.
    pub(super) fn tick(
        &mut self,
        now: u64,
        stuck: bool,
        proven: Option<u64>,
        close_after: u64,
    ) -> Step {
        if now >= self.deadline && matches!(self.stand, Stand::Closed(_)) {
            self.stand = Stand::Open(now);
            self.lapses = self.lapses.saturating_add(1);
        }
        match self.stand {
            Stand::Closed(since) => {
                if now.saturating_sub(since) >= HOUR {
                    self.lapses = 0;
                }
            }
            Stand::Open(since) if stuck => self.stand = Stand::Open(since.max(now)),
            Stand::Open(since) => {
                let well = proven.map_or(0, |proven| now.saturating_sub(proven.max(since)));
                if well < self.waits(close_after) {
                    return Step::Wait;
                }
                self.stand = Stand::Closed(now);
            }
        }
        if stuck { Step::Wait } else { Step::Beat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE: u64 = 60 * SECOND;

    /// How long after `from` it closes, with all well since then; `None` if not within three hours.
    fn closes(closing: &mut Closing, from: u64) -> Option<u64> {
        (0..10_800)
            .map(|second| second * SECOND)
            .find(|time| closing.tick(from + time, false, Some(from), MINUTE) == Step::Beat)
    }

    #[test]
    fn a_first_start_and_one_in_time_close_at_once() {
        for (deadline, now) in [(0, 500), (501, 500), (u64::MAX, 500)] {
            let mut closing = Closing::new(deadline, 3, false, now);
            assert_eq!(closing.tick(now, false, None, MINUTE), Step::Beat, "{deadline} {now}");
            assert_eq!(closing.lapses(), 3);
        }
    }

    #[test]
    fn a_daemon_that_a_person_ended_closes_at_once() {
        let mut closing = Closing::new(100, 0, true, 500);
        assert_eq!(closing.tick(500, false, None, MINUTE), Step::Beat);
        assert_eq!(closing.lapses(), 0);
    }

    #[test]
    fn each_lapse_doubles_the_wait_up_to_an_hour() {
        for (lapses, minutes) in [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (40, 60)] {
            let mut closing = Closing::new(100, lapses, false, MINUTE);
            assert_eq!(closes(&mut closing, MINUTE), Some(minutes * MINUTE), "{lapses}");
        }
    }

    #[test]
    fn without_proof_it_stays_open() {
        let mut closing = Closing::new(100, 0, false, MINUTE);
        for second in 0..10_000 {
            assert_eq!(closing.tick(MINUTE + second * SECOND, false, None, MINUTE), Step::Wait);
        }
    }

    #[test]
    fn a_break_in_the_proof_begins_the_wait_anew() {
        let mut closing = Closing::new(100, 0, false, MINUTE);
        let now = 5 * MINUTE;
        assert_eq!(closing.tick(now, false, Some(now - 59 * SECOND), MINUTE), Step::Wait);
        assert_eq!(closing.tick(now, false, Some(now - 60 * SECOND), MINUTE), Step::Beat);
    }

    #[test]
    fn a_hang_of_its_own_is_a_lapse() {
        let mut closing = Closing::new(0, 0, false, MINUTE);
        assert_eq!(closing.tick(MINUTE, false, None, MINUTE), Step::Beat);
        closing.put_off(MINUTE + 30 * SECOND);
        assert_eq!(closing.tick(MINUTE + 29 * SECOND, false, Some(0), MINUTE), Step::Beat);
        assert_eq!(closing.tick(MINUTE + 30 * SECOND, false, Some(0), MINUTE), Step::Wait);
        assert_eq!(closing.lapses(), 1);
        assert_eq!(closes(&mut closing, 2 * MINUTE), Some(MINUTE));
    }

    #[test]
    fn a_stuck_worker_stops_it_and_its_time_is_not_stable() {
        let mut closing = Closing::new(0, 0, false, 0);
        closing.put_off(30 * SECOND);
        assert_eq!(closing.tick(SECOND, true, Some(0), MINUTE), Step::Wait);
        assert_eq!(closing.lapses(), 0, "not yet lapsed");
        assert_eq!(closing.tick(2 * SECOND, false, Some(0), MINUTE), Step::Beat);
        assert_eq!(closing.tick(31 * SECOND, true, Some(0), MINUTE), Step::Wait);
        assert_eq!(closing.lapses(), 1);
        assert_eq!(closing.tick(500 * SECOND, true, Some(0), MINUTE), Step::Wait);
        assert_eq!(closing.tick(559 * SECOND, false, Some(0), MINUTE), Step::Wait);
        assert_eq!(closing.tick(560 * SECOND, false, Some(0), MINUTE), Step::Beat);
    }

    #[test]
    fn an_hour_closed_forgives() {
        let mut closing = Closing::new(0, 4, false, MINUTE);
        assert_eq!(closing.tick(MINUTE + HOUR - 1, false, None, MINUTE), Step::Beat);
        assert_eq!(closing.lapses(), 4);
        assert_eq!(closing.tick(MINUTE + HOUR, false, None, MINUTE), Step::Beat);
        assert_eq!(closing.lapses(), 0);
    }

    /// A deadline that never passes, `failsafe = "hold"`, makes no lapse.
    #[test]
    fn no_deadline_is_none() {
        let mut closing = Closing::new(u64::MAX, 0, false, 5);
        closing.put_off(u64::MAX);
        assert_eq!(closing.tick(u64::MAX - 1, false, None, MINUTE), Step::Beat);
        assert_eq!(closing.lapses(), 0);
    }
}
