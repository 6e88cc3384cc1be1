//! Ports that an element opened itself.
//!
//! An element opens a port of its own to a stranger by naming it in its SDP (the controller reads
//! that and writes the pin), by sending media from it, or by connecting from it. Never by what a
//! stranger says; never a port of its SIP, support, tunnel or management services.
//!
//! A pin is the element's address, port and protocol: where a stranger's media comes from need
//! not be what its SDP says (NAT; RFC 4961). The addresses it may well come from, two at most,
//! share one allowance; everybody else shares another and cannot take from the first.
//!
//! Words: the pin; two 32-bit hashes of source addresses, the upper from the controller, the
//! lower the one the element last sent to; the own allowance; everybody else's.

use super::word::{CONFIGURED, ENDED, Lifetimes, REFRESH, SPOKEN, Set, age, seconds, tag, ticks};
use super::{Standing, end_hash, folded};
use crate::abi::state::{Cell, Cells, PORT_SETS, PORT_WORDS, WAYS, alarm};
use crate::address::Address;
use crate::bucket::conform;
use crate::frame::Frame;
use crate::hash::mix;
use crate::tables::Tables;

pub(super) const LIFETIMES: Lifetimes = Lifetimes {
    // A call may ring this long before media flows (timer C, RFC 3261 section 16.6).
    early: seconds(180),
    // A call on hold sends at least RTCP; the controller refreshes the pins of calls it knows.
    idle: seconds(1800),
    // RTP that is still on its way after a BYE.
    ended: seconds(10),
};

/// An element sends to a stranger from a port that belongs to none of its services: the port is
/// open to that stranger.
#[inline(never)]
pub fn element_opened<T: Tables>(tables: &T, frame: &Frame) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let hash = hash(policy.hash_key, &frame.source, frame.source_port, frame.protocol);
    let peer = source_tag(policy.hash_key, &frame.destination);
    let now = ticks(tables.now());
    let set = set_of(hash);
    if let Some([pin, sources, ..]) = set.find(tables, tag(hash)) {
        let word = pin.load();
        if word & SPOKEN == 0 || word & ENDED != 0 || age(word, now) >= REFRESH {
            pin.store(tag(hash) | word & CONFIGURED | SPOKEN | now);
        }
        latch(sources, peer);
        return;
    }
    claim(tables, set, hash, peer, now);
}

/// Remembers the address that the element sends to, unless it is known already.
#[inline(always)]
fn latch(sources: &Cell, peer: u32) {
    let known = sources.load();
    if (known >> 32) as u32 != peer && known as u32 != peer {
        sources.store(known & !u64::from(u32::MAX) | u64::from(peer));
    }
}

#[inline(always)]
fn claim<T: Tables>(tables: &T, set: Set<PORT_WORDS>, hash: u64, peer: u32, now: u64) {
    let room = set.room(tables, LIFETIMES, SPOKEN | CONFIGURED, now);
    if !matches!(room, Some((_, true))) {
        tables.alarm(alarm::PORT_OVERFLOW);
    }
    if let Some(([pin, sources, own, others], _)) = room {
        sources.store(u64::from(peer));
        own.store(0);
        others.store(0);
        // Last: a pin that is there has all its words.
        pin.store(tag(hash) | SPOKEN | now);
    }
}

/// How a stranger's frame to an element's port stands to a pin; keeps that alive.
#[inline(always)]
pub fn stranger_came<T: Tables>(tables: &T, frame: &Frame) -> Standing {
    let Some(policy) = tables.policy() else {
        return Standing::None;
    };
    let hash = hash(policy.hash_key, &frame.destination, frame.destination_port, frame.protocol);
    let set = set_of(hash);
    let Some([pin, sources, own, others]) = set.find(tables, tag(hash)) else {
        return Standing::None;
    };
    let nanoseconds = tables.now();
    let now = ticks(nanoseconds);
    let word = pin.load();
    if LIFETIMES.is_over(word, now) {
        return Standing::None;
    }
    let source = source_tag(policy.hash_key, &frame.source);
    let known = sources.load();
    if (known >> 32) as u32 == source || known as u32 == source {
        if word & ENDED == 0 && (word & SPOKEN == 0 || age(word, now) >= REFRESH) {
            pin.store(word & CONFIGURED | tag(hash) | SPOKEN | now);
        }
        return match conform(own.load(), policy.pin_allowance, nanoseconds) {
            Some(next) => {
                own.store(next);
                Standing::Own
            }
            None => Standing::Excess,
        };
    }
    match conform(others.load(), policy.pin_others, nanoseconds) {
        Some(next) => {
            others.store(next);
            Standing::Other
        }
        None => Standing::None,
    }
}

