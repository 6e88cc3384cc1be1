//! TCP (RFC 9293): flags and where the data begins.

use crate::bytes::Packet;

/// Length without options.
pub const HEADER: usize = 20;

/// Flag: the sender sends no more.
pub const FIN: u8 = 0x01;
/// Flag: the connection is asked for, or granted.
pub const SYN: u8 = 0x02;
/// Flag: the connection is no more.
pub const RST: u8 = 0x04;
/// Flag: the acknowledgement number counts.
pub const ACK: u8 = 0x10;

/// The fields the guard uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sequence number of the first byte of data.
    pub sequence: u32,
    /// The next sequence number the sender expects.
    pub acknowledgement: u32,
    /// Header length in bytes, options included; at least 20 in a valid header.
    pub header_length: usize,
    /// The flags.
    pub flags: u8,
}

impl Header {
    /// Reads what the guard needs. `None`: fewer than 20 bytes.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        let [s0, s1, s2, s3, a0, a1, a2, a3]: [u8; 8] = packet.read(offset + 4)?;
        // Bytes 12 to 19: data offset, flags, window, checksum, urgent pointer.
        let [length, flags, ..]: [u8; 8] = packet.read(offset + 12)?;
        Some(Self {
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
            header_length: ((length >> 4) as usize) * 4,
            flags,
        })
    }
}
