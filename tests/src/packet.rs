//! Builds frames: Ethernet, VLAN, IPv4 with options, IPv6 with extension headers, UDP, TCP, SCTP,
//! ICMP and whatever else IP carries, whole or in fragments, sound or broken.
//!
//! `etherparse` writes the headers, so that the guard's own idea of them is not tested against
//! itself. What it would refuse to write is edited in afterwards. Knows nothing of verdicts.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test with a malformed packet of its own fails by panicking"
)]

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Header,
    TcpHeader, UdpHeader,
};

/// Length of an Ethernet header without tags: where the network header of a new frame begins.
pub const NETWORK: usize = 14;

/// Hops that are left in an ordinary packet from afar.
const HOPS: u8 = 60;

/// IPv6 extension headers by protocol number.
pub mod extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment: place 0, nothing follows ("atomic", RFC 6946).
    pub const ATOMIC_FRAGMENT: u8 = 44;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
    /// Mobility.
    pub const MOBILITY: u8 = 135;
    /// HIP.
    pub const HIP: u8 = 139;
    /// Shim6.
    pub const SHIM6: u8 = 140;
    /// All of them.
    pub const ALL: [u8; 7] =
        [HOP_BY_HOP, ROUTING, ATOMIC_FRAGMENT, DESTINATION, MOBILITY, HIP, SHIM6];
}

/// TCP flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// Asks for a connection.
    Syn,
    /// Accepts one.
    SynAck,
    /// Carries data.
    Data,
    /// Its sender sends no more.
    Fin,
    /// There is no connection any more.
    Rst,
}

/// An IP datagram that is being built.
#[derive(Clone, Debug)]
pub struct Datagram {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hops: u8,
    options: Vec<u8>,
    extensions: Vec<u8>,
    body: Vec<u8>,
}

/// A datagram of any protocol between two addresses.
#[must_use]
pub fn ip(source: &str, destination: &str, protocol: u8, body: &[u8]) -> Datagram {
    Datagram {
        source: source.parse().expect("an IP address"),
        destination: destination.parse().expect("an IP address"),
        protocol,
        hops: HOPS,
        options: Vec::new(),
        extensions: Vec::new(),
        body: body.to_vec(),
    }
}

fn transport(source: &str, destination: &str, protocol: u8) -> (Datagram, u16, u16) {
    let source: SocketAddr = source.parse().expect("address:port");
    let destination: SocketAddr = destination.parse().expect("address:port");
    let (from, to) = (source.ip().to_string(), destination.ip().to_string());
    (ip(&from, &to, protocol, &[]), source.port(), destination.port())
}

/// UDP; `source` and `destination` as `192.0.2.1:5060` or `[2001:db8::1]:5060`.
#[must_use]
pub fn udp(source: &str, destination: &str, payload: impl AsRef<[u8]>) -> Datagram {
    let (mut datagram, source_port, destination_port) = transport(source, destination, 17);
    let length = u16::try_from(UdpHeader::LEN + payload.as_ref().len()).expect("fits UDP");
    let header = UdpHeader { source_port, destination_port, length, checksum: 0 };
    datagram.body.extend(header.to_bytes());
    datagram.body.extend(payload.as_ref());
    datagram
}

/// TCP.
#[must_use]
pub fn tcp(source: &str, destination: &str, kind: Tcp, payload: impl AsRef<[u8]>) -> Datagram {
    let (mut datagram, source_port, destination_port) = transport(source, destination, 6);
    let mut header = TcpHeader::new(source_port, destination_port, 1000, 65535);
    header.syn = matches!(kind, Tcp::Syn | Tcp::SynAck);
    header.ack = !matches!(kind, Tcp::Syn);
    header.fin = matches!(kind, Tcp::Fin);
    header.rst = matches!(kind, Tcp::Rst);
    header.psh = matches!(kind, Tcp::Data);
    datagram.body.extend(header.to_bytes());
    datagram.body.extend(payload.as_ref());
    datagram
}

