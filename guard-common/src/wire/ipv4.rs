//! IPv4 (RFC 791).
//!
//! ```text
//! 0       1     2        4    6               8     9          10         12       16
//! | ver+ihl | tos | length | id | flags+offset | ttl | protocol | checksum | source | destination
//! ```

use crate::bytes::Packet;

/// Length without options.
pub const HEADER: usize = 20;

/// The fields the guard uses, not yet judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Upper four bits of the first byte; 4 in IPv4.
    pub version: u8,
    /// Header length in bytes, options included; at least 20 in a valid header.
    pub header_length: usize,
    /// Length of the datagram, header included.
    pub total_length: usize,
    /// What the fragments of a datagram have in common.
    pub identification: u16,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Place of this fragment in 8-byte units.
    pub fragment_offset: u16,
    /// Hops left.
    pub ttl: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: [u8; 4],
    /// Destination address.
    pub destination: [u8; 4],
}

impl Header {
    /// Reads the fixed part. `None`: fewer than 20 bytes.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        let [first, _tos, length_high, length_low, id_high, id_low, flags, offset_low]: [u8; 8] =
            packet.read(offset)?;
        let [ttl, protocol, _, _, s0, s1, s2, s3]: [u8; 8] = packet.read(offset + 8)?;
        let destination: [u8; 4] = packet.read(offset + 16)?;
        let fragment = u16::from_be_bytes([flags, offset_low]);
        Some(Self {
            version: first >> 4,
            header_length: ((first & 0x0f) as usize) * 4,
            total_length: u16::from_be_bytes([length_high, length_low]) as usize,
            identification: u16::from_be_bytes([id_high, id_low]),
            more_fragments: fragment & 0x2000 != 0,
            fragment_offset: fragment & 0x1fff,
            ttl,
            protocol,
            source: [s0, s1, s2, s3],
            destination,
        })
    }
}
