//! GRE (RFC 2784), with key and sequence number (RFC 2890).
//!
//! ```text
//! 0       1         2      4
//! | C.KS. | version | type | checksum, 4 | key, 4 | sequence, 4 |
//! ```

use crate::bytes::Packet;

/// The checksum is there.
const CHECKSUM: u8 = 0x80;
/// The key is there.
const KEY: u8 = 0x20;
/// The sequence number is there.
const SEQUENCE: u8 = 0x10;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length in bytes.
    pub length: usize,
    /// What comes behind it.
    pub ethertype: u16,
}

impl Header {
    /// Reads one. `None`: cut short, of another version (1 is PPTP's), or with the source routes
    /// of RFC 1701.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        let [flags, version, high, low] = packet.read(offset)?;
        if version & 0x07 != 0 || flags & 0x40 != 0 {
            return None;
        }
        let fields = (flags & CHECKSUM) >> 7;
        let fields = fields + ((flags & KEY) >> 5) + ((flags & SEQUENCE) >> 4);
        Some(Self {
            length: 4 + 4 * usize::from(fields),
            ethertype: u16::from_be_bytes([high, low]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_four_bytes() {
        let read = |bytes: [u8; 4]| Header::read(&bytes.as_slice(), 0);
        let of = |length| Some(Header { length, ethertype: 0x0800 });
        assert_eq!(read([0, 0, 8, 0]), of(4));
        assert_eq!(read([0x20, 0, 8, 0]), of(8));
        assert_eq!(read([0x90, 0, 8, 0]), of(12));
        assert_eq!(read([0xb0, 0, 8, 0]), of(16));
    }

    #[test]
    fn another_version_and_routes_are_not_read() {
        for bytes in [[0, 1, 8, 0], [0x40, 0, 8, 0]] {
            assert_eq!(Header::read(&bytes.as_slice(), 0), None);
        }
    }
}
