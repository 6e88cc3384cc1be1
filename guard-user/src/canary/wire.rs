//! Writes frames: Ethernet, a VLAN, IPv4 or IPv6, UDP, TCP, SCTP or ICMP.
//!
//! Checksums of transports are left zero: these frames reach no network. Appends to a buffer that
//! is used over and over. Knows nothing of what is said in them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use guard_common::wire::{ethernet, protocol};

/// Flags of a TCP segment that asks for a connection.
pub const SYN: u8 = 0x02;
/// Flags of a TCP segment with data.
pub const DATA: u8 = 0x18;

/// What carries a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A UDP datagram.
    Udp,
    /// A TCP segment with these flags.
    Tcp(u8),
    /// An SCTP packet with one DATA chunk (RFC 9260 section 3.3.1).
    Sctp,
    /// An ICMP message of this type, of the addresses' family.
    Icmp(u8),
}

impl Carrier {
    const fn protocol(self, is_ipv4: bool) -> u8 {
        match self {
            Self::Udp => protocol::UDP,
            Self::Tcp(_) => protocol::TCP,
            Self::Sctp => protocol::SCTP,
            Self::Icmp(_) if is_ipv4 => protocol::ICMP,
            Self::Icmp(_) => protocol::ICMPV6,
        }
    }

    /// Bytes before the payload.
    const fn header(self) -> usize {
        match self {
            Self::Udp | Self::Icmp(_) => 8,
            Self::Tcp(_) => 20,
            Self::Sctp => 28,
        }
    }
}

/// Locally administered addresses, which no card has.
const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
/// Hops that are left in a packet from afar.
const HOPS: u8 = 60;

/// Replaces what is in `out` by a frame. Both ends are of one family; a payload is a message.
pub fn write(
    out: &mut Vec<u8>,
    vlan: Option<u16>,
    (from, to): (SocketAddr, SocketAddr),
    carrier: Carrier,
    payload: &[u8],
) {
    out.clear();
    out.extend_from_slice(&ETHERNET);
    if let Some(vlan) = vlan {
        out.extend_from_slice(&0x8100_u16.to_be_bytes());
        out.extend_from_slice(&vlan.to_be_bytes());
    }
    let length = word(carrier.header() + payload.len());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend_from_slice(&ethernet::IPV4.to_be_bytes());
            out.extend_from_slice(header4((from, to), carrier, length).as_flattened());
        }
        (from, to) => {
            let [high, low] = length.to_be_bytes();
            out.extend_from_slice(&ethernet::IPV6.to_be_bytes());
            out.extend_from_slice(&[0x60, 0, 0, 0, high, low, carrier.protocol(false), HOPS]);
            out.extend_from_slice(&octets6(from));
            out.extend_from_slice(&octets6(to));
        }
    }
    if !matches!(carrier, Carrier::Icmp(_)) {
        out.extend_from_slice(&from.port().to_be_bytes());
        out.extend_from_slice(&to.port().to_be_bytes());
    }
    transport(out, carrier, length);
    out.extend_from_slice(payload);
}

/// An IPv4 header without options, of a packet with so many bytes behind it.
fn header4((from, to): (Ipv4Addr, Ipv4Addr), carrier: Carrier, length: u16) -> [[u8; 4]; 5] {
    let [high, low] = length.saturating_add(20).to_be_bytes();
    let [a, b, c, d] = from.octets();
    let [e, f, g, h] = to.octets();
    let header = |[sum_high, sum_low]: [u8; 2]| {
        let protocol = carrier.protocol(true);
        [
            [0x45, 0, high, low],
            [0, 7, 0, 0],
            [HOPS, protocol, sum_high, sum_low],
            [a, b, c, d],
            [e, f, g, h],
        ]
    };
    let sum = checksum(header([0; 2]).as_flattened());
    header(sum.to_be_bytes())
}

/// What follows the ports; all of it for ICMP, which has none.
fn transport(out: &mut Vec<u8>, carrier: Carrier, length: u16) {
    match carrier {
        Carrier::Icmp(kind) => out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]),
        Carrier::Udp => {
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&[0; 2]);
        }
        Carrier::Tcp(flags) => {
            // Sequence 911, acknowledgement 112, five words of header, a window, nothing urgent.
            out.extend_from_slice(&[
                0, 0, 3, 143, 0, 0, 0, 112, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
            ]);
        }
        Carrier::Sctp => {
            // A DATA chunk is the payload and its own header of 16 bytes.
            let chunk = length.saturating_sub(12);
            out.extend_from_slice(&[0; 8]);
            out.extend_from_slice(&[0, 3]);
            out.extend_from_slice(&chunk.to_be_bytes());
            out.extend_from_slice(&[0; 12]);
        }
    }
}

fn word(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

const fn octets6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use guard_common::frame::{Frame, Parsed};

    use super::*;

    fn read(vlan: Option<u16>, ends: (&str, &str), carrier: Carrier) -> (Frame, Vec<u8>) {
        let ends = (ends.0.parse().unwrap(), ends.1.parse().unwrap());
        let mut out = vec![1; 9];
        write(&mut out, vlan, ends, carrier, b"hello");
        let mut frame = Frame::unknown();
        assert!(matches!(frame.parse(&out.as_slice()), Parsed::Ip));
        (frame, out)
    }

    /// The guard's own reader finds what was written, where it was written.
    #[test]
    fn what_is_written_reads_back() {
        let v4 = ("192.0.2.1:40000", "198.51.100.10:5060");
        let v6 = ("[2001:db8::1]:40000", "[2001:db8::2]:5060");
        for ends in [v4, v6] {
            for vlan in [None, Some(100)] {
                for carrier in [Carrier::Udp, Carrier::Tcp(DATA), Carrier::Sctp] {
                    let (frame, bytes) = read(vlan, ends, carrier);
                    assert_eq!(frame.protocol, carrier.protocol(true));
                    assert_eq!((frame.source_port, frame.destination_port), (40000, 5060));
                    assert_eq!(frame.vlan, vlan.unwrap_or(0));
                    assert!(matches!(frame.defect, guard_common::frame::Defect::None));
                    assert_eq!(bytes.get(usize::from(frame.payload)..), Some(b"hello".as_slice()));
                }
            }
        }
    }

    #[test]
    fn the_checksum_is_right() {
        let (_, bytes) = read(None, ("192.0.2.1:1", "198.51.100.10:2"), Carrier::Udp);
        let header: [u8; 20] = bytes.get(14..34).and_then(|b| b.try_into().ok()).unwrap_or([1; 20]);
        assert_eq!(checksum(&header), 0, "a header with its checksum sums up to nothing");
    }
}
