//! How full the buckets are that a frame was held against.

use guard_common::abi::policy::LimitSpec;
use guard_common::abi::state::{Cell, Cells, MARKED_CELL, PSAP_CELLS, SOURCE_CELLS};
use guard_common::bucket::is_strange;
use guard_common::class::{Class, Kind};
use guard_common::hash::keyed;
use guard_common::reason::Reason;
use guard_common::tables::Tables as _;
use serde::Serialize;

use super::Facts;
use crate::config;
use crate::policy::model::Model;
use crate::trial::Ground;

/// A bucket: the limit, and what of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Frames in a stretch of time, as the configuration writes it.
    pub rate: String,
    /// Frames at once.
    pub burst: u64,
    /// Frames of the burst that are used up, this one included if it kept within; `None` without
    /// a limit.
    pub used: Option<u64>,
}

/// The limits of a kind of traffic, at a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Kind of traffic, as in `[limits]`; "marked" for what `[bursts]` counts.
    pub kind: &'static str,
    /// Of the source.
    pub source: Bucket,
    /// Of all strangers together, at this PSAP.
    pub psap: Bucket,
}

/// The limits that a frame was held against, if any.
pub(super) fn of(ground: &Ground, model: &Model, facts: &Facts, now: u64) -> Option<Limit> {
    let Ground { config, tables, .. } = ground;
    let policy = &tables.policy;
    let (kind, number, limits, specs) = match limited(facts.reason)? {
        Some(kind) => {
            let place = kind as usize;
            let specs = (policy.per_source.get(place)?, policy.per_psap.get(place)?);
            (kind.name(), kind as u32, config.limits.of(kind), specs)
        }
        None => {
            let specs = (&policy.marked_per_source, &policy.marked_per_psap);
            ("marked", MARKED_CELL, config.bursts.limits(), specs)
        }
    };
    let hash = keyed(policy.hash_key, facts.frame.source_key(), u64::from(number));
    let row = |hash: u64| u32::try_from(hash & u64::from(SOURCE_CELLS - 1)).unwrap_or(0);
    let source = [
        word(model, Cells::Source, row(hash)),
        word(model, Cells::Source, SOURCE_CELLS + row(hash >> 32)),
    ];
    // Of the two cells the emptier one counts.
    let source = source.into_iter().min().unwrap_or(0);
    let psap = word(model, Cells::Psap, facts.slot.saturating_mul(PSAP_CELLS) + number);
    Some(Limit {
        kind,
        source: bucket(limits.0, specs.0, source, now),
        psap: bucket(limits.1, specs.1, psap, now),
    })
}

/// The kind whose limits a reason tells of; `Some(None)` for what is marked.
fn limited(reason: Reason) -> Option<Option<Kind>> {
    match (reason, reason.class()) {
        (Reason::MARKED | Reason::MARKED_BURST_SOURCE | Reason::MARKED_BURST_PSAP, _) => Some(None),
        (_, Class::Limited(kind)) => Some(Some(kind)),
        _ => None,
    }
}

fn word(model: &Model, table: Cells, place: u32) -> u64 {
    let cells: Option<&[Cell; 1]> = model.place(table, place);
    cells.map_or(0, |[cell]| cell.load())
}

fn bucket((rate, burst): config::Limit, spec: &LimitSpec, word: u64, now: u64) -> Bucket {
    let ahead = word.saturating_sub(now);
    let ahead = if is_strange(ahead, *spec) { 0 } else { ahead };
    let used = (spec.interval != 0).then(|| ahead.div_ceil(spec.interval.max(1)).min(burst));
    Bucket { rate: rate.to_string(), burst, used }
}
