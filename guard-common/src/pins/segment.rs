//! Start lines that one TCP segment did not finish, and messages that go on in the next.
//!
//! A segment that ends within a start line leaves the automaton's state and the sequence number
//! that must come next; the segment with that number goes on from there. Until the marker has
//! been read to its end, such segments are limited like any other. A segment whose start line is
//! marked leaves the state "marked": what follows it without a gap is the same message, and
//! passes until the element's answer has confirmed the conversation.
//!
//! Word: 11 bits of the connection's hash, 12 of time, 9 of state, 32 of sequence number. An entry
//! is only ever met by the very next byte of its connection, whenever that comes; the time says
//! whether somebody may still have needed what is overwritten.

use super::{Element, flow_hash};
use crate::abi::policy::Policy;
use crate::abi::state::{Cell, Cells, SEGMENT_CELLS, alarm};
use crate::frame::Frame;
use crate::sip::start_line::{BEGIN, DEAD};
use crate::tables::Tables;

const STATE_SHIFT: u32 = 32;
const STATE_MASK: u64 = 0x1ff;
const TIME_SHIFT: u32 = 41;
/// Time counts in 2^30 ns = 1.07 s: 12 bits go round in 73 minutes.
const TICK_SHIFT: u32 = 30;
const TIME_MASK: u64 = 0xfff;
const TAG_MASK: u64 = !0 << 53;
/// What is older is hardly needed any more: a sender that got no acknowledgement has sent the
/// next segment a few times by then (RFC 6298).
const LIVE: u64 = 32;

/// The state in which a stranger's segment begins.
#[inline(never)]
pub fn resume<T: Tables>(tables: &T, frame: &Frame) -> u16 {
    let Some((cell, tag)) = place(tables, frame) else {
        return BEGIN;
    };
    let word = cell.load();
    let state = (word >> STATE_SHIFT & STATE_MASK) as u16;
    // A cell that was never written says "dead".
    if word & TAG_MASK == tag && word as u32 == frame.sequence && state != DEAD {
        state
    } else {
        BEGIN
    }
}

/// Notes the state in which a stranger's segment ends.
#[inline(never)]
pub fn suspend<T: Tables>(tables: &T, frame: &Frame, state: u16) {
    if let Some((cell, tag)) = place(tables, frame) {
        // A segment that asks for the connection counts for one byte itself (RFC 9293 section 3.4).
        let next = frame.sequence.wrapping_add(frame.payload_length() + u32::from(frame.opens()));
        let state = u64::from(state) & STATE_MASK;
        let now = tables.now() >> TICK_SHIFT & TIME_MASK;
        if displaces(cell.load(), tag, now) {
            tables.alarm(alarm::TENTATIVE_OVERFLOW);
        }
        cell.store(tag | now << TIME_SHIFT | state << STATE_SHIFT | u64::from(next));
    }
}

/// Whether another connection's word gives way, which may still go on.
#[inline(always)]
const fn displaces(before: u64, tag: u64, now: u64) -> bool {
    let age = now.wrapping_sub(before >> TIME_SHIFT) & TIME_MASK;
    before != 0 && before & TAG_MASK != tag && age <= LIVE
}

#[inline(always)]
fn place<'a, T: Tables>(tables: &'a T, frame: &Frame) -> Option<(&'a Cell, u64)> {
    let policy: &Policy = tables.policy()?;
    let hash = flow_hash(policy, frame, Element::Destination, true);
    let cell = tables.cell(Cells::Segments, hash as u32 & (SEGMENT_CELLS - 1))?;
    Some((cell, hash & TAG_MASK))
}
