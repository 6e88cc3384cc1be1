//! Datagrams of strangers whose first fragment was protected: their later fragments, which have
//! no ports and say nothing, are too.
//!
//! Only a protected first fragment makes an entry, so that a flood of fragments makes none. The
//! first must come first, as IP stacks send it; an entry lasts as long as a receiver waits for
//! the rest. Word: pin without flags.

use super::folded;
use super::word::{Lifetimes, Set, age, seconds, tag, ticks};
use crate::abi::policy::Policy;
use crate::abi::state::{Cells, FRAGMENT_SETS, alarm};
use crate::frame::Frame;
use crate::hash::{fold, mix};
use crate::tables::Tables;

/// RFC 8200 section 4.5 lets a receiver wait for a minute, Linux waits for half of one.
pub(super) const LIFETIMES: Lifetimes =
    Lifetimes { early: seconds(60), idle: seconds(60), ended: seconds(60) };
/// Whose entry is displaced after this is unlikely to have fragments under way: on the wire they
/// follow each other by microseconds.
const COMPLETE: u64 = seconds(1);

/// A stranger's first fragment is protected.
#[inline(never)]
pub fn first_passed<T: Tables>(tables: &T, frame: &Frame) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let hash = datagram_hash(policy, frame);
    let set = set_of(hash);
    let now = ticks(tables.now());
    let cell = match set.find(tables, tag(hash)) {
        Some([cell]) => cell,
        None => match set.room(tables, LIFETIMES, 0, now) {
            Some(([cell], _)) => cell,
            None => return,
        },
    };
    let word = cell.load();
    if word != 0 && tag(word) != tag(hash) && age(word, now) < COMPLETE {
        tables.alarm(alarm::FRAGMENT_OVERFLOW);
    }
    cell.store(tag(hash) | now);
}

/// Whether a stranger's later fragment belongs to such a datagram.
#[inline(never)]
pub fn is_known<T: Tables>(tables: &T, frame: &Frame) -> bool {
    let Some(policy) = tables.policy() else {
        return false;
    };
    let hash = datagram_hash(policy, frame);
    match set_of(hash).find(tables, tag(hash)) {
        Some([cell]) => !LIFETIMES.is_over(cell.load(), ticks(tables.now())),
        None => false,
    }
}

/// What the fragments of a datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
/// The protocol is not in it: in IPv6 a later fragment does not tell.
#[inline(always)]
fn datagram_hash(policy: &Policy, frame: &Frame) -> u64 {
    let (upper, lower) = frame.destination.halves();
    let ends = fold(fold(folded(policy.hash_key, &frame.source) ^ upper) ^ lower);
    mix(ends ^ (u64::from(frame.identification) | 1 << 49))
}

#[inline(always)]
const fn set_of(hash: u64) -> Set<1> {
    Set { table: Cells::Fragments, number: hash as u32 & (FRAGMENT_SETS - 1) }
}
