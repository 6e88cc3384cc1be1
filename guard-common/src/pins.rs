//! Pins: the rest of a stranger's call.
//!
//! A marked start line of a stranger makes a *tentative* pin: one word in a fixed array,
//! overwritten by whoever comes next. When the element answers, the conversation gets a
//! *confirmed* pin, and its later frames pass although they carry no marker. A confirmed pin is
//! *early* until the stranger speaks again: early ones end after minutes and give way to others
//! when there is no room, so that answers to a spoofed flood cannot fill the table for long.
//! Pins of calls are only ever displaced by their own silence.
//!
//! A conversation is the stranger's address and the element's service, without the stranger's
//! port: answers go to the port of the Via header (RFC 3261 section 18.2.2), which need not be
//! the one the request came from, and one host never holds more than one pin.
//!
//! A pin is a word: 40 bits of a keyed hash of the conversation, one for "the stranger spoke
//! again", 23 bits of time. Lost writes cost a stranger's call its pin until the next marked frame
//! or answer; a hash that two conversations share (one in 2^40 per place) lets the other one
//! pass. Both fail open.

use crate::abi::policy::Policy;
use crate::abi::state::{Cell, PIN_SETS, PIN_WAYS, TENTATIVE_CELLS, alarm};
use crate::address::Address;
use crate::frame::Frame;
use crate::hash::keyed;
use crate::tables::Tables;

/// Pin time counts in 2^27 ns = 134 ms: 23 bits go round in 13 days.
const TICK_SHIFT: u32 = 27;
const TIME_MASK: u64 = 0x007f_ffff;
/// The stranger spoke again after the element's answer.
const SPOKEN: u64 = 0x0080_0000;
/// The part of the word that names the conversation.
const TAG_MASK: u64 = !(SPOKEN | TIME_MASK);

/// A tentative pin waits this long for the element's answer, in ticks: 64 x T1 = 32 s, after
/// which the caller has given up (RFC 3261 section 17.1.1.2).
const TENTATIVE_TICKS: u64 = 240;
/// A confirmed pin that saw no signalling for this long is free again, in ticks: three hours,
/// longer than any call that sends no session refresh (RFC 4028) is likely to last.
const IDLE_TICKS: u64 = 80_500;
/// An early pin ends after this long, in ticks: three minutes, in which a caller has long sent the
/// ACK (RFC 3261 section 17.1.1.2) or a ringing call may go on (timer C, section 16.6).
const EARLY_TICKS: u64 = 1_341;
/// A confirmed pin's time is written anew only when it is this old, in ticks (8.6 s), so that
/// busy pins do not bounce between CPUs.
const REFRESH_TICKS: u64 = 64;

/// An element's signalling to a stranger: confirms the conversation at once if `opens`, else if
/// a marked frame of the stranger began it.
#[inline(never)]
pub fn element_spoke<T: Tables>(tables: &T, frame: &Frame, opens: bool) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let conversation = Conversation::from_element(policy, frame);
    if opens {
        conversation.confirm(tables);
    } else {
        conversation.answer(tables);
    }
}

/// A stranger's signalling to an element: whether its conversation has a confirmed pin. A marked
/// frame without one begins a tentative pin.
#[inline(never)]
pub fn stranger_spoke<T: Tables>(tables: &T, frame: &Frame, marked: bool) -> bool {
    let Some(policy) = tables.policy() else {
        return false;
    };
    let conversation = Conversation::from_stranger(policy, frame);
    if marked {
        // A marked frame needs no pin, and must not lengthen one: a flood repeats it.
        conversation.begin(tables);
        return false;
    }
    conversation.is_pinned(tables)
}

/// A conversation between a stranger and an element, whichever of them sent the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conversation {
    hash: u64,
}

impl Conversation {
    /// The conversation of a frame that the stranger sent.
    #[must_use]
    #[inline(always)]
    fn from_stranger(policy: &Policy, frame: &Frame) -> Self {
        Self::new(policy, &frame.source, &frame.destination, frame.destination_port, frame.protocol)
    }

    /// The conversation of a frame that the element sent.
    #[must_use]
    #[inline(always)]
    fn from_element(policy: &Policy, frame: &Frame) -> Self {
        Self::new(policy, &frame.destination, &frame.source, frame.source_port, frame.protocol)
    }

    #[inline(always)]
    fn new(
        policy: &Policy,
        stranger: &Address,
        element: &Address,
        service: u16,
        protocol: u8,
    ) -> Self {
        let (stranger_upper, stranger_lower) = stranger.halves();
        let (element_upper, element_lower) = element.halves();
        let hash = keyed(policy.hash_key, stranger_upper, stranger_lower);
        let hash = keyed(hash, element_upper, element_lower);
        Self { hash: keyed(hash, u64::from(service), u64::from(protocol)) }
    }

