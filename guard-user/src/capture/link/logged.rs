//! What packet filters log: Linux's NFLOG, OpenBSD's PFLOG.

use super::{Found, ip};

/// NFLOG: family, version, number of the group.
const NFLOG_HEADER: usize = 4;
/// NFLOG: attributes (`NFULA_`) that say where in the host it was, and what it is.
const PACKET_HEADER: u16 = 1;
const PAYLOAD: u16 = 9;
/// NFLOG: the hooks of what leaves (`NF_INET_LOCAL_OUT`, `NF_INET_POST_ROUTING`).
const LEAVING: [u8; 2] = [3, 4];
/// Length and type of an attribute.
const ATTRIBUTE: usize = 4;

/// PFLOG: the shortest header that any BSD has had.
const PFLOG_MIN: usize = 45;
/// PFLOG: where its direction is, and that of what leaves (`PF_OUT`).
const DIRECTION: usize = 60;
const OUT: u8 = 2;

/// A packet that Linux logged.
pub(super) fn nflog(data: &[u8]) -> Found {
    ip(data, attribute(data, PAYLOAD)?)
}

pub(super) fn nflog_leaves(data: &[u8]) -> bool {
    // Protocol, then hook.
    let hook = attribute(data, PACKET_HEADER).and_then(|at| data.get(at + 2));
    hook.is_some_and(|hook| LEAVING.contains(hook))
}

/// Where the value of an attribute begins. They are in the order of bytes of whoever captured it; no
/// type is above a byte, and the first has no flags.
fn attribute(data: &[u8], wanted: u16) -> Option<usize> {
    // Version 0 is the only one.
    let [_, 0, _, _, _, _, first, _, ..] = *data else { return None };
    let read = if first == 0 { u16::from_be_bytes } else { u16::from_le_bytes };
    let mut at = NFLOG_HEADER;
    loop {
        let [a, b, c, d, ..] = *data.get(at..)? else { return None };
        let (length, kind) = (usize::from(read([a, b])), read([c, d]));
        if length < ATTRIBUTE {
            return None;
        }
        if kind == wanted {
            return Some(at + ATTRIBUTE);
        }
        at += length.next_multiple_of(4);
    }
}

/// A packet that a BSD logged: the first byte says how long the header is.
pub(super) fn pflog(data: &[u8]) -> Found {
    let length = usize::from(*data.first()?);
    if length < PFLOG_MIN {
        return None;
    }
    ip(data, length.next_multiple_of(4))
}

pub(super) fn pflog_leaves(data: &[u8]) -> bool {
    let has_direction = data.first().is_some_and(|length| usize::from(*length) > DIRECTION);
    has_direction && data.get(DIRECTION) == Some(&OUT)
}
