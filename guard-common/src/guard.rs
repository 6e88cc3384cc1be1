//! The whole way of a frame: parse, classify, limit, verdict, account.

use crate::abi::ABI_VERSION;
use crate::abi::copy::CopyHeader;
use crate::abi::policy::SCOPE_LABELS;
use crate::abi::sample::SampleHeader;
use crate::abi::state::alarm;
use crate::bytes::Packet;
use crate::classify::{Classified, Ends, Finding, OUTGOING, Way, classify, out_of_an_element};
use crate::copy::copy;
use crate::frame::{Defect, Fragment, Frame, Parsed};
use crate::inside::{Layer, Start};
use crate::leaving::Leaving;
use crate::limit::{Conformity, Limited, hold};
use crate::memory::Word;
use crate::pins::{conversation, fragment};
use crate::reason::{Droppable, Reason};
use crate::sample::{self, Rations};
use crate::sip::{headers, start_line};
use crate::tables::Tables;
use crate::verdict::{Judgement, Outcome, judge};
use crate::wire::protocol;

/// Decides about a frame that came in by the interface with this kernel index, and counts it.
///
/// `scratch` is memory to work in; its content does not matter before (but for a ration of samples,
/// which any content gives back soon) and holds what was found out after.
///
/// What each step finds out goes through that memory, see [`crate::memory`].
#[inline(always)]
pub fn process<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) -> Judgement {
    if look(packet, tables, scratch, interface) == Sight::Tunnel {
        look_inside(packet, tables, scratch, interface);
    }
    decide(packet, tables, scratch)
}

/// How much of a frame has been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// As much as there is to look at.
    Whole,
    /// The outside of a tunnel, which passes as a tunnel if nobody calls [`look_inside`].
    Tunnel,
}

/// First step: parses and classifies.
#[inline(always)]
pub fn look<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) -> Sight {
    scratch.sampled.interface = interface;
    let found = find(packet, tables, scratch, interface);
    scratch.finding.set(found.finding.packed());
    scratch.slot.set(found.slot);
    scratch.sight()
}

/// Second step, for tunnels whose inside is to be looked at: what is inside takes the place of
/// what was found so far. Where no addresses can be read, that stands.
#[inline(always)]
pub fn look_inside<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) {
    let Scratch { frame, ends, start, zone, .. } = scratch;
    if frame.parse_inside(packet, start.get()) {
        let way = Way { interface, inside: zone.get() };
        let found = classify(packet, frame, ends, tables, way);
        scratch.finding.set(found.finding.packed());
        scratch.slot.set(found.slot);
    }
}

/// Last step: limits, the verdict, and what the frame leaves behind.
#[inline(always)]
pub fn decide<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) -> Judgement {
    limit(packet, tables, scratch);
    let outcome = Outcome::unpacked(scratch.outcome.get());
    let (judgement, drop_interval) = match outcome {
        Outcome::Pass(reason) => {
            follow_up(tables, scratch, reason);
            (judge(outcome, None, 0), 0)
        }
        Outcome::Excess(_) => {
            let now = scratch.now.get();
            (judge(outcome, tables.switches(), now), tables.drop_interval())
        }
    };
    if judgement.watchdog_open {
        tables.alarm(alarm::WATCHDOG_OPEN);
    }
    account(tables, scratch, judgement.counter, drop_interval);
    judgement
}

/// Watches a frame that leaves the host, where the guard cannot see its own host's answers come
/// in: counts it, hands on copies, confirms pins. Nothing that leaves is ever dropped.
#[inline(always)]
pub fn observe<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) -> Leaving {
    if look_out(packet, tables, scratch) == Sight::Tunnel {
        look_out_inside(packet, tables, scratch);
    }
    note(tables, scratch)
}

/// First step of [`observe`].
#[inline(always)]
pub fn look_out<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) -> Sight {
    let Scratch { frame, ends, sampled, start, zone, .. } = scratch;
    sampled.interface = OUTGOING;
    start.set(0);
    let (leaving, slot) = if tables.policy().is_none_or(|policy| policy.abi != ABI_VERSION) {
        frame.length = packet.length();
        (Leaving::NO_POLICY, 0)
    } else {
        match frame.parse(packet) {
            Parsed::Unreadable => (Leaving::UNREADABLE, 0),
            Parsed::NotIp => (Leaving::NOT_IP, 0),
            Parsed::Labels => {
                start.set(behind_labels(frame, tables));
                (Leaving::NOT_IP, 0)
            }
            Parsed::Ip => {
                let (leaving, slot) = out_of_an_element(packet, frame, ends, tables);
                zone.set(ends.inside());
                if leaving == Leaving::TUNNEL && zone.get() != 0 {
                    start.set(Start::of_tunnel(packet, frame).map_or(0, Start::packed));
                }
                (leaving, slot)
            }
        }
    };
    scratch.finding.set(leaving.packed());
    scratch.slot.set(slot);
    scratch.sight()
}

