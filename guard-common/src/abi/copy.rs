//! Copies of signalling, as they lie in the rings between kernel and controller.
//!
//! A copy is a header and a piece of the frame from its payload on. What does not fit one record
//! comes in several, with growing `offset`, each of which may be lost alone.

use super::abi_types;
use crate::address::Address;

/// Bytes of a record behind its header: an Ethernet frame of 1,514 bytes fits one record.
pub const COPY_BYTES: usize = 1536;
/// Most records of one frame: 9,216 bytes, the largest jumbo frame in use.
pub const COPY_RECORDS: u32 = 6;
/// Bytes of the ring with signalling between configured parties: about 2,600 records, more than a
/// state's 911 traffic of a quarter of an hour on one hop.
pub const COPIES_BYTES: u32 = 1 << 22;
/// Bytes of the ring with strangers' signalling.
pub const STRANGER_COPIES_BYTES: u32 = 1 << 20;

/// The element sent the frame; otherwise somebody sent it to the element.
pub const FROM_ELEMENT: u32 = 1 << 0;
/// Both ends are configured.
pub const CONFIGURED_ENDS: u32 = 1 << 1;
/// A fragment that is not the first: `payload` is what stands behind the IP header.
pub const LATER_FRAGMENT: u32 = 1 << 2;
/// A fragment that is not the last.
pub const MORE_FRAGMENTS: u32 = 1 << 3;
/// Addresses are IPv6; otherwise IPv4 in the first four bytes.
pub const IPV6: u32 = 1 << 4;

/// What is known about the frame that a record holds a piece of.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyHeader {
    /// Monotonic nanoseconds, coarse.
    pub time: u64,
    /// Source address, network byte order.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Flags of this module.
    pub flags: u32,
    /// Counter slot of the element.
    pub slot: u32,
    /// Kernel index of the interface the frame came in, or went out, by.
    pub interface: u32,
    /// TCP sequence number of the payload's first byte, or identification of a fragmented datagram.
    pub sequence: u32,
    /// Source port, host byte order.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// [`crate::reason::Reason::number`].
    pub reason: u8,
    /// Place of a fragment's payload in its datagram, in 8-byte units.
    pub fragment_offset: u16,
    /// Bytes of payload in the frame.
    pub payload_length: u32,
    /// Place of this piece in that payload.
    pub offset: u32,
    /// Bytes of this piece.
    pub length: u32,
    /// Always zero.
    pub padding: u32,
}

/// A record of a ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRecord {
    /// What it is a copy of.
    pub header: CopyHeader,
    /// The piece; what lies beyond its length has no meaning.
    pub bytes: [u8; COPY_BYTES],
}

abi_types! {
    CopyHeader => 80,
    CopyRecord => 80 + COPY_BYTES,
}
