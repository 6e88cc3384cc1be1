//! What the counters said over the last minutes, by counter slot: sums, and stretches of time.
//!
//! Pure: knows neither the kernel nor a clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use guard_common::abi::state::SlotCounters;
use guard_common::class::Class;
use guard_common::reason::Reason;

use crate::calls::tally::Tally;

/// How far back "before" reaches.
pub const BASELINE: Duration = Duration::from_secs(300);

/// Sums of a counter slot; or how much they grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Frames that pass because of who sends and receives them: configured parties, management,
    /// allow entries, the network itself.
    pub known: u64,
    /// Frames of strangers' calls that an element has answered. What only says that it is a call
    /// is not among them: anybody can send that, and stop sending it.
    pub callers: u64,
    /// Frames that are denied or limited, passed or not.
    pub limited: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Calls of configured parties.
    pub calls: Tally,
}

/// All sums at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Monotonic nanoseconds.
    pub at: u64,
    /// By counter slot; 0 is nobody's.
    pub rows: BTreeMap<u32, Row>,
    /// Configured addresses that came in where they are not bound.
    pub unbound: u64,
}

/// How much the sums grew in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// When it ended, in monotonic nanoseconds.
    pub end: u64,
    /// How long it was.
    pub seconds: f64,
    /// By counter slot; those without anything are left out.
    pub rows: BTreeMap<u32, Row>,
    /// See [`Sample::unbound`].
    pub unbound: u64,
}

/// The last minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series(VecDeque<Stretch>);

impl Row {
    /// The sums of a slot.
    #[must_use]
    pub fn of(counters: &SlotCounters, calls: Tally) -> Self {
        let packets = |counter: Option<u32>| {
            let counter = counter.and_then(|counter| counters.counters.get(counter as usize));
            counter.map_or(0, |counter| counter.packets)
        };
        let mut row = Self { calls, ..Self::default() };
        let add = |sum: &mut u64, packets| *sum = sum.saturating_add(packets);
        for reason in Reason::all() {
            let passed = packets(Some(reason.counter()));
            let dropped = packets(reason.dropped_counter());
            match reason.class() {
                Class::Infrastructure | Class::Management | Class::Allowed => {
                    add(&mut row.known, passed);
                }
                Class::Protected => match reason {
                    Reason::SIGNALLING
                    | Reason::MEDIA
                    | Reason::SUPPORT
                    | Reason::TUNNEL
                    | Reason::FRAGMENT
                    | Reason::UNCLEAR => add(&mut row.known, passed),
                    Reason::DIALOG
                    | Reason::PINNED
                    | Reason::MEDIA_OPEN
                    | Reason::PINNED_FRAGMENT => add(&mut row.callers, passed),
                    _ => {}
                },
                Class::Denied | Class::Limited(_) => {
                    add(&mut row.limited, passed.saturating_add(dropped))
                }
                Class::Other => {}
            }
            add(&mut row.dropped, dropped);
        }
        row
    }

    /// How much it grew since. Counters that began anew say nothing.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            known: each(self.known, other.known),
            callers: each(self.callers, other.callers),
            limited: each(self.limited, other.limited),
            dropped: each(self.dropped, other.dropped),
            calls: Tally {
                tried: each(self.calls.tried, other.calls.tried),
                answered: each(self.calls.answered, other.calls.answered),
                failed: each(self.calls.failed, other.calls.failed),
            },
        }
    }
}

impl Sample {
    /// What happened since an earlier one.
    #[must_use]
    pub fn since(&self, before: &Self) -> Stretch {
        let grown = |(slot, row): (&u32, &Row)| {
            let before = before.rows.get(slot).copied().unwrap_or_default();
            let row = row.since(before);
            (row != Row::default()).then_some((*slot, row))
        };
        Stretch {
            end: self.at,
            seconds: Duration::from_nanos(self.at.saturating_sub(before.at)).as_secs_f64(),
            rows: self.rows.iter().filter_map(grown).collect(),
            unbound: self.unbound.saturating_sub(before.unbound),
        }
    }
}

impl Stretch {
    /// What happened in a slot.
    #[must_use]
    pub fn row(&self, slot: u32) -> Row {
        self.rows.get(&slot).copied().unwrap_or_default()
    }

    /// What happened in all of them.
    #[must_use]
    pub fn all(&self) -> Row {
        self.rows.values().copied().fold(Row::default(), Row::and)
    }
}

impl Series {
    /// Adds the newest, and forgets what is too old.
    pub fn push(&mut self, stretch: Stretch) {
        let span = u64::try_from(BASELINE.as_nanos()).unwrap_or(u64::MAX);
        let oldest = stretch.end.saturating_sub(span);
        self.0.push_back(stretch);
        self.0.retain(|stretch| stretch.end > oldest);
    }

    /// All of them.
    #[must_use]
    pub fn stretches(&self) -> Vec<Stretch> {
        self.0.iter().cloned().collect()
    }

    /// Forgets what came after a moment.
    pub fn forget_after(&mut self, at: u64) {
        self.0.retain(|stretch| stretch.end <= at);
    }
}

#[cfg(test)]
mod tests {
    use guard_common::class::Kind;
    use guard_common::reason::Droppable;

    use super::*;

    #[test]
    fn what_anybody_can_send_is_no_evidence() {
        let mut counters = SlotCounters::default();
        let mut set = |counter: u32, packets| {
            if let Some(counter) = counters.counters.get_mut(counter as usize) {
                counter.packets = packets;
            }
        };
        set(Reason::SIGNALLING.counter(), 1);
        set(Reason::MANAGEMENT.counter(), 2);
        set(Reason::ALLOWED.counter(), 4);
        set(Reason::PINNED.counter(), 8);
        set(Reason::MARKED.counter(), 1000);
        set(Reason::ELEMENT_OUT.counter(), 1000);
        set(Reason::within(Kind::Sip).counter(), 16);
        set(Droppable::DENIED.dropped_counter(), 32);
        let row = Row::of(&counters, Tally::default());
        let expected =
            Row { known: 7, callers: 8, limited: 48, dropped: 32, calls: Tally::default() };
        assert_eq!(row, expected);
    }

    #[test]
    fn counters_that_begin_anew_go_nowhere() {
        let before = Row { known: 100, dropped: 7, ..Row::default() };
        assert_eq!(Row { dropped: 9, ..Row::default() }.since(before).known, 0);
        assert_eq!(Row { dropped: 9, ..Row::default() }.since(before).dropped, 2);
    }

    #[test]
    fn only_the_last_minutes_are_kept() {
        let mut series = Series::default();
        for second in 1..=1000 {
            series.push(Stretch { end: second * 1_000_000_000, ..Stretch::default() });
        }
        assert_eq!(series.stretches().len(), 300);
        series.forget_after(800_000_000_000);
        assert_eq!(series.stretches().len(), 100);
    }
}
