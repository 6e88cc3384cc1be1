//! Signalling between a stranger and an element's SIP service.
//!
//! A marked start line of a stranger makes a *tentative* pin: one word in a fixed array,
//! overwritten by whoever comes next. When the element answers, the conversation gets a
//! *confirmed* pin, and its later frames pass although they carry no marker. A confirmed pin is
//! *early* until the stranger speaks again: early ones end after minutes and give way to others
//! when there is no room, so that answers to a spoofed flood cannot fill the table for long.
//! Pins of calls are only ever displaced by their own silence.
//!
//! A conversation is the two addresses and the protocol, without ports: answers go to the port of
//! the Via header (RFC 3261 section 18.2.2), which need not be the one the request came from, an
//! element may send them from any port, and the BYE of a call may come by another connection than
//! its INVITE. So one host never holds more than one pin at an element, and no end of a connection
//! ends it: another call of the same host may be silent for as long as people talk.

use super::word::{Lifetimes, REFRESH, SPOKEN, Set, age, seconds, tag, ticks};
use super::{Element, Standing, flow_hash};
use crate::abi::policy::Policy;
use crate::abi::state::{Cells, PIN_SETS, PIN_WORDS, TENTATIVE_CELLS, alarm};
use crate::bucket::conform;
use crate::frame::Frame;
use crate::tables::Tables;

/// A tentative pin waits this long for the element's answer: 64 x T1, after which the caller has
/// given up (RFC 3261 section 17.1.1.2).
const TENTATIVE: u64 = seconds(32);
pub(super) const LIFETIMES: Lifetimes = Lifetimes {
    // In three minutes a caller has long sent the ACK (RFC 3261 section 17.1.1.2) or a ringing
    // call may go on (timer C, section 16.6).
    early: seconds(180),
    // Longer than any call that sends no session refresh (RFC 4028) is likely to last.
    idle: seconds(3 * 3600),
    // Conversations do not end, they grow old.
    ended: 0,
};

/// What an element's signalling to a stranger means for their conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// A request of the element's own (a call-back, say), which opens the way for its answers.
    Opens,
    /// Anything else: an answer, if a marked frame of the stranger began it.
    Answers,
}

/// An element's signalling to a stranger.
#[inline(never)]
pub fn element_spoke<T: Tables>(tables: &T, frame: &Frame, says: Says) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let conversation = Conversation::of(policy, frame, Element::Source);
    let now = ticks(tables.now());
    if matches!(says, Says::Opens) || conversation.is_begun(tables, now) {
        conversation.confirm(tables, now);
    } else {
        conversation.keep(tables, now);
    }
}

/// A stranger's marked frame begins a tentative pin. It needs no pin itself and lengthens none: a
/// flood repeats it.
#[inline(never)]
pub fn begin<T: Tables>(tables: &T, frame: &Frame) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let conversation = Conversation::of(policy, frame, Element::Destination);
    let Some(cell) = tables.cell(Cells::Tentative, conversation.tentative_place()) else {
        tables.alarm(alarm::STATE_MISSING);
        return;
    };
    let (before, now) = (cell.load(), ticks(tables.now()));
    if displaces(before, conversation.hash, now) {
        tables.alarm(alarm::TENTATIVE_OVERFLOW);
    }
    cell.store(tag(conversation.hash) | now);
}

/// Whether another's word gives way to that of a hash, which may still wait for the element.
#[inline(always)]
pub(super) const fn displaces(before: u64, hash: u64, now: u64) -> bool {
    before != 0 && tag(before) != tag(hash) && age(before, now) <= TENTATIVE
}

/// How a stranger's signalling to an element stands to a confirmed pin; keeps that alive.
#[inline(always)]
pub fn stranger_spoke<T: Tables>(tables: &T, frame: &Frame) -> Standing {
    let Some(policy) = tables.policy() else {
        return Standing::None;
    };
    let conversation = Conversation::of(policy, frame, Element::Destination);
    let set = conversation.set();
    let tag = tag(conversation.hash);
    let Some([pin, allowance]) = set.find(tables, tag) else {
        return Standing::None;
    };
    // The clock is read only for a pin that matches: a flood never does.
    let nanoseconds = tables.now();
    let now = ticks(nanoseconds);
    let word = pin.load();
    if LIFETIMES.is_over(word, now) {
        return Standing::None;
    }
    if word & SPOKEN == 0 || age(word, now) >= REFRESH {
        pin.store(tag | SPOKEN | now);
    }
    match conform(allowance.load(), policy.pin_allowance, nanoseconds) {
        Some(next) => {
            allowance.store(next);
            Standing::Own
        }
        None => Standing::Excess,
    }
}

/// A conversation between a stranger and an element, whichever of them sent the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conversation {
    hash: u64,
}

impl Conversation {
    #[inline(always)]
    fn of(policy: &Policy, frame: &Frame, element: Element) -> Self {
        Self { hash: flow_hash(policy, frame, element, false) }
    }

    /// Whether a fresh tentative pin waits for the element's answer.
    #[inline(always)]
    fn is_begun<T: Tables>(self, tables: &T, now: u64) -> bool {
        let Some(cell) = tables.cell(Cells::Tentative, self.tentative_place()) else {
            tables.alarm(alarm::STATE_MISSING);
            return false;
        };
        let word = cell.load();
        tag(word) == tag(self.hash) && age(word, now) <= TENTATIVE
    }

    /// Gives the conversation a confirmed pin, early unless it has a later one.
    #[inline(always)]
    fn confirm<T: Tables>(self, tables: &T, now: u64) {
        let set = self.set();
        let word = tag(self.hash) | now;
        // Its own place first, so that a conversation never takes two.
        if let Some([pin, _]) = set.find(tables, tag(self.hash)) {
            pin.store(word | pin.load() & SPOKEN);
            return;
        }
        let room = set.room(tables, LIFETIMES, SPOKEN, now);
        if !matches!(room, Some((_, true))) {
            tables.alarm(alarm::PIN_OVERFLOW);
        }
        if let Some(([pin, allowance], _)) = room {
            allowance.store(0);
            pin.store(word);
        }
    }

    /// What the element says later in a call keeps its pin alive: it may ring for minutes.
    #[inline(always)]
    fn keep<T: Tables>(self, tables: &T, now: u64) {
        if let Some([pin, _]) = self.set().find(tables, tag(self.hash)) {
            let word = pin.load();
            if !LIFETIMES.is_over(word, now) {
                pin.store(tag(self.hash) | word & SPOKEN | now);
            }
        }
    }

    #[inline(always)]
    const fn tentative_place(self) -> u32 {
        (self.hash & (TENTATIVE_CELLS - 1) as u64) as u32
    }

    #[inline(always)]
    const fn set(self) -> Set<PIN_WORDS> {
        // The lowest bits, which the tag does not hold.
        Set { table: Cells::Pins, number: self.hash as u32 & (PIN_SETS - 1) }
    }
}
