//! pcap: a header of 24 bytes, then records of 16 and a packet (draft-ietf-opsawg-pcap).

use std::time::Duration;

use super::bytes::{Bytes, Order};
use super::{CaptureError, PACKET_MAX, Packet};

/// What a file begins with, read as a little-endian word: micro- and nanoseconds.
const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
/// What the kernels of an old Red Hat wrote: eight more bytes in each record.
const MODIFIED: u32 = 0xa1b2_cd34;
/// The link type is in the lower bits; above are what is known of the check sequence.
const LINK: u32 = 0x0fff_ffff;

/// A pcap file.
pub(super) struct Legacy {
    order: Order,
    /// Nanoseconds of a unit of the fraction of a second.
    unit: u32,
    /// Bytes of a record's header beyond the first 16.
    more: u64,
    link: u32,
}

impl Legacy {
    /// Reads the rest of the header, behind the magic.
    pub(super) fn open(bytes: &mut Bytes, magic: u32) -> Result<Self, CaptureError> {
        let (order, unit, more) = match (magic, magic.swap_bytes()) {
            (MICRO, _) => (Order::Little, 1000, 0),
            (NANO, _) => (Order::Little, 1, 0),
            (MODIFIED, _) => (Order::Little, 1000, 8),
            (_, MICRO) => (Order::Big, 1000, 0),
            (_, NANO) => (Order::Big, 1, 0),
            (_, MODIFIED) => (Order::Big, 1000, 8),
            _ => return Err(bytes.foreign(format!("it begins with {magic:08x}: no capture"))),
        };
        let Some(header) = bytes.record::<20>()? else {
            return Err(bytes.foreign("it ends within its header"));
        };
        let link = order.u32(&header, 16).unwrap_or(0) & LINK;
        Ok(Self { order, unit, more, link })
    }

    /// Reads the next packet; false at the end.
    pub(super) fn next(
        &mut self,
        bytes: &mut Bytes,
        packet: &mut Packet,
        data: &mut Vec<u8>,
    ) -> Result<bool, CaptureError> {
        let Some(header) = bytes.record::<16>()? else {
            return Ok(false);
        };
        let word = |at| self.order.u32(&header, at).unwrap_or(0);
        let (seconds, fraction, captured, length) = (word(0), word(4), word(8), word(12));
        if captured > PACKET_MAX {
            return Err(bytes.damaged(format!(
                "it claims {captured} bytes for a packet, at most {PACKET_MAX} can be"
            )));
        }
        bytes.skip(self.more)?;
        bytes.take(captured, data)?;
        let fraction = u64::from(fraction).saturating_mul(u64::from(self.unit));
        *packet = Packet {
            offset: bytes.begun(),
            at: Some(Duration::from_secs(seconds.into()) + Duration::from_nanos(fraction)),
            link: self.link,
            interface: None,
            leaving: false,
            length,
        };
        Ok(true)
    }
}
