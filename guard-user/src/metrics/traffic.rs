//! Metrics of frames and calls: the numbers of `guard psaps` and `guard drops`.
//!
//! What there is of each PSAP is bounded: four families of one series each, three more series for
//! its calls, and pairs of PSAP and reason only where something was dropped or would have been, up to
//! [`PAIRS_MAX`] of all PSAPs together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use guard_common::abi::state::Counter;
use guard_common::reason::Reason;

use super::catalogue as of;
use super::family::Family;
use crate::calls::counts::Counts;
use crate::calls::tally::{Tallies, Tally};
use crate::live::{Live, LiveError};
use crate::report::{Counted, Fate, Totals, counted};

/// Most series of `guard_psap_limited_frames_total`.
pub const PAIRS_MAX: usize = 20_000;
/// What frames of no PSAP are called, as in tables.
const NOBODY: &str = "(none)";

/// What was read of every owner.
#[derive(Default)]
struct Sums {
    incoming: BTreeMap<(u8, bool), Counter>,
    outgoing: BTreeMap<u8, Counter>,
    owners: Vec<(String, Totals)>,
    pairs: Vec<(String, Reason, Fate, u64)>,
    ids: BTreeMap<u32, String>,
}

/// Frames by reason and by PSAP, and calls.
pub fn families(live: &Live, tallies: &Tallies) -> Result<Vec<Family>, LiveError> {
    let mut sums = Sums::default();
    counted(live, |counted| sums.add(counted))?;
    let Sums { incoming, outgoing, owners, pairs, ids } = sums;
    let mut found = Vec::new();
    found.extend(by_reason(incoming));
    found.extend(leaving(outgoing));
    found.extend(by_owner(&owners));
    found.extend(by_pair(pairs));
    found.push(calls(&tallies.now(), &ids));
    Ok(found)
}

impl Sums {
    fn add(&mut self, counted: &Counted<'_>) {
        let id = counted.id.unwrap_or(NOBODY);
        let mut totals = Totals::default();
        totals.add(counted.incoming, None);
        for (reason, fate, counter) in Counted::by_reason(counted.incoming) {
            sum(
                self.incoming.entry((reason.number(), fate == Fate::Dropped)).or_default(),
                counter,
            );
            if reason.dropped_counter().is_some() {
                self.pairs.push((id.to_owned(), reason, fate, counter.packets));
            }
        }
        for (reason, _, counter) in Counted::by_reason(counted.outgoing) {
            sum(self.outgoing.entry(reason.number()).or_default(), counter);
        }
        self.owners.push((id.to_owned(), totals));
        self.ids.insert(counted.slot, id.to_owned());
    }
}

fn sum(total: &mut Counter, Counter { packets, bytes }: Counter) {
    total.packets = total.packets.saturating_add(packets);
    total.bytes = total.bytes.saturating_add(bytes);
}

const fn verdict(fate: Fate) -> &'static str {
    match fate {
        Fate::Passed => "passed",
        Fate::Dropped => "dropped",
    }
}

/// Every reason is there from the beginning: a series that begins with its first frames has no
/// rate for them.
fn by_reason(sums: BTreeMap<(u8, bool), Counter>) -> [Family; 2] {
    let (mut frames, mut bytes) = (of::FRAMES.family(), of::BYTES.family());
    for reason in Reason::all() {
        for fate in [Fate::Passed, Fate::Dropped] {
            if fate == Fate::Dropped && reason.dropped_counter().is_none() {
                continue;
            }
            let key = (reason.number(), fate == Fate::Dropped);
            let counter = sums.get(&key).copied().unwrap_or_default();
            let labels = [reason.class().name(), reason.name(), verdict(fate)];
            frames.add_count(labels, counter.packets);
            bytes.add_count(labels, counter.bytes);
        }
    }
    [frames, bytes]
}

fn leaving(sums: BTreeMap<u8, Counter>) -> [Family; 2] {
    let (mut frames, mut bytes) = (of::OUT_FRAMES.family(), of::OUT_BYTES.family());
    for (number, counter) in sums {
        let reason = Reason::numbered(number);
        let labels = [reason.class().name(), reason.name()];
        frames.add_count(labels, counter.packets);
        bytes.add_count(labels, counter.bytes);
    }
    [frames, bytes]
}

