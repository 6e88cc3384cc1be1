//! Pins: the rest of a stranger's call, in fixed arrays that no flood can fill.
//!
//! * [`conversation`]: signalling between a stranger and an element's SIP service, begun by a
//!   marked message and confirmed by the element's answer.
//! * [`port`]: ports that an element opened itself: by its SDP, its media, its own connections.
//! * [`fragment`]: datagrams whose first fragment was protected.
//! * [`segment`]: start lines that one TCP segment did not finish.
//! * [`connection`]: handshakes that a stranger completed.
//!
//! All are tables of words of a few ways, picked by a keyed hash. A word names its key by a part
//! of that hash, so that no table holds addresses. Lost writes cost a stranger's call its place
//! until the next marked frame or answer; a tag that two keys share (one in 2^38 per place) lets
//! the other one pass. Both fail open.

pub mod connection;
pub mod conversation;
pub mod fragment;
pub mod port;
pub mod segment;
mod word;

pub use self::word::VACANT;

use crate::abi::policy::Policy;
use crate::abi::state::Cells;
use crate::address::Address;
use crate::frame::Frame;
use crate::hash::{fold, mix};

/// How a frame stands to a pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Standing {
    /// There is none.
    #[default]
    None = 0,
    /// From the pin's own source, within its allowance.
    Own = 1,
    /// From the pin's own source, beyond its allowance.
    Excess = 2,
    /// To a pinned port, from somebody else, within everybody else's share.
    Other = 3,
}

/// The tables of confirmed pins: what can be used up.
pub const TABLES: [Cells; 4] = [Cells::Pins, Cells::Ports, Cells::Fragments, Cells::Connections];

/// Whether the place of one of [`TABLES`] that begins with this word is taken at this time, in
/// monotonic nanoseconds: for who counts them.
#[must_use]
pub const fn is_taken(table: Cells, word: u64, now: u64) -> bool {
    let lifetimes = match table {
        Cells::Pins => conversation::LIFETIMES,
        Cells::Ports => port::LIFETIMES,
        Cells::Fragments => fragment::LIFETIMES,
        Cells::Connections => connection::LIFETIMES,
        Cells::Source
        | Cells::Psap
        | Cells::Tentative
        | Cells::Segments
        | Cells::Open
        | Cells::Samples => return false,
    };
    !lifetimes.is_over(word, word::ticks(now))
}

/// Which end of a frame is the element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Source,
    Destination,
}

/// Hash of the two addresses, and of the ports if asked for, whichever direction a frame goes.
#[inline(always)]
fn flow_hash(policy: &Policy, frame: &Frame, element: Element, has_ports: bool) -> u64 {
    let ((element, port), (stranger, stranger_port)) = match element {
        Element::Source => {
            ((&frame.source, frame.source_port), (&frame.destination, frame.destination_port))
        }
        Element::Destination => {
            ((&frame.destination, frame.destination_port), (&frame.source, frame.source_port))
        }
    };
    let ports = if has_ports { u64::from(port) | u64::from(stranger_port) << 16 } else { 0 };
    let (upper, lower) = stranger.halves();
    let ends = fold(fold(folded(policy.hash_key, element) ^ upper) ^ lower);
    mix(ends ^ (ports | u64::from(frame.protocol) << 32))
}

/// Hash of one address.
#[inline(always)]
const fn end_hash(key: u64, address: &Address) -> u64 {
    mix(folded(key, address))
}

/// The beginning of a hash that goes on.
#[inline(always)]
const fn folded(key: u64, address: &Address) -> u64 {
    let (upper, lower) = address.halves();
    fold(fold(upper ^ key) ^ lower)
}