/// Second step of [`observe`], as [`look_inside`].
#[inline(always)]
pub fn look_out_inside<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) {
    let Scratch { frame, ends, start, .. } = scratch;
    if frame.parse_inside(packet, start.get()) {
        let (leaving, slot) = out_of_an_element(packet, frame, ends, tables);
        scratch.finding.set(leaving.packed());
        scratch.slot.set(slot);
    }
}

/// Last step of [`observe`]: counts it, hands on copies, confirms pins.
#[inline(always)]
pub fn note<T: Tables>(tables: &T, scratch: &mut Scratch) -> Leaving {
    let Scratch { frame, ends, copied, finding, .. } = scratch;
    let leaving = Leaving::unpacked(finding.get());
    copy(tables, frame, ends, leaving.reason(), copied);
    account(tables, scratch, leaving.reason().counter(), 0);
    leaving
}

/// What is found out about a frame on its way.
#[derive(Debug)]
#[repr(C)]
pub struct Scratch {
    /// The parsed headers.
    pub frame: Frame,
    /// Who its ends are.
    pub ends: Ends,
    /// What a copy of it says.
    copied: CopyHeader,
    /// What a sample of it says.
    sampled: SampleHeader,
    /// The time, once it has been looked at: only for frames that have a limit.
    now: Word<u64>,
    /// Of samples of what is over its limit, on this CPU; stays from frame to frame.
    rations: Rations,
    finding: Word<u32>,
    slot: Word<u32>,
    outcome: Word<u32>,
    /// Where the inside begins ([`Start::packed`]); 0 if there is nothing to look into.
    start: Word<u32>,
    /// The inside's zone plus one; 0 for that of the interface.
    zone: Word<u32>,
    /// Always zero.
    padding: u32,
}

impl Scratch {
    #[inline(always)]
    fn sight(&self) -> Sight {
        match self.start.get() {
            0 => Sight::Whole,
            _ => Sight::Tunnel,
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            frame: Frame::unknown(),
            ends: Ends::default(),
            copied: CopyHeader::default(),
            sampled: SampleHeader::default(),
            now: Word::new(0),
            rations: Rations::default(),
            finding: Word::new(0),
            slot: Word::new(0),
            outcome: Word::new(0),
            start: Word::new(0),
            zone: Word::new(0),
            padding: 0,
        }
    }
}

/// Parses and classifies.
#[inline(always)]
fn find<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    interface: u32,
) -> Classified {
    let Scratch { frame, ends, start, zone, .. } = scratch;
    let passes = |reason| Classified { finding: Finding::Pass(reason), slot: 0 };
    start.set(0);
    if tables.policy().is_none_or(|policy| policy.abi != ABI_VERSION) {
        frame.length = packet.length();
        return passes(Reason::NO_POLICY);
    }
    match frame.parse(packet) {
        Parsed::Unreadable => passes(Reason::UNREADABLE),
        Parsed::NotIp => passes(Reason::NOT_IP),
        Parsed::Labels => {
            zone.set(0);
            start.set(behind_labels(frame, tables));
            passes(Reason::NOT_IP)
        }
        Parsed::Ip => {
            let found = classify(packet, frame, ends, tables, Way { interface, inside: 0 });
            if found.finding == Finding::Pass(Reason::TUNNEL) {
                zone.set(ends.inside());
                if zone.get() != 0 {
                    start.set(Start::of_tunnel(packet, frame).map_or(0, Start::packed));
                }
            }
            found
        }
    }
}

/// Where what is behind MPLS labels begins, if the site wants it looked at; else 0.
#[inline(always)]
fn behind_labels<T: Tables>(frame: &Frame, tables: &T) -> u32 {
    let is_wanted = tables.policy().is_some_and(|policy| policy.scope & SCOPE_LABELS != 0);
    if !is_wanted || frame.payload == 0 {
        return 0;
    }
    Start { layer: Layer::Labels, offset: usize::from(frame.payload) }.packed()
}

