//! Start lines that one TCP segment did not finish, and messages that go on in the next.
//!
//! A segment that ends within a start line leaves the automaton's state and the sequence number
//! that must come next; the segment with that number goes on from there. Until the marker has
//! been read to its end, such segments are limited like any other. A segment whose start line is
//! marked leaves the state "marked": what follows it without a gap is the same message, and
//! passes until the element's answer has confirmed the conversation.
//!
//! Word: 23 bits of the connection's hash, 9 of state, 32 of sequence number. An entry is only
//! ever met by the very next byte of its connection, so it needs no time.

use super::{Element, flow_hash};
use crate::abi::policy::Policy;
use crate::abi::state::{Cell, Cells, SEGMENT_CELLS};
use crate::frame::Frame;
use crate::sip::start_line::{BEGIN, DEAD};
use crate::tables::Tables;

const STATE_SHIFT: u32 = 32;
const STATE_MASK: u64 = 0x1ff;
const TAG_MASK: u64 = !0 << 41;

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
        cell.store(tag | state << STATE_SHIFT | u64::from(next));
    }
}

#[inline(always)]
fn place<'a, T: Tables>(tables: &'a T, frame: &Frame) -> Option<(&'a Cell, u64)> {
    let policy: &Policy = tables.policy()?;
    let hash = flow_hash(policy, frame, Element::Destination, true);
    let cell = tables.cell(Cells::Segments, hash as u32 & (SEGMENT_CELLS - 1))?;
    Some((cell, hash & TAG_MASK))
}
