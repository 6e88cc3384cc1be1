//! Pins: the rest of a stranger's call.
//!
//! A marked start line of a stranger makes a *tentative* pin: one word in a fixed array,
//! overwritten by whoever comes next. When the element answers, the conversation gets a
//! *confirmed* pin, and its later frames pass although they carry no marker. A spoofed flood of
//! marked frames thus creates nothing that lasts, and confirmed pins are only ever displaced by
//! their own silence.
//!
//! A pin is a word: 40 bits of a keyed hash of the conversation, 24 bits of time. Lost writes
//! cost a stranger's call its pin until the next marked frame or answer; a hash that two
//! conversations share (one in 2^40 per place) lets the other one pass. Both fail open.

use crate::abi::policy::Policy;
use crate::abi::state::{Cell, PIN_SETS, PIN_WAYS, TENTATIVE_CELLS, alarm};
use crate::address::Address;
use crate::frame::Frame;
use crate::hash::keyed;
use crate::tables::Tables;

/// Pin time counts in 2^27 ns = 134 ms: 24 bits go round in 26 days.
const TICK_SHIFT: u32 = 27;
const TIME_MASK: u64 = 0x00ff_ffff;

/// A tentative pin waits this long for the element's answer, in ticks: 64 x T1 = 32 s, after
/// which the caller has given up (RFC 3261 section 17.1.1.2).
const TENTATIVE_TICKS: u64 = 240;
/// A confirmed pin that saw no signalling for this long is free again, in ticks: three hours,
/// longer than any call that sends no session refresh (RFC 4028) is likely to last.
const IDLE_TICKS: u64 = 80_500;
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
    let pinned = conversation.is_pinned(tables);
    if marked && !pinned {
        conversation.begin(tables);
    }
    pinned
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
        let ports = u64::from(frame.source_port) << 16 | u64::from(frame.destination_port);
        Self::new(policy, &frame.source, &frame.destination, ports, frame.protocol)
    }

    /// The conversation of a frame that the element sent.
    #[must_use]
    #[inline(always)]
    fn from_element(policy: &Policy, frame: &Frame) -> Self {
        let ports = u64::from(frame.destination_port) << 16 | u64::from(frame.source_port);
        Self::new(policy, &frame.destination, &frame.source, ports, frame.protocol)
    }

    #[inline(always)]
    fn new(
        policy: &Policy,
        stranger: &Address,
        element: &Address,
        ports: u64,
        protocol: u8,
    ) -> Self {
        let (stranger_upper, stranger_lower) = stranger.halves();
        let (element_upper, element_lower) = element.halves();
        let hash = keyed(policy.hash_key, stranger_upper, stranger_lower);
        let hash = keyed(hash, element_upper, element_lower);
        Self { hash: keyed(hash, ports, u64::from(protocol)) }
    }

    /// The part of the word that names the conversation.
    #[inline(always)]
    const fn tag(self) -> u64 {
        self.hash & !TIME_MASK
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
        if word & !TIME_MASK == self.tag() && age(word, now) <= TENTATIVE_TICKS {
            self.confirm(tables);
        }
    }

    /// Gives the conversation a confirmed pin.
    #[inline(always)]
    fn confirm<T: Tables>(self, tables: &T) {
        let now = ticks(tables.now());
        let word = self.tag() | now;
        // Its own place first, so that a conversation never takes two.
        for way in 0..PIN_WAYS {
            if let Some(cell) = self.place(tables, way)
                && cell.load() & !TIME_MASK == self.tag()
            {
                cell.store(word);
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
    }

    /// Whether the conversation has a confirmed pin; keeps it alive.
    #[inline(always)]
    fn is_pinned<T: Tables>(self, tables: &T) -> bool {
        for way in 0..PIN_WAYS {
            let Some(cell) = self.place(tables, way) else {
                continue;
            };
            let word = cell.load();
            if word & !TIME_MASK != self.tag() {
                continue;
            }
            // The clock is read only for a pin that matches: a flood never does.
            let now = ticks(tables.now());
            if is_free(word, now) {
                return false;
            }
            if age(word, now) >= REFRESH_TICKS {
                cell.store(self.tag() | now);
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

#[inline(always)]
const fn age(word: u64, now: u64) -> u64 {
    now.wrapping_sub(word & TIME_MASK) & TIME_MASK
}

/// A place that was never used, or whose conversation has long been silent.
#[inline(always)]
const fn is_free(word: u64, now: u64) -> bool {
    word == 0 || age(word, now) > IDLE_TICKS
}
