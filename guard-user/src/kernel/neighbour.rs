//! Neighbours of an interface, by ARP and ND, as the kernel knows them (rtnetlink, RFC 3549).

use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};

use super::netlink::{HEADER, attributes, dump, send};

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NLM_F_CREATE: u16 = 0x400;
const NDA_DST: u16 = 1;
/// `struct ndmsg`.
const NDMSG: usize = 12;
/// Answered lately (`NUD_REACHABLE`).
const REACHABLE: u16 = 0x02;
/// The hardware address is known: `NUD_VALID`.
const VALID: u16 = 0xde;
/// Have the kernel look for it (`NTF_USE`).
const USE: u8 = 0x01;

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Address family.
    family: u8,
    /// Its address.
    address: Vec<u8>,
    state: u16,
}

impl Neighbour {
    /// Whether it answered lately.
    #[must_use]
    pub const fn is_reachable(&self) -> bool {
        self.state & REACHABLE != 0
    }

    /// Whether the kernel knows where to send to it.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        self.state & VALID != 0
    }

    /// Whether it is the same one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.family == other.family && self.address == other.address
    }
}

/// The neighbours of the interface with this index.
pub fn neighbours(index: u32) -> io::Result<Vec<Neighbour>> {
    let mut found = Vec::new();
    dump(RTM_GETNEIGH, &[0; NDMSG], |message| {
        found.extend(read(message, index));
    })?;
    Ok(found)
}

/// Has the kernel look for a neighbour.
pub fn look_for(index: u32, Neighbour { family, address, state: _ }: &Neighbour) -> io::Result<()> {
    let mut body = BytesMut::with_capacity(NDMSG + 4 + address.len());
    body.put_u32_ne(u32::from_ne_bytes([*family, 0, 0, 0]));
    body.put_u32_ne(index);
    body.put_u16_ne(0); // no state of our own
    body.put_u8(USE);
    body.put_u8(0);
    body.put_u16_ne(u16::try_from(4 + address.len()).unwrap_or(4));
    body.put_u16_ne(NDA_DST);
    body.put_slice(address);
    send(RTM_NEWNEIGH, NLM_F_CREATE, &body).map(drop)
}

/// A neighbour on the interface, if the message tells of one.
fn read(message: &[u8], index: u32) -> Option<Neighbour> {
    // struct ndmsg: family, padding, index, state, flags, type.
    let family = *message.get(HEADER)?;
    if message.get(HEADER + 4..)?.try_get_u32_ne().ok()? != index {
        return None;
    }
    let state = message.get(HEADER + 8..)?.try_get_u16_ne().ok()?;
    let mut attributes = attributes(message.get(HEADER + NDMSG..)?);
    let (_, address) = attributes.find(|(kind, _)| *kind == NDA_DST)?;
    Some(Neighbour { family, address: address.to_vec(), state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_messages_tell_of_nobody() {
        for length in 0..64 {
            assert_eq!(read(&vec![0; length], 0), None);
            assert_eq!(read(&vec![0xff; length], u32::MAX), None);
        }
    }
}