#[inline(always)]
const fn hash(key: u64, element: &Address, port: u16, protocol: u8) -> u64 {
    mix(folded(key, element) ^ (port as u64 | (protocol as u64) << 32 | 1 << 48))
}

/// What a pin keeps of an address that frames may come from; never 0.
#[must_use]
#[inline(always)]
pub const fn source_tag(key: u64, address: &Address) -> u32 {
    end_hash(key, address) as u32 | 1
}

#[inline(always)]
const fn set_of(hash: u64) -> Set<PORT_WORDS> {
    // The lowest bits, which the tag does not hold.
    Set { table: Cells::Ports, number: hash as u32 & (PORT_SETS - 1) }
}

/// Where the controller finds or puts the pin of a port, and what it writes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first of the [`WAYS`] places in [`Cells::Ports`], each of [`PORT_WORDS`] cells, that
    /// the pin may have.
    pub first: u32,
    tag: u64,
}

impl Opening {
    /// The opening of an element's port, under the key of [`crate::abi::policy::Policy::hash_key`].
    #[must_use]
    pub const fn new(key: u64, element: &Address, port: u16, protocol: u8) -> Self {
        let hash = hash(key, element, port, protocol);
        Self { first: set_of(hash).number * WAYS, tag: tag(hash) }
    }

    /// Whether a word is this port's pin.
    #[must_use]
    pub const fn is(&self, word: u64) -> bool {
        tag(word) == self.tag
    }

    /// Whether a word is this port's pin, and its call has not ended, however long ago it spoke.
    #[must_use]
    pub const fn is_held(&self, word: u64) -> bool {
        self.is(word) && word & ENDED == 0
    }

    /// The way to write to, given the first words of all ways: its own, else a free one, else the
    /// oldest that may be displaced. A stranger's call displaces nobody who spoke, and nobody
    /// displaces the call of a configured party.
    #[must_use]
    pub fn choose(&self, words: [u64; WAYS as usize], configured: bool, now: u64) -> Option<u32> {
        let now = ticks(now);
        let kept = if configured { CONFIGURED } else { CONFIGURED | SPOKEN };
        let numbered = || (0..).zip(words);
        let own = numbered().find(|(_, word)| self.is(*word));
        let free = || numbered().find(|(_, word)| LIFETIMES.is_over(*word, now));
        let oldest = || {
            let lesser = numbered().filter(|(_, word)| word & kept == 0);
            lesser.max_by_key(|(_, word)| age(*word, now))
        };
        own.or_else(free).or_else(oldest).map(|(way, _)| way)
    }

    /// Whether a word is the pin of another port, whose call goes on: writing here displaces it.
    #[must_use]
    pub const fn displaces(&self, word: u64, now: u64) -> bool {
        !self.is(word) && word & ENDED == 0 && !LIFETIMES.is_over(word, ticks(now))
    }

    /// The word of a pin that begins, or goes on from `before`, at `now` nanoseconds.
    #[must_use]
    pub const fn word(&self, before: u64, configured: bool, now: u64) -> u64 {
        let known = if self.is(before) { before & (SPOKEN | CONFIGURED) } else { 0 };
        self.tag | known | if configured { CONFIGURED } else { 0 } | ticks(now)
    }

    /// The word of a pin whose call has ended.
    #[must_use]
    pub const fn ended(&self, now: u64) -> u64 {
        self.tag | ENDED | ticks(now)
    }
}
