//! What kind of interface it is and which XDP program is on it, asked of the kernel by rtnetlink (RFC 3549).
//!
//! Few questions are asked (`RTM_GETLINK` for one interface here, its filters in
//! [`super::filter`]), and of the answers little is read, so this is written out instead of taking
//! a netlink library along.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};

use bytes::{Buf as _, BufMut as _, BytesMut};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
/// Asks for everything there is.
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The link is up and the far end answers (`IFF_RUNNING`).
const RUNNING: u32 = 0x40;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
/// Bit of an attribute's type that says it holds others.
const NESTED: u16 = 1 << 15;
/// `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// `struct ifinfomsg`.
pub(super) const IFINFO: usize = 16;
/// The kernel's answer is below this on any interface, virtual functions included.
const ANSWER_MAX: usize = 64 << 10;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the kernel's generic path.
    Generic,
    /// In the network card, or several at once.
    Other,
}

impl Mode {
    /// The word in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Other => "other",
        }
    }
}

/// A program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// How.
    pub mode: Mode,
    /// Kernel id of the program; 0 if several are attached.
    pub program: u32,
}

/// Device type of Ethernet (`ARPHRD_ETHER`).
pub const ETHERNET: u16 = 1;
/// Device type of the loopback, whose frames have an Ethernet header, too (`ARPHRD_LOOPBACK`).
pub const LOOPBACK: u16 = 772;

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Device type: `ARPHRD_`.
    pub kind: u16,
    /// Whether it is up and has a carrier.
    pub running: bool,
    /// The XDP program on it.
    pub xdp: Option<Attached>,
}

/// What the kernel says about the interface with this index.
pub fn link(index: u32) -> io::Result<Link> {
    let mut body = BytesMut::with_capacity(IFINFO);
    body.put_bytes(0, 4); // family, padding, type
    body.put_u32_ne(index);
    body.put_bytes(0, 8); // flags, change mask
    read_answer(&ask(RTM_GETLINK, &body)?)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the kernel knows no such interface"))
}

/// Asks a question that has one answer; the answer, which may be an error message.
pub(super) fn ask(kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    receive(&send(kind, 0, body)?)
}

/// Asks for everything there is; calls `each` with every message of the answer.
pub(super) fn dump(kind: u16, body: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let socket = send(kind, NLM_F_DUMP, body)?;
    loop {
        let answer = receive(&socket)?;
        let mut rest = answer.as_slice();
        while let Some((kind, message, after)) = first_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(io::Error::other("the kernel refuses the question")),
                _ => each(message),
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidData, "an answer that cannot be read"));
        }
    }
}

/// The first message in a buffer: its type, itself with its header, and what follows.
fn first_message(buffer: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let mut header = buffer;
    let length = usize::try_from(header.try_get_u32_ne().ok()?).ok()?;
    let kind = header.try_get_u16_ne().ok()?;
    let message = buffer.get(..length).filter(|_| length >= HEADER)?;
    Some((kind, message, buffer.get(length.next_multiple_of(4)..).unwrap_or(&[])))
}

/// Sends a request, with flags besides; the socket on which the answer comes, if one does.
pub(super) fn send(kind: u16, flags: u16, body: &[u8]) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let length = HEADER + body.len();
    let mut request = BytesMut::with_capacity(length);
    request.put_u32_ne(u32::try_from(length).unwrap_or(0));
    request.put_u16_ne(kind);
    request.put_u16_ne(NLM_F_REQUEST | flags);
    request.put_bytes(0, 8); // sequence, sender
    request.put_slice(body);
    sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    Ok(socket)
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; ANSWER_MAX];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

/// The interface an answer tells of; `None` if it is no answer to our question.
fn read_answer(answer: &[u8]) -> Option<Link> {
    let kind = answer.get(4..)?.try_get_u16_ne().ok()?;
    if kind != RTM_NEWLINK {
        return None;
    }
    // struct ifinfomsg: family, padding, type, index, flags.
    let kind = answer.get(HEADER + 2..)?.try_get_u16_ne().ok()?;
    let flags = answer.get(HEADER + 8..)?.try_get_u32_ne().ok()?;
    let mut link = Link { kind, running: flags & RUNNING != 0, xdp: None };
    for (kind, value) in attributes(answer.get(HEADER + IFINFO..)?) {
        if kind == IFLA_XDP {
            link.xdp = read_xdp(value);
        }
    }
    Some(link)
}

fn read_xdp(attribute: &[u8]) -> Option<Attached> {
    let mut mode = None;
    let mut program = 0;
    for (kind, value) in attributes(attribute) {
        match kind {
            // XDP_ATTACHED_NONE, _DRV, _SKB, _HW, _MULTI
            IFLA_XDP_ATTACHED => {
                mode = match value.first()? {
                    0 => None,
                    1 => Some(Mode::Native),
                    2 => Some(Mode::Generic),
                    _ => Some(Mode::Other),
                };
            }
            IFLA_XDP_PROG_ID => program = { value }.try_get_u32_ne().ok()?,
            _ => {}
        }
    }
    Some(Attached { mode: mode?, program })
}

/// The attributes in a buffer: type and value. Ends at the first that does not fit.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let mut header = rest;
        let length = usize::from(header.try_get_u16_ne().ok()?);
        let kind = header.try_get_u16_ne().ok()? & !NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn broken_messages_end_a_dump() {
        for length in 0..64 {
            assert!(first_message(&vec![0xff; length]).is_none());
            assert!(first_message(&vec![0; length]).is_none(), "shorter than its own header");
        }
    }

    #[test]
    fn broken_answers_say_nothing() {
        for length in 0..64 {
            let _ = read_answer(&vec![0xff; length]);
        }
        assert_eq!(attributes(&[8, 0, 2, 0, 1]).count(), 0, "longer than the buffer");
        assert_eq!(attributes(&[0, 0, 2, 0, 1]).count(), 0, "shorter than its own header");
    }

    #[test]
    fn loopback_has_no_program() {
        let Link { kind, xdp, running: _ } = link(1).unwrap();
        assert_eq!((kind, xdp), (LOOPBACK, None));
    }
}
