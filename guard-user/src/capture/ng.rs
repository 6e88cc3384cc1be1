//! pcapng: sections, each with a byte order and interfaces of its own (draft-ietf-opsawg-pcapng).
//!
//! Blocks that hold no packets are left out unread, however long they are.

use std::time::Duration;

use super::bytes::{Bytes, Order};
use super::{CaptureError, PACKET_MAX, Packet};

/// Type of a section header block, the same in either byte order.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// The packet block of old, which nobody should write any more.
const OLD: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;
/// In a section header, by which its byte order is told.
const ORDER: u32 = 0x1a2b_3c4d;

/// Bytes around what a block says: type, length, and the length once more.
const AROUND: u32 = 12;
/// Most bytes of a block that is read: a packet and its options.
const BLOCK_MAX: u32 = PACKET_MAX + (1 << 17);
/// Most interfaces of a section.
const INTERFACES_MAX: usize = 4096;
/// Longest name of an interface that is kept: Linux has 15 bytes.
const NAME_MAX: usize = 64;

/// Options of an interface: its name, the unit and the beginning of its time.
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;
/// An option of a packet: its direction is in the two lowest bits.
const FLAGS: u16 = 2;
const OUTBOUND: u32 = 2;

/// An interface of a section.
#[derive(Clone, Debug)]
struct Interface {
    link: u32,
    name: Option<String>,
    /// Most bytes of a packet that are kept; 0 for all.
    snap: u32,
    /// Units of time in a second; `None` where that makes no sense.
    units: Option<u128>,
    /// Seconds since 1970 from which time counts.
    offset: i64,
}

impl Interface {
    /// A time stamp since 1970.
    fn time(&self, high: u32, low: u32) -> Option<Duration> {
        let units = self.units?;
        let stamp = u128::from(high) << 32 | u128::from(low);
        let nanos = (stamp % units).saturating_mul(1_000_000_000) / units;
        let seconds = i128::try_from(stamp / units).ok()? + i128::from(self.offset);
        Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
    }
}

/// A pcapng file.
#[derive(Default)]
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
    /// What a block says.
    body: Vec<u8>,
    /// The type of the first block has been read to tell the format.
    has_begun: bool,
}

impl Ng {
    /// Reads on to the next packet; false at the end.
    pub(super) fn next(
        &mut self,
        bytes: &mut Bytes,
        packet: &mut Packet,
        data: &mut Vec<u8>,
    ) -> Result<bool, CaptureError> {
        loop {
            let Some((kind, length)) = self.head(bytes)? else {
                return Ok(false);
            };
            match kind {
                INTERFACE | OLD | SIMPLE | ENHANCED => {}
                _ => {
                    bytes.skip(length.into())?;
                    self.end(bytes)?;
                    continue;
                }
            }
            if length > BLOCK_MAX {
                return Err(bytes.damaged(format!(
                    "it claims {length} bytes for a block, at most {BLOCK_MAX} can be"
                )));
            }
            let mut body = std::mem::take(&mut self.body);
            let read = bytes.take(length, &mut body).and_then(|()| self.end(bytes));
            let told = read.and_then(|()| match kind {
                INTERFACE => self.interface(bytes, &body).map(|()| false),
                kind => self.packet(bytes, kind, &body, packet, data).map(|()| true),
            });
            self.body = body;
            if told? {
                return Ok(true);
            }
        }
    }

    /// Type of the next block and the length of what it says; begins a section.
    fn head(&mut self, bytes: &mut Bytes) -> Result<Option<(u32, u32)>, CaptureError> {
        let kind = if self.has_begun {
            let Some(kind) = bytes.record::<4>()? else {
                return Ok(None);
            };
            kind
        } else {
            self.has_begun = true;
            SECTION.to_le_bytes()
        };
        let kind = self.order.u32(&kind, 0).unwrap_or(0);
        let mut rest = Vec::with_capacity(8);
        bytes.take(if kind == SECTION { 8 } else { 4 }, &mut rest)?;
        let mut said = 0;
        if kind == SECTION {
            self.order = match (Order::Little.u32(&rest, 4), Order::Big.u32(&rest, 4)) {
                (Some(ORDER), _) => Order::Little,
                (_, Some(ORDER)) => Order::Big,
                _ => return Err(bytes.damaged("its section says no byte order")),
            };
            self.interfaces.clear();
            said = 4;
        }
        let length = self.order.u32(&rest, 0).unwrap_or(0);
        match length.checked_sub(AROUND + said) {
            Some(left) if length.is_multiple_of(4) => Ok(Some((kind, left))),
            _ => Err(bytes.damaged(format!("a block cannot have {length} bytes"))),
        }
    }

