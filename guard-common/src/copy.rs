//! Copies of protected signalling, for the controller that reads what was negotiated.
//!
//! A copy never delays or costs the frame. Where one between configured parties is lost, media to
//! that element is open for a while instead.

use crate::abi::copy::{
    CONFIGURED_ENDS, CopyHeader, FROM_ELEMENT, IPV6, LATER_FRAGMENT, MORE_FRAGMENTS,
};
use crate::abi::party::{ELEMENT, KIND_SIP};
use crate::abi::state::{Cells, alarm};
use crate::classify::Ends;
use crate::frame::{Fragment, Frame, Version};
use crate::reason::Reason;
use crate::tables::Tables;

/// Hands on a copy, if the frame is signalling that the controller can read. `header` is memory
/// to work in.
#[inline(always)]
pub fn copy<T: Tables>(
    tables: &T,
    frame: &Frame,
    ends: &mut Ends,
    reason: Reason,
    header: &mut CopyHeader,
) {
    if !reason.is_signalling() || frame.payload_length() == 0 || is_unreadable(frame, ends) {
        return;
    }
    if hand_on(tables, frame, ends, reason, header) {
        return;
    }
    if !ends.are_configured() {
        tables.alarm(alarm::STRANGER_COPY_LOST);
        return;
    }
    tables.alarm(alarm::COPY_LOST);
    if let Some(policy) = tables.policy()
        && let Some(cell) = tables.cell(Cells::Open, ends.owner())
    {
        cell.store(tables.now().saturating_add(policy.open_for));
    }
}

/// What TLS hides, and what an element sends that is no signalling.
#[inline(always)]
fn is_unreadable(frame: &Frame, ends: &Ends) -> bool {
    if matches!(frame.fragment, Fragment::Later) {
        return false;
    }
    let serves = ends.source.serves(KIND_SIP) || ends.destination.serves(KIND_SIP);
    !serves || ends.source.is_encrypted() || ends.destination.is_encrypted()
}

#[inline(never)]
fn hand_on<T: Tables>(
    tables: &T,
    frame: &Frame,
    ends: &mut Ends,
    reason: Reason,
    header: &mut CopyHeader,
) -> bool {
    let flag = |is: bool, flag: u32| if is { flag } else { 0 };
    let is_fragment = !matches!(frame.fragment, Fragment::Whole);
    header.time = tables.now();
    header.source = frame.source;
    header.destination = frame.destination;
    header.flags = flag(ends.source.is(ELEMENT), FROM_ELEMENT)
        | flag(ends.are_configured(), CONFIGURED_ENDS)
        | flag(matches!(frame.fragment, Fragment::Later), LATER_FRAGMENT)
        | flag(frame.more_fragments, MORE_FRAGMENTS)
        | flag(matches!(frame.version, Version::V6), IPV6);
    header.slot = ends.owner();
    header.interface = ends.interface;
    header.sequence = if is_fragment { frame.identification } else { frame.sequence };
    header.source_port = frame.source_port;
    header.destination_port = frame.destination_port;
    header.protocol = frame.protocol;
    header.reason = reason.number();
    header.fragment_offset = frame.fragment_offset;
    header.payload_length = frame.payload_length();
    header.offset = 0;
    header.length = 0;
    header.padding = 0;
    tables.copy(header, frame.payload as usize)
}