/// SCTP with one DATA chunk (RFC 9260 section 3.3.1).
#[must_use]
pub fn sctp(source: &str, destination: &str, payload: impl AsRef<[u8]>) -> Datagram {
    let (mut datagram, source_port, destination_port) = transport(source, destination, 132);
    let length = u16::try_from(16 + payload.as_ref().len()).expect("fits a chunk");
    datagram.body.extend(source_port.to_be_bytes());
    datagram.body.extend(destination_port.to_be_bytes());
    datagram.body.extend([0; 8]);
    datagram.body.extend([0, 3]);
    datagram.body.extend(length.to_be_bytes());
    datagram.body.extend([0; 12]);
    datagram.body.extend(payload.as_ref());
    datagram
}

/// ICMP or ICMPv6, by the family of the addresses.
#[must_use]
pub fn icmp(source: &str, destination: &str, kind: u8) -> Datagram {
    let protocol = if source.contains(':') { 58 } else { 1 };
    ip(source, destination, protocol, &[kind, 0, 0, 0, 0, 0, 0, 0])
}

impl Datagram {
    /// A TCP segment with these sequence and acknowledgement numbers.
    #[must_use]
    pub fn numbered(mut self, sequence: u32, acknowledgement: u32) -> Self {
        self.body[4..8].copy_from_slice(&sequence.to_be_bytes());
        self.body[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
        self
    }

    /// With this many hops left.
    #[must_use]
    pub const fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// With IPv4 options; their length is a multiple of four.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// With these IPv6 extension headers of eight bytes each.
    #[must_use]
    pub fn extensions(mut self, extensions: &[u8]) -> Self {
        self.extensions = extensions.to_vec();
        self
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let (next, chain) = self.chain();
        self.part(next, &[chain.as_slice(), &self.body].concat(), 0, false)
    }

    /// The frame with other bytes from `offset`, counted from the network header.
    #[must_use]
    pub fn patched(&self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut frame = self.frame();
        let place = NETWORK + offset;
        frame[place..place + bytes.len()].copy_from_slice(bytes);
        frame
    }

    /// The frame with other bytes from `offset`, counted from the transport header.
    #[must_use]
    pub fn body_patched(&self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        self.patched(self.frame().len() - NETWORK - self.body.len() + offset, bytes)
    }

    /// The frame cut off behind this many bytes of what its IP header (without options) carries,
    /// the length in that header to match.
    #[must_use]
    pub fn cut(&self, left: u8) -> Vec<u8> {
        let (offset, header, length) = match self.source {
            IpAddr::V4(_) => (2, 20, 20 + left),
            IpAddr::V6(_) => (4, 40, left),
        };
        let mut frame = self.patched(offset, &[0, length]);
        frame.truncate(NETWORK + header + usize::from(left));
        frame
    }

    /// Two fragments: the first with `at` bytes of the body (a multiple of eight), then the rest.
    #[must_use]
    pub fn fragments(&self, at: usize) -> [Vec<u8>; 2] {
        let [first, second] = self.fragments_at(&[at]).try_into().expect("one cut, two pieces");
        [first, second]
    }

    /// Fragments of the body, cut at these places: rising multiples of eight.
    #[must_use]
    pub fn fragments_at(&self, cuts: &[usize]) -> Vec<Vec<u8>> {
        let begins = [&[0], cuts].concat();
        let ends = [cuts, &[self.body.len()]].concat();
        let pieces = begins.into_iter().zip(ends);
        pieces.map(|(begin, end)| self.fragment(begin, end)).collect()
    }

    fn fragment(&self, begin: usize, end: usize) -> Vec<u8> {
        assert!(begin.is_multiple_of(8) && begin < end, "fragments end at eight bytes");
        let place = u16::try_from(begin / 8).expect("fits 13 bits");
        let (piece, more) = (&self.body[begin..end], end < self.body.len());
        match self.source {
            IpAddr::V4(_) => self.part(self.protocol, piece, place, more),
            IpAddr::V6(_) => {
                let field = (place << 3 | u16::from(more)).to_be_bytes();
                let header = [self.protocol, 0, field[0], field[1], 0, 0, 0, 7];
                self.part(44, &[header.as_slice(), piece].concat(), 0, false)
            }
        }
    }

    /// The extension headers, and the number of the first header of all.
    fn chain(&self) -> (u8, Vec<u8>) {
        let mut chain = Vec::new();
        let numbers = self.extensions.iter().skip(1).chain([&self.protocol]);
        for (kind, next) in self.extensions.iter().zip(numbers) {
            // PadN fills the options; a routing header without segments and an atomic fragment
            // have zeros there.
            let rest = match *kind {
                extension::ROUTING | extension::ATOMIC_FRAGMENT => [0; 6],
                _ => [1, 4, 0, 0, 0, 0],
            };
            chain.extend([*next, 0]);
            chain.extend(rest);
        }
        (self.extensions.first().copied().unwrap_or(self.protocol), chain)
    }

    fn part(&self, protocol: u8, body: &[u8], place: u16, more: bool) -> Vec<u8> {
        let (ether_type, header) = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = Ipv4Header {
                    identification: 7,
                    dont_fragment: false,
                    more_fragments: more,
                    fragment_offset: IpFragOffset::try_new(place).expect("fits 13 bits"),
                    time_to_live: self.hops,
                    protocol: IpNumber(protocol),
                    source: source.octets(),
                    destination: destination.octets(),
                    options: Ipv4Options::try_from(self.options.as_slice()).expect("fits"),
                    ..Ipv4Header::default()
                };
                header.set_payload_len(body.len()).expect("fits IPv4");
                header.header_checksum = header.calc_header_checksum();
                (EtherType::IPV4, header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut header = Ipv6Header {
                    next_header: IpNumber(protocol),
                    hop_limit: self.hops,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                header.set_payload_length(body.len()).expect("fits IPv6");
                (EtherType::IPV6, header.to_bytes().to_vec())
            }
            _ => unreachable!("both addresses are of one family"),
        };
        ethernet(ether_type.0, &[header.as_slice(), body].concat())
    }
}

/// A frame of any ethertype.
#[must_use]
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let header = Ethernet2Header {
        source: [2, 0, 0, 0, 0, 1],
        destination: [2, 0, 0, 0, 0, 2],
        ether_type: EtherType(ether_type),
    };
    [header.to_bytes().as_slice(), payload].concat()
}