fn by_owner(owners: &[(String, Totals)]) -> [Family; 4] {
    let mut found = [
        of::PSAP_PASSED.family(),
        of::PSAP_PROTECTED.family(),
        of::PSAP_DROPPED.family(),
        of::PSAP_OVER_LIMIT.family(),
    ];
    for (id, totals) in owners {
        let numbers = [
            totals.passed_packets,
            totals.protected_packets,
            totals.dropped_packets,
            totals.over_limit_packets,
        ];
        for (family, number) in found.iter_mut().zip(numbers) {
            family.add_count([id], number);
        }
    }
    found
}

/// Beyond the bound the smallest are left out, and counted.
fn by_pair(mut pairs: Vec<(String, Reason, Fate, u64)>) -> [Family; 2] {
    let left_out = pairs.len().saturating_sub(PAIRS_MAX);
    if left_out > 0 {
        pairs.sort_by_key(|(_, _, _, packets)| Reverse(*packets));
        pairs.truncate(PAIRS_MAX);
    }
    let mut frames = of::PSAP_REASONS.family();
    for (id, reason, fate, packets) in pairs {
        frames.add_count([&id, reason.name(), verdict(fate)], packets);
    }
    let mut rest = of::LEFT_OUT.family();
    rest.add_count([], u64::try_from(left_out).unwrap_or(u64::MAX));
    [frames, rest]
}

/// Everybody's are there from the beginning, as those by reason are: calls that nobody answers may
/// be the first that an element gets.
fn calls(tallies: &BTreeMap<u32, Tally>, ids: &BTreeMap<u32, String>) -> Family {
    let mut calls = of::CALLS.family();
    // Nobody is called where frames belong to none.
    for (slot, id) in ids.iter().filter(|(_, id)| *id != NOBODY) {
        let Tally { tried, answered, failed } = tallies.get(slot).copied().unwrap_or_default();
        for (outcome, number) in [("tried", tried), ("answered", answered), ("failed", failed)] {
            calls.add_count([id, outcome], number);
        }
    }
    calls
}

/// What the reader of signalling has done.
pub fn reader(counts: &Counts) -> Vec<Family> {
    let Counts {
        copies,
        messages,
        unreadable,
        calls,
        forgotten,
        opened,
        released,
        refused,
        elsewhere,
        relayed,
        no_room,
        displaced,
        restarts,
    } = counts;
    let mut ports = of::MEDIA_PORTS.family();
    for (fate, number) in [
        ("opened", opened),
        ("released", released),
        ("refused", refused),
        ("elsewhere", elsewhere),
        ("relayed", relayed),
        ("no_room", no_room),
        ("displaced", displaced),
    ] {
        ports.add_count([fate], *number);
    }
    let mut found = vec![ports];
    for (described, number) in [
        (&of::CALLS_KNOWN, calls),
        (&of::FORGOTTEN, forgotten),
        (&of::COPIES, copies),
        (&of::MESSAGES, messages),
        (&of::UNREADABLE, unreadable),
        (&of::RESTARTS, restarts),
    ] {
        let mut family = described.family();
        family.add_count([], *number);
        found.push(family);
    }
    found
}

#[cfg(test)]
mod tests {
    use prometheus::proto::LabelPair;

    use super::*;

    #[test]
    fn an_element_that_was_never_called_has_its_series() {
        let ids = [(0, NOBODY), (1, "P-1"), (2, "P-2")].map(|(slot, id)| (slot, id.to_owned()));
        let called = Tally { tried: 3, answered: 1, failed: 2 };
        // Of slot 9 nobody is left.
        let tallies = BTreeMap::from([(2, called), (9, called)]);
        let family = calls(&tallies, &BTreeMap::from(ids)).into_proto();
        let samples = family.get_metric().iter().map(|sample| {
            let labels: Vec<&str> = sample.get_label().iter().map(LabelPair::value).collect();
            (labels.join(" "), sample.get_counter().get_value())
        });
        let expected = [
            ("P-1 tried", 0.0),
            ("P-1 answered", 0.0),
            ("P-1 failed", 0.0),
            ("P-2 tried", 3.0),
            ("P-2 answered", 1.0),
            ("P-2 failed", 2.0),
        ];
        assert_eq!(
            samples.collect::<Vec<_>>(),
            expected.map(|(labels, number)| (labels.to_owned(), number))
        );
    }
}
