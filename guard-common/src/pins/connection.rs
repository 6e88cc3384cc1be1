//! TCP connections that a stranger completed: the element granted it, and the stranger's answer
//! acknowledged the element's sequence number, which who spoofs an address does not see.
//!
//! They protect nothing. Their segments have a bucket of their own, so that a flood of segments
//! that belong to no connection cannot take the share of callers whose message has not said yet
//! what it is. Word: pin without flags. A handshake waits among the tentative pins.

use super::conversation::displaces;
use super::word::{Lifetimes, REFRESH, SPOKEN, Set, VACANT, age, seconds, tag, ticks};
use super::{Element, flow_hash};
use crate::abi::state::{CONNECTION_SETS, Cells, TENTATIVE_CELLS, alarm};
use crate::frame::Frame;
use crate::hash::mix;
use crate::tables::Tables;
use crate::wire::tcp;

/// Keep-alives come every two minutes (RFC 5626 section 4.4.1).
pub(super) const LIFETIMES: Lifetimes =
    Lifetimes { early: seconds(600), idle: seconds(600), ended: seconds(600) };
/// How long a handshake may take: a SYN-ACK is sent again for about a minute (RFC 6298).
const HANDSHAKE: u64 = seconds(64);
/// In the word of a handshake, to tell it from a call's tentative pin, which has no flags.
const IS_HANDSHAKE: u64 = SPOKEN;

/// An element's segment to a stranger: grants a connection, or ends one.
#[inline(never)]
pub fn element_sent<T: Tables>(tables: &T, frame: &Frame) {
    let Some(policy) = tables.policy() else {
        return;
    };
    let hash = flow_hash(policy, frame, Element::Source, true);
    if frame.accepts() {
        let expected = handshake_hash(hash, frame.sequence.wrapping_add(1));
        match tables.cell(Cells::Tentative, tentative_place(expected)) {
            Some(cell) => {
                let (before, now) = (cell.load(), ticks(tables.now()));
                if before & IS_HANDSHAKE == 0 && displaces(before, expected, now) {
                    tables.alarm(alarm::TENTATIVE_OVERFLOW);
                }
                cell.store(tag(expected) | IS_HANDSHAKE | now);
            }
            None => tables.alarm(alarm::STATE_MISSING),
        }
    } else if frame.resets()
        && let Some([cell]) = set_of(hash).find(tables, tag(hash))
    {
        cell.store(VACANT);
    }
}

/// Whether a stranger's segment to an element belongs to a completed connection, or completes one.
#[inline(never)]
pub fn is_completed<T: Tables>(tables: &T, frame: &Frame) -> bool {
    let Some(policy) = tables.policy() else {
        return false;
    };
    let hash = flow_hash(policy, frame, Element::Destination, true);
    let set = set_of(hash);
    if let Some([cell]) = set.find(tables, tag(hash)) {
        let now = ticks(tables.now());
        let word = cell.load();
        let is_live = !LIFETIMES.is_over(word, now);
        if is_live && age(word, now) >= REFRESH {
            cell.store(tag(hash) | now);
        }
        return is_live;
    }
    completes(tables, hash, set, frame)
}

/// Whether the segment acknowledges the sequence number with which the element granted the
/// connection; then it has a place.
#[inline(always)]
fn completes<T: Tables>(tables: &T, hash: u64, set: Set<1>, frame: &Frame) -> bool {
    let expected = handshake_hash(hash, frame.acknowledgement);
    let Some(cell) = tables.cell(Cells::Tentative, tentative_place(expected)) else {
        return false;
    };
    let word = cell.load();
    if frame.tcp_flags & tcp::ACK == 0 || tag(word) != tag(expected) {
        return false;
    }
    let now = ticks(tables.now());
    if age(word, now) > HANDSHAKE {
        return false;
    }
    if let Some(([cell], _)) = set.room(tables, LIFETIMES, 0, now) {
        cell.store(tag(hash) | now);
    }
    true
}

#[inline(always)]
const fn handshake_hash(connection: u64, acknowledged: u32) -> u64 {
    mix(connection ^ acknowledged as u64)
}

#[inline(always)]
const fn tentative_place(hash: u64) -> u32 {
    hash as u32 & (TENTATIVE_CELLS - 1)
}

#[inline(always)]
const fn set_of(hash: u64) -> Set<1> {
    Set { table: Cells::Connections, number: hash as u32 & (CONNECTION_SETS - 1) }
}
