//! `guard psaps` and `guard drops`: counters by PSAP, site and element.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use guard_common::abi::state::SlotCounters;
use guard_common::reason::Reason;
use serde::Serialize;

use super::{OutTotals, Totals, counter};
use crate::config::Config;
use crate::live::{Live, LiveError};
use crate::policy::slots;

/// What an id is that is no longer configured.
const REMOVED: &str = "removed";

/// A row of `guard psaps`.
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
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

/// Reads `guard psaps`: the worst first, then by id; frames of none at the end.
pub fn psaps(live: &Live) -> Result<Vec<PsapRow>, LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let counts = live.pins.counts()?;
    let out_counts = live.pins.out_counts()?;
    let mut rows = Vec::new();
    for (owner, slot) in owners(&config, &assigned) {
        let (mut totals, mut outgoing) = (Totals::default(), OutTotals::default());
        totals.add(&counts.slot(slot)?);
        outgoing.add(&out_counts.slot(slot)?);
        let Some(Owner { id, name, kind, shared_with }) = owner else {
            let (id, name, shared_with) = (None, None, None);
            rows.push(PsapRow { id, name, kind: "none", shared_with, totals, outgoing });
            continue;
        };
        // Whoever is gone and left nothing behind is of no interest.
        let nothing = (Totals::default(), OutTotals::default());
        if kind == REMOVED && (totals, outgoing) == nothing {
            continue;
        }
        rows.push(PsapRow {
            id: Some(id.to_owned()),
            name: name.map(str::to_owned),
            kind,
            shared_with: shared_with.map(str::to_owned),
            totals,
            outgoing,
        });
    }
    rows.sort_by(|a, b| {
        let order = |row: &PsapRow| {
            let Totals { dropped_packets, over_limit_packets, .. } = row.totals;
            (row.id.is_none(), Reverse((dropped_packets, over_limit_packets)))
        };
        order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
    });
    Ok(rows)
}

/// Reads `guard drops`: what was dropped, or would have been, by owner and reason.
pub fn drops(live: &Live, only: Option<&str>) -> Result<Vec<DropRow>, LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let counts = live.pins.counts()?;
    let mut rows = Vec::new();
    for (owner, slot) in owners(&config, &assigned) {
        let id = owner.as_ref().map(|owner| owner.id);
        let wanted = match only {
            Some(only) => id == Some(only),
            // Shared counters are told once, under the site or element whose they are.
            None => owner.as_ref().is_none_or(|owner| owner.shared_with.is_none()),
        };
        if wanted {
            rows.extend(drop_rows(id, &counts.slot(slot)?));
        }
    }
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