/// Holds what has a limit against it, and looks into what nothing but the limit speaks for or
/// against. What comes of it makes a detour through memory, so that the look is followed once for
/// frames within their limits and over them.
#[inline(always)]
fn limit<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch) {
    let finding = Finding::unpacked(scratch.finding.get());
    let limited = match finding {
        Finding::Pass(reason) => return scratch.outcome.set(Outcome::Pass(reason).packed()),
        Finding::Deny => Limited::NOTHING,
        Finding::Marked => Limited::MARKED,
        Finding::Limit(kind) => Limited::kind(kind),
    };
    let now = tables.now();
    scratch.now.set(now);
    let conformity = hold(&scratch.frame, tables, limited, scratch.slot.get(), now);
    scratch.outcome.set(outcome_of(finding, conformity).packed());
    let is_unprotected = Outcome::is_unprotected(scratch.outcome.get());
    if is_unprotected && says_emergency(packet, &scratch.frame, &scratch.ends) {
        conversation::begin(tables, &scratch.frame);
        scratch.outcome.set(Outcome::Pass(Reason::MARKED_HEADER).packed());
    }
}

/// What a finding and how it stands to its limit come to.
#[inline(always)]
fn outcome_of(finding: Finding, conformity: Conformity) -> Outcome {
    match (finding, conformity) {
        (Finding::Pass(reason), _) => Outcome::Pass(reason),
        (Finding::Deny, _) => Outcome::Excess(Droppable::DENIED),
        (Finding::Limit(kind), Conformity::Within) => Outcome::Pass(Reason::within(kind)),
        (Finding::Limit(kind), Conformity::OverPsap) => Outcome::Excess(Droppable::over_psap(kind)),
        (Finding::Limit(kind), Conformity::OverSource) => {
            Outcome::Excess(Droppable::over_source(kind))
        }
        (Finding::Marked, Conformity::Within) => Outcome::Pass(Reason::MARKED),
        (Finding::Marked, Conformity::OverPsap) => Outcome::Pass(Reason::MARKED_BURST_PSAP),
        (Finding::Marked, Conformity::OverSource) => Outcome::Pass(Reason::MARKED_BURST_SOURCE),
    }
}

/// All headers of a stranger's frame to an element's SIP service are looked at before it is
/// dropped; and within its limit, too, for the sake of what follows: later fragments, an ACK, a
/// BYE may be over theirs. How many those are, the limit bounds. By TCP a message may begin within
/// a segment; what begins a datagram like no message, as floods of noise do, is none.
#[inline(always)]
fn says_emergency<P: Packet>(packet: &P, frame: &Frame, ends: &Ends) -> bool {
    ends.are_stranger_and_service()
        && matches!(frame.defect, Defect::None)
        && !matches!(frame.fragment, Fragment::Later)
        && frame.payload != 0
        && (frame.protocol == protocol::TCP || start_line::may_begin(packet, frame.payload))
        && headers::say_emergency(packet, frame.payload, frame.payload_length())
}

/// What a frame that passes leaves behind for those that follow it.
#[inline(always)]
fn follow_up<T: Tables>(tables: &T, scratch: &mut Scratch, reason: Reason) {
    let Scratch { frame, ends, copied, .. } = scratch;
    if matches!(frame.fragment, Fragment::First) && reason.protects_datagram() {
        fragment::first_passed(tables, frame);
    }
    copy(tables, frame, ends, reason, copied);
}

/// Counts the frame once, under its slot or, if that has no counters, under none. Of what is
/// counted, some are sampled; of what is over its limit, on each CPU one in so many nanoseconds,
/// for which a flood pays a look at one word.
#[inline(always)]
fn account<T: Tables>(tables: &T, scratch: &mut Scratch, counter: u32, drop_interval: u64) {
    let (slot, bytes) = (scratch.slot.get(), scratch.frame.length);
    let count = match tables.count(slot, counter, bytes) {
        Some(count) => count,
        None => {
            tables.alarm(alarm::STATE_MISSING);
            tables.count(0, counter, bytes).unwrap_or(0)
        }
    };
    let stands_for = if tables.are_sampled() { sample::stands_for(count) } else { 0 };
    let Scratch { frame, sampled, now, rations, .. } = scratch;
    if stands_for != 0 || rations.are_left(drop_interval, now.get()) {
        *sampled = SampleHeader { slot, counter, stands_for, ..*sampled };
        sample::take(tables, frame, sampled, rations, drop_interval);
    }
}
