//! TCP (RFC 9293): flags and where the data begins.

use crate::bytes::Packet;

/// Length without options.
pub const HEADER: usize = 20;

/// The connection is asked for.
const SYN: u8 = 0x02;
/// The acknowledgement number counts.
const ACK: u8 = 0x10;

/// The fields the guard uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header length in bytes, options included; at least 20 in a valid header.
    pub header_length: usize,
    /// Asks for a connection: SYN without ACK.
    pub opens: bool,
}

impl Header {
    /// Reads what the guard needs. `None`: fewer than 20 bytes.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        // Bytes 12 to 19: data offset, flags, window, checksum, urgent pointer.
        let [length, flags, ..]: [u8; 8] = packet.read(offset + 12)?;
        Some(Self {
            header_length: ((length >> 4) as usize) * 4,
            opens: flags & (SYN | ACK) == SYN,
        })
    }
}
