//! The whole way of a frame: parse, classify, limit, verdict, account.

use crate::abi::ABI_VERSION;
use crate::abi::state::alarm;
use crate::bytes::Packet;
use crate::classify::{Classified, Ends, Finding, classify, out_of_an_element};
use crate::copy::copy;
use crate::frame::{Defect, Fragment, Frame, Parsed};
use crate::limit::{Conformity, Limited, hold};
use crate::pins::{conversation, fragment};
use crate::reason::{Droppable, Reason};
use crate::sip::headers;
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
        Outcome::Pass(reason) => {
            follow_up(tables, scratch, reason);
            judge(outcome, None, 0)
        }
        Outcome::Excess(_) => judge(outcome, tables.switches(), scratch.now),
    };
    if judgement.watchdog_open {
        tables.alarm(alarm::WATCHDOG_OPEN);
    }
    account(tables, slot, judgement.counter, scratch.frame.length);
    judgement
}

/// Watches a frame that leaves the host, where the guard cannot see its own host's answers come
/// in: counts it, hands on copies, confirms pins. Nothing that leaves is ever dropped.
#[inline(always)]
pub fn observe<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) -> Reason {
    let Scratch { frame, ends, .. } = scratch;
    let (reason, slot) = if tables.policy().is_none_or(|policy| policy.abi != ABI_VERSION) {
        frame.length = packet.length();
        (Reason::NO_POLICY, 0)
    } else {
        match frame.parse(packet) {
            Parsed::Unreadable => (Reason::UNREADABLE, 0),
            Parsed::NotIp => (Reason::NOT_IP, 0),
            Parsed::Ip => out_of_an_element(packet, frame, ends, tables),
        }
    };
    copy(tables, frame, ends, reason);
    account(tables, slot, reason.counter(), scratch.frame.length);
    reason
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
    if let Finding::Pass(reason) = finding {
        return (Outcome::Pass(reason), slot);
    }
    *now = tables.now();
    let outcome = limit(frame, tables, finding, slot, *now);
    (look_again(packet, frame, ends, tables, outcome), slot)
}

/// Holds what has a limit against it.
#[inline(always)]
fn limit<T: Tables>(
    frame: &Frame,
    tables: &T,
    finding: Finding,
    slot: u32,
    now: u64,
) -> Outcome {
    let limited = match finding {
        Finding::Pass(reason) => return Outcome::Pass(reason),
        Finding::Deny => return Outcome::Excess(Droppable::DENIED),
        Finding::Marked => Limited::MARKED,
        Finding::Limit(kind) => Limited::kind(kind),
    };
    let conformity = hold(frame, tables, limited, slot, now);
    match (finding, conformity) {
        (Finding::Limit(kind), Conformity::Within) => Outcome::Pass(Reason::within(kind)),
        (Finding::Limit(kind), Conformity::OverPsap) => {
            Outcome::Excess(Droppable::over_psap(kind))
        }
        (Finding::Limit(kind), Conformity::OverSource) => {
            Outcome::Excess(Droppable::over_source(kind))
        }
        (_, Conformity::Within) => Outcome::Pass(Reason::MARKED),
        (_, Conformity::OverPsap) => Outcome::Pass(Reason::MARKED_BURST_PSAP),
        (_, Conformity::OverSource) => Outcome::Pass(Reason::MARKED_BURST_SOURCE),
    }
}

/// Before a stranger's frame to an element's SIP service is dropped, all of its headers are
/// looked at.
#[inline(always)]
fn look_again<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
    outcome: Outcome,
) -> Outcome {
    if matches!(outcome, Outcome::Excess(_))
        && ends.are_stranger_and_service()
        && matches!(frame.defect, Defect::None)
        && !matches!(frame.fragment, Fragment::Later)
        && frame.payload != 0
        && headers::say_emergency(packet, frame.payload, frame.payload_length())
    {
        conversation::begin(tables, frame);
        return Outcome::Pass(Reason::MARKED_HEADER);
    }
    outcome
}

/// What a frame that passes leaves behind for those that follow it.
#[inline(always)]
fn follow_up<T: Tables>(
    tables: &T,
    scratch: &Scratch,
    reason: Reason,
) {
    let Scratch { frame, ends, .. } = scratch;
    if matches!(frame.fragment, Fragment::First) && reason.protects_datagram() {
        fragment::first_passed(tables, frame);
    }
    copy(tables, frame, ends, reason);
}

/// Counts the frame once, under its slot or, if that has no counters, under none.
#[inline(always)]
fn account<T: Tables>(tables: &T, slot: u32, counter: u32, bytes: u32) {
    if !tables.count(slot, counter, bytes) {
        tables.alarm(alarm::STATE_MISSING);
        tables.count(0, counter, bytes);
    }
}
