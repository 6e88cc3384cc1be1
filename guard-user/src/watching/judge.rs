//! Has the evidence turned? What happened since a change, held against the minutes before it.
//!
//! Pure. The guard can only have hurt what it counts as denied, limited or unbound: where none of
//! these is more than it was before, nothing here turns, whatever calls do. Where there is too
//! little traffic to tell, that is said, and is no evidence either. Three things turn:
//!
//! * *moved*: frames that passed because of who sent them are fewer than in nine tenths of the
//!   stretches before, by a quarter and twenty frames at least, while about as many more than
//!   before are denied, limited or unbound. "About": at least a twentieth of what is missing,
//!   as answers and media are missing too when calls are not let through, and at most eight times
//!   it, as a caller sends an INVITE seven times that is not answered. What is more is a flood, and
//!   says nothing of what moved.
//! * *unanswered*: configured parties' calls are answered less often: by chance that happens once
//!   in a million times.
//! * *stopped*: they stop coming: the same.
//!
//! One in a million, because it is asked for thousands of PSAPs after every change.

use std::collections::BTreeSet;

use super::series::{Row, Stretch};
use super::statistics;
use crate::calls::tally::Tally;

/// Stretches before a change without which nothing can be compared.
const STRETCHES_MIN: usize = 6;
/// Seconds after a change before which frames say nothing.
const SECONDS_MIN: f64 = 2.5;
/// One stretch in so many may be an outlier.
const OUTLIERS: usize = 10;
/// Fewer missing frames than this are no evidence.
const LOST_MIN: f64 = 20.0;
/// The part of what was there before that has to be missing.
const LOST_PART: f64 = 0.25;
/// What is more must be at least this part of what is missing,
const MOVED_LEAST: f64 = 0.05;
/// and at most so many times it,
const MOVED_MOST: f64 = 8.0;
/// and at least so many frames.
const MOVED_MIN: f64 = 10.0;
/// Calls before a change without which their answers cannot be compared.
const CALLS_MIN: u64 = 10;
/// Calls may come so many times as fast as before: beyond that nobody knows who answers.
const SURGE: f64 = 3.0;
/// How rarely chance alone may look like it.
const CHANCE: f64 = 1e-6;

/// What turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Frames of configured parties.
    Known,
    /// Frames of strangers' calls that were answered.
    Callers,
    /// The part of calls that is answered.
    Unanswered,
    /// Calls.
    Stopped,
}

/// Something that is worse than before. Frames and calls are per second, but of
/// [`Kind::Unanswered`], which is the part that was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turned {
    /// Its counter slot; `None` for all of them together.
    pub slot: Option<u32>,
    /// What.
    pub kind: Kind,
    /// How much it was before.
    pub before: f64,
    /// How much it is.
    pub after: f64,
    /// Frames a second denied or limited before, and after.
    pub limited: [f64; 2],
    /// Frames a second dropped before, and after.
    pub dropped: [f64; 2],
    /// Frames a second at interfaces to which their source is not bound, before and after.
    pub unbound: [f64; 2],
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What turned; the single slots first.
    pub turned: Vec<Turned>,
    /// How many slots had enough traffic before to be compared.
    pub compared: usize,
    /// How many had some, but too little.
    pub quiet: usize,
}

/// What happened since a change.
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// In the last seconds: of frames there are enough for that.
    pub recent: &'a Stretch,
    /// Since the change: of calls there are few.
    pub all: &'a Stretch,
}

/// Holds what happened after a change against what happened before.
#[must_use]
pub fn judge(before: &[Stretch], after: After<'_>) -> Judgement {
    let slots: BTreeSet<u32> =
        before.iter().flat_map(|stretch| stretch.rows.keys().copied()).collect();
    let everywhere = Everywhere::of(before, after);
    let mut judgement = Judgement::default();
    for slot in slots {
        let case = Case::of(Some(slot), (before, after), &everywhere, |stretch| stretch.row(slot));
        match case.turned() {
            None => judgement.quiet += 1,
            Some(turned) => {
                judgement.compared += 1;
                judgement.turned.extend(turned);
            }
        }
    }
    let case = Case::of(None, (before, after), &everywhere, Stretch::all);
    judgement.turned.extend(case.turned().unwrap_or_default());
    judgement
}

/// One slot, or all together.
struct Case<'a> {
    slot: Option<u32>,
    before: Vec<(f64, Row)>,
    recent: (f64, Row),
    all: (f64, Row),
    everywhere: &'a Everywhere,
}

/// What is no single slot's.
struct Everywhere {
    unbound: Rates,
    dropped: Rates,
}

impl Everywhere {
    fn of(before: &[Stretch], After { recent, all: _ }: After<'_>) -> Self {
        let rates = |of: &dyn Fn(&Stretch) -> u64| {
            let each = |stretch: &Stretch| rate(of(stretch), stretch.seconds);
            Rates::new(before.iter().map(each), each(recent), recent.seconds)
        };
        Self {
            unbound: rates(&|stretch| stretch.unbound),
            dropped: rates(&|stretch| stretch.all().dropped),
        }
    }

    /// Whether anything at all is dropped or unbound more than before: what a call needs may be
    /// anybody's.
    fn is_worse(&self) -> bool {
        self.dropped.more() > 0.0 || self.unbound.more() > 0.0
    }
}

