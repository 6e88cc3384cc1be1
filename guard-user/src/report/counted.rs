//! Every counter by its owner and reason: what tables sum up, for who keeps all of it.

use guard_common::abi::state::{Counter, SlotCounters};
use guard_common::reason::Reason;

use super::counter;
use super::owners::{Owner, owners};
use crate::live::{Live, LiveError};

/// What became of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They passed.
    Passed,
    /// They were dropped.
    Dropped,
}

/// The counters of one owner.
pub struct Counted<'a> {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub id: Option<&'a str>,
    /// Its counter slot.
    pub slot: u32,
    /// What came in.
    pub incoming: &'a SlotCounters,
    /// What left, by interfaces with `outgoing`.
    pub outgoing: &'a SlotCounters,
}

impl Counted<'_> {
    /// The counters of one direction by reason and fate, those that are zero left out.
    pub fn by_reason(counters: &SlotCounters) -> impl Iterator<Item = (Reason, Fate, Counter)> {
        let fates = |reason: Reason| {
            [(Fate::Passed, Some(reason.counter())), (Fate::Dropped, reason.dropped_counter())]
                .map(|(fate, number)| (reason, fate, number))
        };
        Reason::all().flat_map(fates).filter_map(|(reason, fate, number)| {
            let (packets, bytes) = counter(counters, number);
            (packets > 0).then_some((reason, fate, Counter { packets, bytes }))
        })
    }
}

/// Reads the counters of everybody who has some of his own, once each.
pub fn counted(live: &Live, mut each: impl FnMut(&Counted<'_>)) -> Result<(), LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let counts = live.pins.counts()?;
    let out_counts = live.pins.out_counts()?;
    for (owner, slot) in owners(&config, &assigned) {
        // Shared counters are told once, under the site or element whose they are.
        if owner.as_ref().is_some_and(|Owner { shared_with, .. }| shared_with.is_some()) {
            continue;
        }
        let (incoming, outgoing) = (&counts.slot(slot)?, &out_counts.slot(slot)?);
        each(&Counted { id: owner.as_ref().map(|owner| owner.id), slot, incoming, outgoing });
    }
    Ok(())
}
