//! `guard psaps` and `guard drops`: counters by PSAP, site and element.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use guard_common::abi::state::SlotCounters;
use guard_common::reason::Reason;
use serde::Serialize;

use super::{OutTotals, Totals, counter};
use crate::config::Config;
use crate::counted::Mark;
use crate::live::{Live, LiveError};
use crate::policy::slots;

/// What an id is that is no longer configured.
const REMOVED: &str = "removed";

/// A row of `guard psaps`.
#[derive(Clone, Debug, Serialize)]
pub struct PsapRow {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub id: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// "psap", "site", "element", "removed" (its counters are kept) or "none".
    pub kind: &'static str,
    /// The site or element whose counters these are, if they are shared.
    pub shared_with: Option<String>,
    /// Its frames.
    #[serde(flatten)]
    pub totals: Totals,
    /// Those that left the host, by interfaces with `outgoing`.
    #[serde(flatten)]
    pub outgoing: OutTotals,
}

/// A row of `guard drops`.
#[derive(Clone, Debug, Serialize)]
pub struct DropRow {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub id: Option<String>,
    /// Reason.
    pub reason: &'static str,
    /// Class of the reason.
    pub class: &'static str,
    /// Frames dropped.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Frames that passed only because the guard was not enforcing.
    pub would_drop_packets: u64,
    /// Their bytes.
    pub would_drop_bytes: u64,
}

/// Something that has counters or shares them.
pub(super) struct Owner<'a> {
    pub(super) id: &'a str,
    name: Option<&'a str>,
    kind: &'static str,
    pub(super) shared_with: Option<&'a str>,
}

fn configured(config: &Config) -> Vec<Owner<'_>> {
    let psaps = config.psap.iter().map(|psap| Owner {
        id: psap.id.as_str(),
        name: psap.name.as_deref(),
        kind: "psap",
        shared_with: psap.site.as_ref().or(psap.via.as_ref()).map(|id| id.as_str()),
    });
    let sites = config.site.iter().map(|site| Owner {
        id: site.id.as_str(),
        name: site.name.as_deref(),
        kind: "site",
        shared_with: None,
    });
    let elements = config.element.iter().map(|element| Owner {
        id: element.id.as_str(),
        name: element.name.as_deref(),
        kind: "element",
        shared_with: None,
    });
    psaps.chain(sites).chain(elements).collect()
}

/// Everybody with counters: who is configured, who was, and nobody.
pub(super) fn owners<'a>(
    config: &'a Config,
    assigned: &'a BTreeMap<String, u32>,
) -> Vec<(Option<Owner<'a>>, u32)> {
    let readable = slots::readable(assigned, config);
    let mut owners: Vec<_> = configured(config)
        .into_iter()
        .filter_map(|owner| {
            let slot = readable.get(owner.id).copied()?;
            Some((Some(owner), slot))
        })
        .collect();
    let removed = assigned.iter().filter(|(id, _)| !readable.contains_key(id.as_str()));
    owners.extend(removed.map(|(id, slot)| {
        let owner = Owner { id, name: None, kind: REMOVED, shared_with: None };
        (Some(owner), *slot)
    }));
    owners.push((None, 0));
    owners
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// Only this PSAP, site or element.
    pub psap: Option<String>,
    /// Only frames of this reason.
    pub reason: Option<Reason>,
    /// Only what was counted since.
    pub since: Option<Mark>,
}

impl Asked {
    /// The counters that are asked for, out of all of a slot.
    fn of(&self, slot: u32, counters: SlotCounters) -> SlotCounters {
        self.since.as_ref().map_or(counters, |mark| mark.gained(slot, &counters))
    }

    /// The same of what left.
    fn of_out(&self, slot: u32, counters: SlotCounters) -> SlotCounters {
        self.since.as_ref().map_or(counters, |mark| mark.gained_out(slot, &counters))
    }

    fn wants(&self, owner: Option<&Owner<'_>>) -> bool {
        self.psap.as_deref().is_none_or(|psap| owner.is_some_and(|owner| owner.id == psap))
    }
}