/// Rates before, in order, and after.
struct Rates {
    before: Vec<f64>,
    after: f64,
    seconds: f64,
}

impl Rates {
    fn new(before: impl Iterator<Item = f64>, after: f64, seconds: f64) -> Self {
        let mut before: Vec<f64> = before.collect();
        before.sort_by(f64::total_cmp);
        Self { before, after, seconds }
    }

    /// The one so many places from the lowest; 0 if there is none.
    fn place(&self, place: usize) -> f64 {
        self.before.get(place).copied().unwrap_or(0.0)
    }

    fn outliers(&self) -> usize {
        self.before.len() / OUTLIERS
    }

    fn usual(&self) -> f64 {
        self.place(self.before.len() / 2)
    }

    /// Whether there is always some: all stretches but the outliers have it.
    fn is_steady(&self) -> bool {
        self.before.len() >= STRETCHES_MIN && self.place(self.outliers()) > 0.0
    }

    /// How many are missing, if that is more than outliers were.
    fn missing(&self) -> Option<f64> {
        let lost = (self.usual() - self.after) * self.seconds;
        let is_low = self.after < self.place(self.outliers());
        let is_much = lost >= LOST_MIN && lost >= LOST_PART * self.usual() * self.seconds;
        (is_low && is_much && self.seconds >= SECONDS_MIN).then_some(lost)
    }

    /// How many there are more than ever before, but for outliers.
    fn more(&self) -> f64 {
        let highest = self.before.len().saturating_sub(1 + self.outliers());
        (self.after - self.place(highest)) * self.seconds
    }

    fn both(&self) -> [f64; 2] {
        [self.usual(), self.after]
    }
}

impl<'a> Case<'a> {
    fn of(
        slot: Option<u32>,
        (before, After { recent, all }): (&[Stretch], After<'_>),
        everywhere: &'a Everywhere,
        row: impl Fn(&Stretch) -> Row,
    ) -> Self {
        Self {
            slot,
            before: before.iter().map(|stretch| (stretch.seconds, row(stretch))).collect(),
            recent: (recent.seconds, row(recent)),
            all: (all.seconds, row(all)),
            everywhere,
        }
    }

    /// What turned; `None` if there was too little before.
    fn turned(&self) -> Option<Vec<Turned>> {
        let (known, callers) = (self.rates(|row| row.known), self.rates(|row| row.callers));
        let calls = self.before.iter().map(|(_, row)| *row).fold(Row::default(), Row::and).calls;
        let has_calls = calls.answered + calls.failed >= CALLS_MIN;
        if !known.is_steady() && !callers.is_steady() && !has_calls {
            return None;
        }
        let mut turned = Vec::new();
        for (kind, rates) in [(Kind::Known, &known), (Kind::Callers, &callers)] {
            if rates.is_steady() && rates.missing().is_some_and(|lost| self.has_moved(lost)) {
                turned.push(self.tell(kind, rates.both()));
            }
        }
        if has_calls && self.everywhere.is_worse() {
            turned.extend(self.calls(calls));
        }
        Some(turned)
    }

    fn rates(&self, of: impl Fn(&Row) -> u64) -> Rates {
        let each = |(seconds, row): &(f64, Row)| rate(of(row), *seconds);
        Rates::new(self.before.iter().map(each), each(&self.recent), self.recent.0)
    }

    /// Whether about as many frames as are missing are treated worse.
    fn has_moved(&self, lost: f64) -> bool {
        let about = (lost * MOVED_LEAST).max(MOVED_MIN)..=lost * MOVED_MOST;
        let limited = self.rates(|row| row.limited).more();
        let dropped = self.rates(|row| row.dropped).more();
        [limited, dropped, self.everywhere.unbound.more()].iter().any(|more| about.contains(more))
    }

    fn calls(&self, before: Tally) -> Option<Turned> {
        let seconds: f64 = self.before.iter().map(|(seconds, _)| seconds).sum();
        let (elapsed, Row { calls: after, .. }) = self.all;
        let ended = after.answered + after.failed;
        let known = before.answered + before.failed;
        // One more each: what never failed yet may still fail.
        let usual = number(before.answered + 1) / number(known + 2);
        let expected = rate(before.tried, seconds) * elapsed;
        let is_surge = number(after.tried) > SURGE * expected + number(CALLS_MIN);
        let shares = [ratio(before.answered, known), ratio(after.answered, ended)];
        let is_rare = || statistics::binomial(after.answered, ended, usual) < CHANCE;
        if !is_surge && shares[1] < shares[0] && is_rare() {
            return Some(self.tell(Kind::Unanswered, shares));
        }
        (statistics::calls(after.tried, expected) < CHANCE).then(|| {
            self.tell(Kind::Stopped, [rate(before.tried, seconds), rate(after.tried, elapsed)])
        })
    }

    fn tell(&self, kind: Kind, [before, after]: [f64; 2]) -> Turned {
        Turned {
            slot: self.slot,
            kind,
            before,
            after,
            limited: self.rates(|row| row.limited).both(),
            dropped: self.rates(|row| row.dropped).both(),
            unbound: self.everywhere.unbound.both(),
        }
    }
}

fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { number(count) / seconds } else { 0.0 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    rate(part, number(whole))
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^52 do not come up")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
