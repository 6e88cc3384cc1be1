//! What turns, and what must not, however much it looks like it.

#![expect(clippy::indexing_slicing, reason = "a failed test may panic")]

use proptest::prelude::*;

use super::*;

const PSAP: u32 = 1;
const OTHER: u32 = 2;

fn stretch(seconds: f64, rows: &[(u32, Row)]) -> Stretch {
    let rows = rows.iter().copied().filter(|(_, row)| *row != Row::default()).collect();
    Stretch { seconds, rows, ..Stretch::default() }
}

fn frames(known: u64, limited: u64, dropped: u64) -> Row {
    Row { known, limited, dropped, ..Row::default() }
}

fn calls(tried: u64, answered: u64) -> Tally {
    Tally { tried, answered, failed: tried - answered }
}

/// Five minutes of the same.
fn steady(row: Row) -> Vec<Stretch> {
    vec![stretch(5.0, &[(PSAP, row)]); 60]
}

fn kinds(before: &[Stretch], recent: &Stretch, all: &Stretch) -> Vec<(Option<u32>, Kind)> {
    let judgement = judge(before, After { recent, all });
    judgement.turned.iter().map(|turned| (turned.slot, turned.kind)).collect()
}

fn turned(before: &[Stretch], recent: &Stretch) -> Vec<(Option<u32>, Kind)> {
    kinds(before, recent, recent)
}

#[test]
fn frames_that_are_limited_now_turned() {
    let before = steady(frames(500, 0, 0));
    let after = stretch(3.0, &[(PSAP, frames(0, 300, 280))]);
    let both = [(Some(PSAP), Kind::Known), (None, Kind::Known)];
    assert_eq!(turned(&before, &after), both);
    let found = judge(&before, After { recent: &after, all: &after });
    assert_eq!((found.turned[0].before, found.turned[0].after), (100.0, 0.0));
    assert!(found.turned[0].limited[1] > 99.0);
    // One of three carriers.
    let after = stretch(3.0, &[(PSAP, frames(200, 90, 0))]);
    assert_eq!(turned(&before, &after), both);
    // Media that nobody sends any more, as no call gets through: INVITEs alone are left.
    let after = stretch(5.0, &[(PSAP, frames(0, 30, 30))]);
    assert_eq!(turned(&before, &after), both);
}

#[test]
fn frames_that_come_in_unbound_turned() {
    let before = steady(frames(500, 0, 0));
    let after = Stretch { unbound: 290, ..stretch(3.0, &[(PSAP, frames(0, 0, 0))]) };
    assert!(turned(&before, &after).contains(&(Some(PSAP), Kind::Known)));
    // Somebody who only pretends to be a carrier takes nothing away.
    let after = Stretch { unbound: 290, ..stretch(3.0, &[(PSAP, frames(300, 290, 290))]) };
    assert_eq!(turned(&before, &after), []);
}

#[test]
fn media_of_strangers_that_is_limited_now_turned() {
    let with = |callers, limited| Row { callers, limited, dropped: limited, ..Row::default() };
    let after = stretch(4.0, &[(PSAP, with(0, 190))]);
    assert!(turned(&steady(with(250, 0)), &after).contains(&(Some(PSAP), Kind::Callers)));
}

#[test]
fn a_flood_is_no_evidence() {
    let before = steady(Row { calls: calls(5, 5), ..frames(500, 2, 0) });
    let flood = |known| stretch(10.0, &[(PSAP, frames(known, 9_000_000, 8_999_000))]);
    assert_eq!(kinds(&before, &flood(1000), &flood(1000)), []);
    // Not even if calls happen to end while it begins.
    assert_eq!(kinds(&before, &flood(0), &stretch(10.0, &[])), []);
    // At another PSAP, neither.
    let other = stretch(10.0, &[(PSAP, frames(1000, 4, 0)), (OTHER, frames(0, 900_000, 900_000))]);
    assert_eq!(turned(&before, &other), []);
    // One that ends was no traffic of anybody we know.
    let after = stretch(10.0, &[(PSAP, frames(1000, 0, 0))]);
    assert_eq!(turned(&steady(frames(500, 1_000_000, 1_000_000)), &after), []);
}

#[test]
fn calls_that_end_are_no_evidence() {
    let before = steady(frames(500, 20, 0));
    assert_eq!(turned(&before, &stretch(10.0, &[(PSAP, frames(0, 40, 0))])), []);
    assert_eq!(turned(&before, &stretch(10.0, &[])), []);
}

#[test]
fn a_quiet_psap_is_blind() {
    // A call of a minute, and then nothing.
    let mut before = vec![stretch(5.0, &[(PSAP, frames(500, 0, 0))]); 12];
    before.extend(vec![stretch(5.0, &[]); 48]);
    let after = stretch(10.0, &[(PSAP, frames(0, 500, 500))]);
    let judgement = judge(&before, After { recent: &after, all: &after });
    assert_eq!((judgement.compared, judgement.quiet), (0, 1));
    assert_eq!(judgement.turned, []);
    // A few calls that were answered, and a few that were not.
    let few = vec![stretch(50.0, &[(PSAP, Row { calls: calls(1, 1), ..Row::default() })]); 6];
    let calls = Row { calls: calls(4, 0), dropped: 9, ..Row::default() };
    let judgement = judge(&few, After { recent: &after, all: &stretch(10.0, &[(PSAP, calls)]) });
    assert_eq!((judgement.compared, judgement.turned.len()), (0, 0));
    // Nothing before, or too short.
    assert_eq!(turned(&[], &after), []);
    assert_eq!(turned(&steady(frames(500, 0, 0))[..5], &after), []);
}