/// Under which id the frames of a PSAP, site or element are counted; `None` if there is none of
/// this id, and never was.
///
/// # Errors
///
/// If no guard is loaded, or what is live cannot be read.
pub fn owner_of(live: &Live, id: &str) -> Result<Option<String>, LiveError> {
    let (config, assigned) = (live.effective()?, live.store.slots()?);
    let found = owners(&config, &assigned).into_iter().filter_map(|(owner, _)| owner);
    let found = found.into_iter().find(|owner| owner.id == id);
    Ok(found.map(|owner| owner.shared_with.unwrap_or(owner.id).to_owned()))
}

/// Reads `guard psaps`: the worst first, then by id; frames of none at the end.
pub fn psaps(live: &Live, asked: &Asked) -> Result<Vec<PsapRow>, LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let counts = live.pins.counts()?;
    let out_counts = live.pins.out_counts()?;
    let mut rows = Vec::new();
    for (owner, slot) in owners(&config, &assigned) {
        if !asked.wants(owner.as_ref()) {
            continue;
        }
        let (mut totals, mut outgoing) = (Totals::default(), OutTotals::default());
        totals.add(&asked.of(slot, counts.slot(slot)?), asked.reason);
        outgoing.add(&asked.of_out(slot, out_counts.slot(slot)?), asked.reason);
        let nothing = (totals, outgoing) == (Totals::default(), OutTotals::default());
        // Whoever is gone and left nothing behind is of no interest; nor is, where one reason is
        // asked for, who has nothing of it.
        let is_gone = owner.as_ref().is_some_and(|owner| owner.kind == REMOVED);
        if nothing && (is_gone || asked.reason.is_some()) {
            continue;
        }
        let none = Owner { id: "", name: None, kind: "none", shared_with: None };
        let id = owner.as_ref().map(|owner| owner.id.to_owned());
        let Owner { id: _, name, kind, shared_with } = owner.unwrap_or(none);
        rows.push(PsapRow {
            id,
            name: name.map(str::to_owned),
            kind,
            shared_with: shared_with.map(str::to_owned),
            totals,
            outgoing,
        });
    }
    rows.sort_by(|a, b| {
        let order = |row: &PsapRow| (row.id.is_none(), Reverse(row.totals.trouble()));
        order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
    });
    Ok(rows)
}

/// Reads `guard drops`: what was dropped, or would have been, by owner and reason.
pub fn drops(live: &Live, asked: &Asked) -> Result<Vec<DropRow>, LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let counts = live.pins.counts()?;
    let mut rows = Vec::new();
    for (owner, slot) in owners(&config, &assigned) {
        // Shared counters are told once, under the site or element whose they are, unless they
        // are asked for.
        let is_told = owner.as_ref().is_none_or(|owner| owner.shared_with.is_none());
        if asked.wants(owner.as_ref()) && (is_told || asked.psap.is_some()) {
            let id = owner.as_ref().map(|owner| owner.id);
            rows.extend(drop_rows(id, &asked.of(slot, counts.slot(slot)?)));
        }
    }
    rows.retain(|row| asked.reason.is_none_or(|reason| reason.name() == row.reason));
    rows.sort_by_key(|row| Reverse((row.dropped_packets, row.would_drop_packets)));
    Ok(rows)
}

fn drop_rows(id: Option<&str>, counters: &SlotCounters) -> Vec<DropRow> {
    let mut rows = Vec::new();
    for reason in Reason::all().filter(|reason| reason.dropped_counter().is_some()) {
        let dropped = counter(counters, reason.dropped_counter());
        let would = counter(counters, Some(reason.counter()));
        if dropped.0 == 0 && would.0 == 0 {
            continue;
        }
        rows.push(DropRow {
            id: id.map(str::to_owned),
            reason: reason.name(),
            class: reason.class().name(),
            dropped_packets: dropped.0,
            dropped_bytes: dropped.1,
            would_drop_packets: would.0,
            would_drop_bytes: would.1,
        });
    }
    rows
}