    /// The part of the word that names the conversation.
    #[inline(always)]
    const fn tag(self) -> u64 {
        self.hash & TAG_MASK
    }

    /// Notes that a stranger's marked frame began this conversation.
    #[inline(always)]
    fn begin<T: Tables>(self, tables: &T) {
        match tables.tentative_cell(self.tentative_place()) {
            Some(cell) => cell.store(self.tag() | ticks(tables.now())),
            None => tables.alarm(alarm::STATE_MISSING),
        }
    }

    /// The element answered: a fresh tentative pin becomes a confirmed one.
    #[inline(always)]
    fn answer<T: Tables>(self, tables: &T) {
        let Some(cell) = tables.tentative_cell(self.tentative_place()) else {
            tables.alarm(alarm::STATE_MISSING);
            return;
        };
        let word = cell.load();
        let now = ticks(tables.now());
        if word & TAG_MASK == self.tag() && age(word, now) <= TENTATIVE_TICKS {
            self.confirm(tables);
            return;
        }
        // What the element says later in a call keeps its pin alive: it may ring for minutes.
        for way in 0..PIN_WAYS {
            if let Some(cell) = self.place(tables, way)
                && cell.load() & TAG_MASK == self.tag()
                && !is_free(cell.load(), now)
            {
                cell.store(self.tag() | cell.load() & SPOKEN | now);
                return;
            }
        }
    }

    /// Gives the conversation a confirmed pin, early unless it has a later one.
    fn confirm<T: Tables>(self, tables: &T) {
        let now = ticks(tables.now());
        let word = self.tag() | now;
        // Its own place first, so that a conversation never takes two.
        for way in 0..PIN_WAYS {
            if let Some(cell) = self.place(tables, way)
                && cell.load() & TAG_MASK == self.tag()
            {
                cell.store(word | cell.load() & SPOKEN);
                return;
            }
        }
        for way in 0..PIN_WAYS {
            if let Some(cell) = self.place(tables, way)
                && is_free(cell.load(), now)
            {
                cell.store(word);
                return;
            }
        }
        tables.alarm(alarm::PIN_OVERFLOW);
        self.displace(tables, word);
    }

    /// Takes the place of an early pin, if there is one.
    #[inline(always)]
    fn displace<T: Tables>(self, tables: &T, word: u64) {
        for way in 0..PIN_WAYS {
            if let Some(cell) = self.place(tables, way)
                && cell.load() & SPOKEN == 0
            {
                cell.store(word);
                return;
            }
        }
    }

    /// Whether the conversation has a confirmed pin; keeps it alive.
    #[inline(always)]
    fn is_pinned<T: Tables>(self, tables: &T) -> bool {
        for way in 0..PIN_WAYS {
            let Some(cell) = self.place(tables, way) else {
                continue;
            };
            let word = cell.load();
            if word & TAG_MASK != self.tag() {
                continue;
            }
            // The clock is read only for a pin that matches: a flood never does.
            let now = ticks(tables.now());
            if is_free(word, now) {
                return false;
            }
            if word & SPOKEN == 0 || age(word, now) >= REFRESH_TICKS {
                cell.store(self.tag() | SPOKEN | now);
            }
            return true;
        }
        false
    }

    #[inline(always)]
    const fn tentative_place(self) -> u32 {
        (self.hash >> 24) as u32 & (TENTATIVE_CELLS - 1)
    }

    #[inline(always)]
    fn place<T: Tables>(self, tables: &T, way: u32) -> Option<&Cell> {
        let set = (self.hash >> 40) as u32 & (PIN_SETS - 1);
        tables.pin_cell(set * PIN_WAYS + way)
    }
}

#[inline(always)]
const fn ticks(now: u64) -> u64 {
    (now >> TICK_SHIFT) & TIME_MASK
}

/// How old a word is. What seems to be of the future was written by another CPU just now.
#[inline(always)]
const fn age(word: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(word & TIME_MASK) & TIME_MASK;
    if age > TIME_MASK / 2 { 0 } else { age }
}

/// A place that was never used, or whose conversation has been silent for too long.
#[inline(always)]
const fn is_free(word: u64, now: u64) -> bool {
    let limit = if word & SPOKEN == 0 { EARLY_TICKS } else { IDLE_TICKS };
    word == 0 || age(word, now) > limit
}
