//! IPv6 (RFC 8200) and its extension headers.
//!
//! ```text
//! 0               4                6             7           8        24            40
//! | ver+class+flow | payload length | next header | hop limit | source | destination |
//! ```

use crate::address::Address;
use crate::bytes::Packet;
use crate::wire::protocol;

/// Length of the fixed header.
pub const HEADER: usize = 40;

/// Extension headers that are followed. RFC 8200 lists six, each at most once (destination
/// options twice); RFC 8504 lets hosts give up beyond their own limit.
pub const EXT_MAX_CHAIN: usize = 8;

/// The fields of the fixed header the guard uses, not yet judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Upper four bits of the first byte; 6 in IPv6.
    pub version: u8,
    /// Length of what follows the fixed header; 0 also in jumbograms.
    pub payload_length: usize,
    /// Protocol number of the first header that follows.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
}

impl Header {
    /// Reads the fixed header. `None`: fewer than 40 bytes.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        let [first, _, _, _, length_high, length_low, next_header, hop_limit]: [u8; 8] =
            packet.read(offset)?;
        Some(Self {
            version: first >> 4,
            payload_length: u16::from_be_bytes([length_high, length_low]) as usize,
            next_header,
            hop_limit,
            source: address(packet, offset + 8)?,
            destination: address(packet, offset + 24)?,
        })
    }
}

#[inline(always)]
fn address<P: Packet>(packet: &P, offset: usize) -> Option<Address> {
    let upper = u64::from_ne_bytes(packet.read(offset)?);
    let lower = u64::from_ne_bytes(packet.read(offset + 8)?);
    Some(Address::from_halves(upper, lower))
}

/// An extension header: what follows it, and how long it is.
///
/// Plain numbers on purpose: where one of them could say "none", the compiler packs them all into
/// one word, parts of it undefined, which the verifier refused in one of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Protocol number of the next header.
    pub next_header: u8,
    /// Its own length in bytes.
    pub length: usize,
    /// Of a fragment header: place in 8-byte units (13 bits), reserved, whether more follow.
    pub fragment: u16,
    /// Of a fragment header: identification.
    pub identification: u32,
}

/// Headers that can be skipped by their length (RFC 8200, RFC 6275, RFC 7401, RFC 5533).
#[must_use]
#[inline(always)]
pub const fn is_extension(number: u8) -> bool {
    matches!(
        number,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}

impl Extension {
    /// Reads the extension header of this number. `None`: the frame ends before it does.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize, number: u8) -> Option<Self> {
        let [next_header, length, offset_high, offset_low]: [u8; 4] = packet.read(offset)?;
        if number == protocol::FRAGMENT {
            let field = u16::from_be_bytes([offset_high, offset_low]);
            let identification = u32::from_be_bytes(packet.read(offset + 4)?);
            return Some(Self { next_header, length: 8, fragment: field, identification });
        }
        let length = (length as usize + 1) * 8;
        Some(Self { next_header, length, fragment: 0, identification: 0 })
    }
}
