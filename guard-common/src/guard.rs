//! The whole way of a frame: parse, classify, limit, verdict, account.

use core::hint::black_box;

use crate::abi::ABI_VERSION;
use crate::abi::policy::{LimitSpec, Policy};
use crate::abi::state::{PSAP_CELLS, SOURCE_CELLS, alarm};
use crate::bucket::conform;
use crate::bytes::Packet;
use crate::class::{KINDS, Kind};
use crate::classify::{Classified, Ends, Finding, classify};
use crate::frame::{Frame, Parsed};
use crate::hash::keyed;
use crate::reason::{Droppable, Reason};
use crate::tables::Tables;
use crate::verdict::{Judgement, Outcome, judge};

/// Decides about a frame that came in by the interface with this kernel index, and counts it.
///
/// `scratch` is memory to work in; its content does not matter before and holds what was found
/// out after.
#[inline(always)]
pub fn process<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) -> Judgement {
    let (outcome, slot) = examine(packet, tables, scratch, interface);
    let judgement = match outcome {
        Outcome::Pass(_) => judge(outcome, None, 0),
        Outcome::Excess(_) => judge(outcome, tables.switches(), scratch.now),
    };
    if judgement.watchdog_open {
        tables.alarm(alarm::WATCHDOG_OPEN);
    }
    account(tables, slot, judgement.counter, scratch.frame.length);
    judgement
}

/// What is found out about a frame on its way.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Scratch {
    /// The parsed headers.
    pub frame: Frame,
    /// Who its ends are.
    pub ends: Ends,
    /// The time, once it has been looked at: only for frames that may be dropped.
    pub now: u64,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { frame: Frame::unknown(), ends: Ends::default(), now: 0 }
    }
}

/// Parses, classifies and limits: everything but the mode.
#[inline(always)]
fn examine<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) -> (Outcome, u32) {
    let Scratch { frame, ends, now } = scratch;
    if tables.policy().is_none_or(|policy| policy.abi != ABI_VERSION) {
        frame.length = packet.length();
        return (Outcome::Pass(Reason::NO_POLICY), 0);
    }
    match frame.parse(packet) {
        Parsed::Unreadable => return (Outcome::Pass(Reason::UNREADABLE), 0),
        Parsed::NotIp => return (Outcome::Pass(Reason::NOT_IP), 0),
        Parsed::Ip => {}
    }
    let Classified { finding, slot } = classify(packet, frame, ends, tables, interface);
    let outcome = match finding {
        Finding::Pass(reason) => Outcome::Pass(reason),
        Finding::Deny => {
            *now = tables.now();
            Outcome::Excess(Droppable::DENIED)
        }
        Finding::Limit(kind) => {
            *now = tables.now();
            limit(frame, tables, kind, slot, *now)
        }
    };
    (outcome, slot)
}

/// Counts the frame once, under its slot or, if that has no counters, under none.
#[inline(always)]
fn account<T: Tables>(tables: &T, slot: u32, counter: u32, bytes: u32) {
    if !tables.count(slot, counter, bytes) {
        tables.alarm(alarm::STATE_MISSING);
        tables.count(0, counter, bytes);
    }
}

/// Holds the frame against the PSAP's bucket and its source's.
///
/// The PSAP's comes first: it is one word for all sources, so a flood from a million of them
/// costs no more than one from a single source. What a source sends over its own limit never
/// takes from the PSAP's bucket.
#[inline(never)]
fn limit<T: Tables>(frame: &Frame, tables: &T, kind: Kind, slot: u32, now: u64) -> Outcome {
    let within = Outcome::Pass(Reason::within(kind));
    let Some(policy) = tables.policy() else {
        return within;
    };
    let Some(psap) = tables.psap_cell(slot * PSAP_CELLS + kind as u32) else {
        tables.alarm(alarm::STATE_MISSING);
        return within;
    };
    let Some(psap_next) = conform(psap.load(), spec(&policy.per_psap, kind), now) else {
        return Outcome::Excess(Droppable::over_psap(kind));
    };
    if !source_conforms(frame, tables, policy, kind, now) {
        return Outcome::Excess(Droppable::over_source(kind));
    }
    psap.store(psap_next);
    within
}

/// Whether the source is within its limit. Sources share the cells of two rows, picked by
/// different parts of a keyed hash; a source is over its limit only where both say so, so a
/// quiet one suffers only if both its cells are shared with floods.
#[inline(always)]
fn source_conforms<T: Tables>(
    frame: &Frame,
    tables: &T,
    policy: &Policy,
    kind: Kind,
    now: u64,
) -> bool {
    let hash = keyed(policy.hash_key, frame.source_key(), kind as u64);
    let first = (hash as u32) & (SOURCE_CELLS - 1);
    let second = ((hash >> 32) as u32) & (SOURCE_CELLS - 1);
    let (Some(first), Some(second)) =
        (tables.source_cell(first), tables.source_cell(SOURCE_CELLS + second))
    else {
        tables.alarm(alarm::STATE_MISSING);
        return true;
    };
    let spec = spec(&policy.per_source, kind);
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

/// The limit of a kind; a missing one is no limit.
///
/// The black box keeps the bounds check: the compiler knows that a kind is below [`KINDS`] and
/// would drop it, the verifier has forgotten and would refuse the program.
#[inline(always)]
fn spec(specs: &[LimitSpec; KINDS], kind: Kind) -> LimitSpec {
    match specs.get(black_box(kind as usize)) {
        Some(spec) => *spec,
        None => LimitSpec { interval: 0, tolerance: 0 },
    }
}
