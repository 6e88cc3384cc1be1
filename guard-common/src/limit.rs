//! Limit: a frame against the bucket of its PSAP and that of its source.

use crate::abi::policy::{LimitSpec, Policy};
use crate::abi::state::{Cells, MARKED_CELL, PSAP_CELLS, SOURCE_CELLS, alarm};
use crate::bucket::conform;
use crate::class::{KINDS, Kind};
use crate::frame::Frame;
use crate::hash::keyed;
use crate::memory::opaque;
use crate::tables::Tables;

/// What is held against a limit: the place of its bucket among those of a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Limited(u32);

impl Limited {
    /// Marked signalling of strangers, of which a burst is told and never dropped.
    pub const MARKED: Self = Self(MARKED_CELL);

    /// What has no bucket: whatever is found, is found without looking.
    pub const NOTHING: Self = Self(u32::MAX);

    /// Traffic of a kind.
    #[must_use]
    #[inline(always)]
    pub const fn kind(kind: Kind) -> Self {
        Self(kind as u32)
    }
}

/// How a frame stands to its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conformity {
    /// Within both, or no limit could be found.
    Within,
    /// Strangers together are over the PSAP's.
    OverPsap,
    /// The source is over its own.
    OverSource,
}

/// Holds the frame against the PSAP's bucket and its source's.
///
/// The PSAP's comes first: it is one word for all sources, so a flood from a million of them
/// costs no more than one from a single source. What a source sends over its own limit never
/// takes from the PSAP's bucket.
#[inline(always)]
pub fn hold<T: Tables>(
    frame: &Frame,
    tables: &T,
    limited: Limited,
    slot: u32,
    now: u64,
) -> Conformity {
    let Some(policy) = tables.policy() else {
        return Conformity::Within;
    };
    if limited == Limited::NOTHING {
        return Conformity::Within;
    }
    let Limited(number) = limited;
    let Some(psap) = tables.cell(Cells::Psap, slot * PSAP_CELLS + number) else {
        tables.alarm(alarm::STATE_MISSING);
        return Conformity::Within;
    };
    let per_psap = spec(&policy.per_psap, policy.marked_per_psap, number);
    let Some(psap_next) = conform(psap.load(), per_psap, now) else {
        return Conformity::OverPsap;
    };
    if !source_conforms(frame, tables, policy, number, now) {
        return Conformity::OverSource;
    }
    psap.store(psap_next);
    Conformity::Within
}

/// Whether the source is within its limit. Sources share the cells of two rows, picked by
/// different parts of a keyed hash; a source is over its limit only where both say so, so a
/// quiet one suffers only if both its cells are shared with floods.
#[inline(always)]
fn source_conforms<T: Tables>(
    frame: &Frame,
    tables: &T,
    policy: &Policy,
    number: u32,
    now: u64,
) -> bool {
    let hash = keyed(policy.hash_key, frame.source_key(), u64::from(number));
    let first = (hash as u32) & (SOURCE_CELLS - 1);
    let second = ((hash >> 32) as u32) & (SOURCE_CELLS - 1);
    let (Some(first), Some(second)) =
        (tables.cell(Cells::Source, first), tables.cell(Cells::Source, SOURCE_CELLS + second))
    else {
        tables.alarm(alarm::STATE_MISSING);
        return true;
    };
    let spec = spec(&policy.per_source, policy.marked_per_source, number);
    let first_next = conform(first.load(), spec, now);
    let second_next = conform(second.load(), spec, now);
    if let Some(next) = first_next {
        first.store(next);
    }
    if let Some(next) = second_next {
        second.store(next);
    }
    first_next.is_some() || second_next.is_some()
}

/// The limit of a kind, or of what is marked.
///
/// Opaque keeps the bounds check: the compiler knows that a kind is below [`KINDS`] and
/// would drop it, the verifier has forgotten and would refuse the program.
#[inline(always)]
fn spec(kinds: &[LimitSpec; KINDS], marked: LimitSpec, number: u32) -> LimitSpec {
    match kinds.get(opaque(u64::from(number)) as usize) {
        Some(spec) => *spec,
        None => marked,
    }
}
