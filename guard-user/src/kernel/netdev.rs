//! Which XDP features a driver says it has, asked of the generic netlink family `netdev` (kernels
//! from 6.3 on).

use std::io;
use std::os::fd::AsRawFd as _;

use bytes::{Buf as _, BufMut as _, BytesMut};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::netlink::{HEADER, attributes};

/// The family that knows all others.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// `struct genlmsghdr`.
const GENERIC: usize = 4;
/// The answers are far below this.
const ANSWER_MAX: usize = 16 << 10;

/// What a driver can do (`enum netdev_xdp_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u64);

impl XdpFeatures {
    /// Made up: with the native mode, and with frames of several buffers.
    #[cfg(test)]
    pub(crate) const fn made_up(native: bool, multi_buffer: bool) -> Self {
        Self(native as u64 | (multi_buffer as u64) << 5)
    }

    /// It runs programs in native mode.
    #[must_use]
    pub const fn native(self) -> bool {
        self.0 & 1 != 0
    }

    /// It shows programs frames of several buffers, so that an MTU above a page does not matter.
    #[must_use]
    pub const fn multi_buffer(self) -> bool {
        self.0 & 1 << 5 != 0
    }
}

/// The features of an interface; `None` where the kernel does not tell.
pub fn xdp_features(index: u32) -> io::Result<Option<XdpFeatures>> {
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let Some(answer) = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &name)? else {
        return Ok(None);
    };
    let found = find(&answer, CTRL_ATTR_FAMILY_ID);
    let Some(family) = found.and_then(|mut value| value.try_get_u16_ne().ok()) else {
        return Ok(None);
    };
    let index = attribute(NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes());
    let Some(answer) = ask(family, NETDEV_CMD_DEV_GET, &index)? else {
        return Ok(None);
    };
    let features = find(&answer, NETDEV_A_DEV_XDP_FEATURES);
    Ok(features.and_then(|mut value| value.try_get_u64_ne().ok()).map(XdpFeatures))
}

fn attribute(kind: u16, value: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_u16_ne(u16::try_from(4 + value.len()).unwrap_or(4));
    bytes.put_u16_ne(kind);
    bytes.put_slice(value);
    bytes.put_bytes(0, value.len().next_multiple_of(4) - value.len());
    bytes
}

/// Asks a family something; `None` if it, or the family, does not know.
fn ask(family: u16, command: u8, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkGeneric,
    )?;
    let length = HEADER + GENERIC + body.len();
    let mut request = BytesMut::with_capacity(length);
    request.put_u32_ne(u32::try_from(length).unwrap_or(0));
    request.put_u16_ne(family);
    request.put_u16_ne(NLM_F_REQUEST);
    request.put_bytes(0, 8); // sequence, sender
    request.put_u8(command);
    request.put_u8(1); // version
    request.put_u16_ne(0);
    request.put_slice(body);
    sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = vec![0; ANSWER_MAX];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    let kind = answer.get(4..).and_then(|mut kind| kind.try_get_u16_ne().ok());
    Ok(kind.filter(|kind| *kind != NLMSG_ERROR).map(|_| answer))
}

/// The value of an attribute in an answer.
fn find(answer: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut found = attributes(answer.get(HEADER + GENERIC..)?);
    found.find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_no_native_mode() {
        if let Ok(Some(features)) = xdp_features(1) {
            assert!(!features.native());
        }
    }
}