    /// Reads the length at the end of a block.
    fn end(&self, bytes: &mut Bytes) -> Result<(), CaptureError> {
        let mut length = Vec::with_capacity(4);
        bytes.take(4, &mut length)?;
        let said = u64::from(self.order.u32(&length, 0).unwrap_or(0));
        if said == bytes.offset() - bytes.begun() {
            return Ok(());
        }
        Err(bytes.damaged(format!("a block says {said} bytes at its end and others at its front")))
    }

    fn interface(&mut self, bytes: &Bytes, body: &[u8]) -> Result<(), CaptureError> {
        let order = self.order;
        let (Some(link), Some(snap)) = (order.u16(body, 0), order.u32(body, 4)) else {
            return Err(bytes.damaged("an interface without a link type"));
        };
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(bytes.damaged(format!("more than {INTERFACES_MAX} interfaces")));
        }
        let mut interface =
            Interface { link: link.into(), name: None, snap, units: Some(1_000_000), offset: 0 };
        for (code, value) in options(order, body.get(8..).unwrap_or_default()) {
            match (code, value) {
                (NAME, name) => interface.name = named(name),
                (RESOLUTION, [resolution]) => interface.units = units(*resolution),
                (OFFSET, offset) => interface.offset = order.i64(offset, 0).unwrap_or(0),
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(
        &self,
        bytes: &Bytes,
        kind: u32,
        body: &[u8],
        packet: &mut Packet,
        data: &mut Vec<u8>,
    ) -> Result<(), CaptureError> {
        let word = |at| self.order.u32(body, at);
        let half = |at| self.order.u16(body, at).map(u32::from);
        let short = || bytes.damaged("a packet without a length");
        let (number, begin) = match kind {
            SIMPLE => (0, 4),
            OLD => (half(0).ok_or_else(short)?, 20),
            _ => (word(0).ok_or_else(short)?, 20),
        };
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(interface) = self.interfaces.get(place) else {
            return Err(bytes.damaged(format!(
                "a packet of interface {number}, of {} in its section",
                self.interfaces.len()
            )));
        };
        let room = u32::try_from(body.len().saturating_sub(begin)).unwrap_or(0);
        let (captured, length) = if kind == SIMPLE {
            let length = word(0).ok_or_else(short)?;
            let kept = if interface.snap == 0 { length } else { length.min(interface.snap) };
            (kept, length)
        } else {
            (word(12).ok_or_else(short)?, word(16).ok_or_else(short)?)
        };
        if captured > room || captured > PACKET_MAX {
            return Err(bytes.damaged(format!(
                "it claims {captured} bytes for a packet, its block has {room}"
            )));
        }
        let end = begin + usize::try_from(captured).unwrap_or(0);
        data.clear();
        data.extend_from_slice(body.get(begin..end).unwrap_or_default());
        let options = options(self.order, body.get(end.next_multiple_of(4)..).unwrap_or_default());
        let mut flags = options.filter(|(code, _)| kind != SIMPLE && *code == FLAGS);
        let flags = flags.next().and_then(|(_, value)| self.order.u32(value, 0)).unwrap_or(0);
        *packet = Packet {
            offset: bytes.begun(),
            at: (kind != SIMPLE).then(|| interface.time(word(4)?, word(8)?)).flatten(),
            link: interface.link,
            interface: interface.name.clone(),
            leaving: flags & 3 == OUTBOUND,
            length,
        };
        Ok(())
    }
}

/// The options of a block: code and value. What is cut short is none.
fn options(order: Order, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let code = order.u16(bytes, 0).filter(|code| *code != 0)?;
        let length = usize::from(order.u16(bytes, 2)?);
        let value = bytes.get(4..4 + length)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

/// A name as an interface may have one.
fn named(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let is_name = !text.is_empty()
        && text.len() <= NAME_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| text.to_owned())
}

/// Units of time in a second: powers of ten, or of two.
fn units(resolution: u8) -> Option<u128> {
    let power = u32::from(resolution & 0x7f);
    match resolution & 0x80 {
        0 => 10_u128.checked_pow(power),
        _ => 1_u128.checked_shl(power).filter(|_| power < 128),
    }
    // Finer than this, a second does not fit the arithmetic.
    .filter(|units| *units <= 1 << 96)
}
