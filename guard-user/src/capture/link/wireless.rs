//! IEEE 802.11: data frames that are neither encrypted nor in pieces, with LLC and SNAP.

use super::{Found, snap};

/// Frame control, first byte: version and type, and what of the subtype says that it has QoS, or no
/// data.
const KIND: u8 = 0x0f;
const DATA: u8 = 0x08;
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;
/// Frame control, second byte.
const BOTH_DS: u8 = 0x03;
const MORE_FRAGMENTS: u8 = 0x04;
const ENCRYPTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Three addresses; there is a fourth from one access point to another.
const HEADER: usize = 24;
const FOURTH: usize = 6;
/// Number of a piece, in the first byte of the sequence control.
const PIECE: u8 = 0x0f;
/// QoS control, first byte: several frames in one.
const AGGREGATED: u8 = 0x80;

/// Radiotap: bits of the first word of what is present, and of the field of flags.
const TIME: u8 = 0x01;
const FLAGS: u8 = 0x02;
/// More words of what is present follow: in the last byte of each.
const MORE: u8 = 0x80;
/// The header of the frame is padded to a multiple of four.
const PADDED: u8 = 0x20;

/// A frame at this place, its header padded or not.
pub(super) fn ieee80211(data: &[u8], at: usize, is_padded: bool) -> Found {
    let frame = data.get(at..)?;
    let [control, flags, ..] = *frame else { return None };
    let piece = frame.get(22)? & PIECE;
    let is_whole = flags & (MORE_FRAGMENTS | ENCRYPTED) == 0 && piece == 0;
    if control & KIND != DATA || control & NO_DATA != 0 || !is_whole {
        return None;
    }
    let mut length = HEADER;
    if flags & BOTH_DS == BOTH_DS {
        length += FOURTH;
    }
    if control & QOS != 0 {
        if frame.get(length)? & AGGREGATED != 0 {
            return None;
        }
        // HT control behind it.
        length += if flags & ORDER != 0 { 6 } else { 2 };
    }
    if is_padded {
        length = length.next_multiple_of(4);
    }
    snap(data, at + length)
}

/// A frame behind what the card says of it (radiotap.org).
pub(super) fn radiotap(data: &[u8]) -> Found {
    let [0, _, low, high, ..] = *data else { return None };
    let length = usize::from(u16::from_le_bytes([low, high]));
    let is_padded = radiotap_flags(data.get(..length)?)? & PADDED != 0;
    ieee80211(data, length, is_padded)
}

/// The field of flags, zero if there is none; `None` where the header contradicts itself.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let words = header.get(4..)?.chunks_exact(4);
    let more = words.take_while(|word| word.last().is_some_and(|last| last & MORE != 0)).count();
    let mut at = 4 + 4 * (more + 1);
    let present = *header.get(4)?;
    if present & TIME != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    if present & FLAGS == 0 { Some(0) } else { header.get(at).copied() }
}
