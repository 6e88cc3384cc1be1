//! A change, or several in a row, and what is seen after it. Pure: time comes with the samples.
//!
//! Changes that follow each other are one: what was before the first of them stays what they are
//! held against, and a way back goes behind all of them. What happens counts from the last one on,
//! so that who mends a bad change is not blamed for it.

use std::collections::VecDeque;
use std::time::Duration;

use super::judge::{After, Judgement, judge};
use super::series::{Sample, Stretch};

/// How far back frames are looked at.
const RECENT: u64 = 10_000_000_000;
/// Looks in a row that have to agree.
const AGREE: u32 = 2;

/// What is watched.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The changes, in a line.
    pub change: String,
    /// The revision that is live.
    pub revision: u64,
    /// The one before all of them; `None` if going back there would not undo them.
    pub back_to: Option<u64>,
    /// When the first of them was seen, in monotonic nanoseconds.
    pub began: u64,
    before: Vec<Stretch>,
    /// The first is as it was when the last change was seen.
    samples: VecDeque<Sample>,
    first: Sample,
    agreed: u32,
}

/// A change of what is live, as it is seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it is, in one line.
    pub change: String,
    /// The revision before it, and with it; the same for a change of the mode.
    pub revisions: (u64, u64),
}

impl Observation {
    /// Of a change that was just seen; the sample is of now.
    #[must_use]
    pub fn new(seen: Seen, before: Vec<Stretch>, now: Sample) -> Self {
        let Seen { change, revisions: (old, new) } = seen;
        Self {
            change,
            revision: new,
            back_to: (old < new).then_some(old),
            began: now.at,
            before,
            samples: VecDeque::new(),
            first: now,
            agreed: 0,
        }
    }

    /// Another change, before the end of this one.
    pub fn add(&mut self, seen: Seen, now: Sample) {
        let Seen { change, revisions: (old, new) } = seen;
        self.change = format!("{}; {change}", self.change);
        self.back_to = self.back_to.filter(|back_to| old < new && *back_to < new);
        self.revision = new;
        self.samples.clear();
        self.first = now;
        self.agreed = 0;
    }

    /// How long the last change has been watched.
    #[must_use]
    pub fn age(&self, now: u64) -> Duration {
        Duration::from_nanos(now.saturating_sub(self.first.at))
    }

    /// Judges what the counters say now. What turned has to turn twice in a row.
    pub fn judge(&mut self, now: Sample) -> Judgement {
        let oldest = now.at.saturating_sub(RECENT);
        // The last one that is old enough stays: it is where the recent stretch begins.
        while self.samples.get(1).is_some_and(|next| next.at <= oldest) {
            self.samples.pop_front();
        }
        let begin = self.samples.front().filter(|first| first.at <= oldest);
        let recent = now.since(begin.unwrap_or(&self.first));
        let all = now.since(&self.first);
        self.samples.push_back(now);
        let mut judgement = judge(&self.before, After { recent: &recent, all: &all });
        self.agreed = if judgement.turned.is_empty() { 0 } else { self.agreed + 1 };
        if self.agreed < AGREE {
            judgement.turned.clear();
        }
        judgement
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::Row;
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn seen(old: u64, new: u64) -> Seen {
        Seen { change: format!("to {new}"), revisions: (old, new) }
    }

    /// The sums after so many seconds; known and limited frames.
    fn sample(second: u64, known: u64, limited: u64) -> Sample {
        let row = Row { known, limited, ..Row::default() };
        Sample { at: second * SECOND, rows: [(1, row)].into(), unbound: 0 }
    }

    fn before() -> Vec<Stretch> {
        let since = |second| sample(second + 5, 500, 0).since(&sample(second, 0, 0));
        (0..20).map(|number| since(number * 5)).collect()
    }

    fn watch() -> Observation {
        Observation::new(seen(3, 4), before(), sample(100, 0, 0))
    }

    #[test]
    fn it_turns_within_seconds_and_not_at_the_first_look() {
        let mut it = watch();
        let turned = |it: &mut Observation, second: u64| {
            !it.judge(sample(100 + second, 0, 100 * second)).turned.is_empty()
        };
        assert!(!turned(&mut it, 1) && !turned(&mut it, 2), "too soon");
        assert!(!turned(&mut it, 3), "once");
        assert!(turned(&mut it, 4));
        assert_eq!(it.age(104 * SECOND), Duration::from_secs(4));
    }

    #[test]
    fn it_turns_late_too() {
        let mut it = watch();
        let turned = (1..=60_u64).find(|second| {
            let [good, bad] = [(*second).min(30), second.saturating_sub(30)];
            !it.judge(sample(100 + second, 100 * good, 100 * bad)).turned.is_empty()
        });
        assert!(turned.is_some_and(|second| (33..=40).contains(&second)), "{turned:?}");
    }

    #[test]
    fn the_way_back_goes_behind_all_changes_in_a_row() {
        let mut it = watch();
        assert_eq!((it.back_to, it.revision), (Some(3), 4));
        it.add(seen(4, 5), sample(102, 0, 200));
        assert_eq!((it.back_to, it.revision, it.change.as_str()), (Some(3), 5, "to 4; to 5"));
        // A person went back: there is no further way back.
        it.add(seen(5, 4), sample(103, 0, 300));
        assert_eq!((it.back_to, it.revision), (None, 4));
        assert_eq!(Observation::new(seen(9, 8), before(), sample(0, 0, 0)).back_to, None);
        assert_eq!(Observation::new(seen(8, 8), before(), sample(0, 0, 0)).back_to, None);
    }

    #[test]
    fn who_mends_a_bad_change_is_not_blamed_for_it() {
        let mut it = watch();
        assert!(it.judge(sample(103, 0, 300)).turned.is_empty());
        it.add(seen(4, 5), sample(104, 0, 400));
        for second in 1..60 {
            assert!(it.judge(sample(104 + second, 100 * second, 400)).turned.is_empty());
        }
    }
}
