//! What an interface is made of, for whoever asks why it is slow or blind: driver, offloads and
//! queues by the ioctls of ethtool(8), which need no privilege; kind, master and size by rtnetlink.

use std::io;
use std::os::fd::AsRawFd as _;

use bytes::{Buf as _, BufMut as _, BytesMut};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::netlink::{HEADER, IFINFO, RTM_GETLINK, RTM_NEWLINK, ask, attributes, dump};

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_INFO_KIND: u16 = 1;

/// `SIOCETHTOOL`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
/// `ETH_FLAG_RXVLAN`: the card takes VLAN tags off.
const RXVLAN: u32 = 1 << 8;
/// `ETH_FLAG_LRO`: the card joins segments.
const LRO: u32 = 1 << 15;
/// `struct ethtool_drvinfo`.
const DRIVER_BYTES: usize = 196;
/// Length of a name in it.
const NAME_BYTES: usize = 32;

/// What rtnetlink says of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Kernel index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Device type: `ARPHRD_`.
    pub kind: u16,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Kernel index of the bond or bridge it belongs to.
    pub master: Option<u32>,
    /// What virtual device it is: "bond", "bridge", "vlan", "veth"; none for a card.
    pub virtual_kind: Option<String>,
    /// Queues it has for what comes in.
    pub queues: u32,
}

/// What ethtool says of an interface. `None`: the driver does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Name of the driver.
    pub driver: Option<String>,
    /// Whether VLAN tags are taken off before XDP sees the frame.
    pub strips_vlan: Option<bool>,
    /// Whether the card joins segments.
    pub lro: Option<bool>,
    /// Whether the kernel joins segments, behind XDP.
    pub gro: Option<bool>,
    /// Queues in use for what comes in, and how many there could be.
    pub queues: Option<(u32, u32)>,
}

/// All interfaces of this network namespace.
pub fn all() -> io::Result<Vec<Details>> {
    let mut found = Vec::new();
    dump(RTM_GETLINK, &[0; IFINFO], |message| found.extend(read(message)))?;
    Ok(found)
}

/// An interface by its kernel index.
pub fn details(index: u32) -> io::Result<Details> {
    let mut body = BytesMut::with_capacity(IFINFO);
    body.put_bytes(0, 4); // family, padding, type
    body.put_u32_ne(index);
    body.put_bytes(0, 8); // flags, change mask
    read(&ask(RTM_GETLINK, &body)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such interface"))
}

fn read(message: &[u8]) -> Option<Details> {
    if message.get(4..)?.try_get_u16_ne().ok()? != RTM_NEWLINK {
        return None;
    }
    let mut details = Details {
        // struct ifinfomsg: family, padding, type, index, flags.
        kind: message.get(HEADER + 2..)?.try_get_u16_ne().ok()?,
        index: message.get(HEADER + 4..)?.try_get_u32_ne().ok()?,
        ..Details::default()
    };
    for (kind, mut value) in attributes(message.get(HEADER + IFINFO..)?) {
        match kind {
            IFLA_IFNAME => details.name = text(value),
            IFLA_MTU => details.mtu = value.try_get_u32_ne().ok()?,
            IFLA_MASTER => details.master = Some(value.try_get_u32_ne().ok()?),
            IFLA_NUM_RX_QUEUES => details.queues = value.try_get_u32_ne().ok()?,
            IFLA_LINKINFO => {
                let mut inner = attributes(value);
                details.virtual_kind =
                    inner.find(|(kind, _)| *kind == IFLA_INFO_KIND).map(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    Some(details)
}

/// Text that ends with a zero or with its room.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

/// What ethtool says of an interface.
pub fn offloads(name: &str) -> io::Result<Offloads> {
    let flags = value(name, ETHTOOL_GFLAGS)?;
    let flag = |bit| flags.map(|flags| flags & bit != 0);
    Ok(Offloads {
        driver: driver(name)?,
        strips_vlan: flag(RXVLAN),
        lro: flag(LRO),
        gro: value(name, ETHTOOL_GGRO)?.map(|on| on != 0),
        queues: queues(name)?,
    })
}

fn driver(name: &str) -> io::Result<Option<String>> {
    let mut answer = [0_u8; DRIVER_BYTES];
    let known = question(name, ETHTOOL_GDRVINFO, &mut answer)?;
    let driver = answer.get(4..4 + NAME_BYTES).map(text);
    Ok(driver.filter(|driver| known && !driver.is_empty()))
}

/// `struct ethtool_value`.
fn value(name: &str, command: u32) -> io::Result<Option<u32>> {
    let mut answer = [0_u8; 8];
    let known = question(name, command, &mut answer)?;
    Ok(answer.get(4..).and_then(|mut value| value.try_get_u32_ne().ok()).filter(|_| known))
}

/// `struct ethtool_channels`: command; most of rx, tx, other, combined; how many of each.
fn queues(name: &str) -> io::Result<Option<(u32, u32)>> {
    let mut answer = [0_u8; 36];
    if !question(name, ETHTOOL_GCHANNELS, &mut answer)? {
        return Ok(None);
    }
    let word = |place: usize| answer.get(4 * place..).and_then(|mut it| it.try_get_u32_ne().ok());
    let sum = |a, b| Some(word(a)?.saturating_add(word(b)?));
    Ok(sum(5, 8).zip(sum(1, 4)))
}

/// Asks a question of ethtool's: the answer takes the place of the command's structure. False if
/// the driver knows no answer.
fn question(name: &str, command: u32, structure: &mut [u8]) -> io::Result<bool> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    if let Some(head) = structure.first_chunk_mut() {
        *head = command.to_ne_bytes();
    }
    // SAFETY: all zeros are a valid `ifreq`, a structure of plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let room = request.ifr_name.len().saturating_sub(1);
    for (to, from) in request.ifr_name.iter_mut().take(room).zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = structure.as_mut_ptr().cast();
    // SAFETY: the request and the structure it points to outlive the call, and each caller's
    // structure is as long as the kernel's of this command.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if answer == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::netlink::LOOPBACK;
    use super::*;

    #[test]
    fn loopback_is_known() {
        let known = details(1).unwrap();
        assert_eq!((known.name.as_str(), known.kind, known.virtual_kind), ("lo", LOOPBACK, None));
        assert!(known.mtu > 1000 && all().unwrap().iter().any(|other| other.name == "lo"));
        assert_eq!(offloads("lo").unwrap().lro, Some(false));
        assert!(offloads("no-such-thing").is_err());
    }

    #[test]
    fn broken_answers_say_nothing() {
        for length in 0..64 {
            let _ = read(&vec![0xff; length]);
            assert!(read(&vec![0; length]).is_none());
        }
    }
}