#[test]
fn calls_that_are_not_answered_turned() {
    // A call in five seconds, all of them answered but one.
    let mut before = steady(Row { calls: calls(1, 1), ..Row::default() });
    before[7] = stretch(5.0, &[(PSAP, Row { calls: calls(1, 0), ..Row::default() })]);
    let dropping = stretch(3.0, &[(0, frames(0, 10, 10))]);
    let after = |tried, answered| {
        stretch(20.0, &[(PSAP, Row { calls: calls(tried, answered), ..Row::default() })])
    };
    let both = [(Some(PSAP), Kind::Unanswered), (None, Kind::Unanswered)];
    assert_eq!(kinds(&before, &dropping, &after(5, 0)), both);
    assert_eq!(kinds(&before, &dropping, &after(3, 0)), [], "chance");
    assert_eq!(kinds(&before, &dropping, &after(5, 4)), []);
    // Nothing is dropped that was not before: whoever does not answer, it is not our doing.
    assert_eq!(kinds(&before, &stretch(3.0, &[]), &after(5, 0)), []);
    // Far more calls than before, of which a PSAP answers what it can.
    assert_eq!(kinds(&before, &dropping, &after(60, 5)), []);
}

#[test]
fn calls_that_stop_turned() {
    let before = steady(Row { calls: calls(5, 5), ..Row::default() });
    let dropping = stretch(3.0, &[(PSAP, frames(0, 10, 10))]);
    let both = [(Some(PSAP), Kind::Stopped), (None, Kind::Stopped)];
    assert_eq!(kinds(&before, &dropping, &stretch(35.0, &[])), both);
    assert_eq!(kinds(&before, &dropping, &stretch(15.0, &[])), [], "chance");
    assert_eq!(kinds(&before, &stretch(3.0, &[]), &stretch(35.0, &[])), [], "not our doing");
}

#[test]
fn one_bad_stretch_before_hides_nothing() {
    let mut before = steady(frames(500, 0, 0));
    before[3] = stretch(5.0, &[(PSAP, frames(0, 400, 400))]);
    let after = stretch(3.0, &[(PSAP, frames(0, 300, 280))]);
    assert!(turned(&before, &after).contains(&(Some(PSAP), Kind::Known)));
}

fn any_row() -> impl Strategy<Value = Row> {
    let number = || prop_oneof![0_u64..5, 0_u64..10_000, Just(u64::MAX)];
    (number(), number(), number(), number(), 0_u64..50, 0_u64..50).prop_map(
        |(known, callers, limited, dropped, answered, failed)| Row {
            known,
            callers,
            limited,
            dropped,
            calls: Tally { tried: answered + failed, answered, failed },
        },
    )
}

fn any_stretch() -> impl Strategy<Value = Stretch> {
    let rows = prop::collection::btree_map(0_u32..4, any_row(), 0..4);
    (rows, prop_oneof![Just(0.0), 0.1..60.0], 0_u64..1000)
        .prop_map(|(rows, seconds, unbound)| Stretch { end: 0, seconds, rows, unbound })
}

proptest! {
    /// Whatever the counters say, what cannot have hurt anybody is no evidence.
    #[test]
    fn nothing_turns_where_nothing_is_worse(
        before in prop::collection::vec(any_stretch(), 0..40), after in any_stretch(),
    ) {
        let mut after = after;
        after.unbound = 0;
        for row in after.rows.values_mut() {
            (row.limited, row.dropped) = (0, 0);
        }
        prop_assert_eq!(turned(&before, &after), []);
    }

    /// What is as it was is no evidence, however it was.
    #[test]
    fn nothing_turns_where_all_is_as_it_was(row in any_row(), unbound in 0_u64..1000) {
        let same = Stretch { unbound, ..stretch(5.0, &[(PSAP, row)]) };
        prop_assert_eq!(turned(&vec![same.clone(); 30], &same), []);
    }

    /// All that is known is judged, and no number breaks it.
    #[test]
    fn every_slot_is_compared_or_quiet(
        before in prop::collection::vec(any_stretch(), 0..40), after in any_stretch(),
    ) {
        let slots: BTreeSet<_> = before.iter().flat_map(|it| it.rows.keys()).collect();
        let found = judge(&before, After { recent: &after, all: &after });
        prop_assert_eq!(found.compared + found.quiet, slots.len());
        for turned in &found.turned {
            prop_assert!(turned.after < turned.before, "{turned:?}");
        }
    }

    /// A carrier that is cut off is seen, whatever else it was that came and goes on coming.
    #[test]
    fn whoever_is_cut_off_is_seen(rate in 20_u64..5000, noise in 0_u64..100) {
        let before = steady(frames(rate * 5, noise, noise));
        let after = stretch(4.0, &[(PSAP, frames(0, rate * 4 + noise, rate * 4 + noise))]);
        prop_assert!(turned(&before, &after).contains(&(Some(PSAP), Kind::Known)));
    }
}