/// The frame with a tag of this ethertype in front.
#[must_use]
fn tagged(frame: &[u8], ether_type: u16, vlan: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(NETWORK - 2);
    let tag = [ether_type.to_be_bytes(), vlan.to_be_bytes()].concat();
    [addresses, &tag, rest].concat()
}

/// The frame within an 802.1Q VLAN.
#[must_use]
pub fn wrapped_in_vlan(frame: &[u8], vlan: u16) -> Vec<u8> {
    tagged(frame, 0x8100, vlan)
}

/// The frame within a customer's VLAN within a provider's (802.1ad).
#[must_use]
pub fn wrapped_in_qinq(frame: &[u8], outer: u16, inner: u16) -> Vec<u8> {
    tagged(&tagged(frame, 0x8100, inner), 0x88a8, outer)
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketHeaders, TransportHeader};

    use super::*;

    fn reread(frame: &[u8]) -> PacketHeaders<'_> {
        PacketHeaders::from_ethernet_slice(frame).expect("sound")
    }

    #[test]
    fn what_is_built_reads_back() {
        let plain = udp("192.0.2.1:40000", "198.51.100.10:5060", "hello");
        for frame in [
            plain.frame(),
            plain.clone().options(&[1; 8]).frame(),
            wrapped_in_vlan(&plain.frame(), 7),
            wrapped_in_qinq(&plain.frame(), 7, 8),
            udp("[2001:db8::1]:40000", "[2001:db8::2]:5060", "hello")
                .extensions(&[extension::HOP_BY_HOP, extension::ROUTING, extension::DESTINATION])
                .frame(),
        ] {
            let headers = reread(&frame);
            let ports = headers.transport.and_then(TransportHeader::udp).expect("UDP");
            assert_eq!((ports.source_port, ports.destination_port), (40000, 5060));
            assert_eq!(headers.payload.slice(), b"hello");
        }
    }

    #[test]
    fn fragments_join_to_the_whole() {
        for datagram in [
            udp("192.0.2.1:40000", "198.51.100.10:5060", [7; 100]),
            udp("[2001:db8::1]:40000", "[2001:db8::2]:5060", [7; 100]),
        ] {
            let whole = datagram.frame();
            let [first, second] = datagram.fragments(48);
            assert!(first.len() < whole.len() && second.len() < whole.len());
            let joined = [&first[first.len() - 48..], &second[second.len() - 60..]].concat();
            assert_eq!(joined, whole[whole.len() - 108..]);
            assert!(reread(&first).net.is_some() && reread(&second).net.is_some());
        }
    }
}
