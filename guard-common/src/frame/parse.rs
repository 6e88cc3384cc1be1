//! Parse: from bytes to the facts about a frame, header by header.

use super::{Defect, Fragment, Frame, Parsed, Version};
use crate::address::Address;
use crate::bytes::{OFFSET_MAX, Packet};
use crate::inside::{Layer, Start};
use crate::wire::{ethernet, ipv4, ipv6, mpls, protocol, tcp};

/// Chunks of an SCTP packet that are looked at for user data: behind a SACK, a HEARTBEAT ACK and
/// an ECNE, say.
const SCTP_CHUNKS: usize = 4;
/// User data, which 16 bytes of the chunk's own precede (RFC 9260 section 3.3.1).
const SCTP_DATA: u8 = 0;

impl Frame {
    /// Reads all headers of a packet into `self`.
    ///
    /// The kernel half keeps the frame in map memory, whose content the verifier does not follow, so
    /// that the hundreds of ways through the headers end in one state instead of multiplying with
    /// everything behind them. Inlined: where returns are guarded against speculation, a call costs
    /// five to ten nanoseconds.
    #[inline(always)]
    pub fn parse<P: Packet>(&mut self, packet: &P) -> Parsed {
        *self = Self::unknown();
        self.length = packet.first_buffer();
        let Some(link) = ethernet::Link::read(packet, 0) else {
            self.length = packet.length();
            return Parsed::Unreadable;
        };
        self.vlan = link.vlan;
        self.parse_network(packet, link.ethertype, link.network)
    }

    /// Reads the headers of what is inside of a tunnel, which begins at this packed [`Start`], into
    /// `self`; whether there are addresses. The VLAN stays that of the outside.
    ///
    /// Not inlined: few frames get here, and the verifier would follow more ways.
    #[inline(never)]
    pub fn parse_inside<P: Packet>(&mut self, packet: &P, start: u32) -> bool {
        let Some((ethertype, offset)) = self.inside_at(packet, start) else {
            return false;
        };
        let network = self.next.through(offset as u32 | u32::from(ethertype) << 16);
        *self = Self { vlan: self.vlan, ..Self::unknown() };
        self.length = packet.first_buffer();
        self.parse_network(packet, (network >> 16) as u16, (network & 0x7fff) as usize);
        !matches!(self.version, Version::Unknown)
    }

    /// Ethertype and place of the inside's network header.
    #[inline(always)]
    fn inside_at<P: Packet>(&mut self, packet: &P, start: u32) -> Option<(u16, usize)> {
        let Start { layer, offset } = Start::unpacked(start)?;
        match layer {
            Layer::Ethernet => {
                let link = ethernet::Link::read(packet, offset)?;
                matches!(link.ethertype, ethernet::IPV4 | ethernet::IPV6)
                    .then_some((link.ethertype, link.network))
            }
            Layer::Ip => ip_at(packet, offset),
            Layer::Labels => self.behind_labels(packet, offset),
        }
    }

    /// What lies behind a stack of labels that is no deeper than is followed.
    #[inline(always)]
    fn behind_labels<P: Packet>(&mut self, packet: &P, mut offset: usize) -> Option<(u16, usize)> {
        for _ in 0..mpls::STACK_MAX_DEPTH {
            let entry = packet.read(offset)?;
            let next = self.next.through((offset + mpls::ENTRY) as u32);
            offset = (next & 0x7fff) as usize;
            if mpls::is_bottom(entry) {
                return ip_at(packet, offset);
            }
        }
        None
    }

    /// Reads the network header and what is behind it.
    #[inline(always)]
    fn parse_network<P: Packet>(&mut self, packet: &P, ethertype: u16, offset: usize) -> Parsed {
        let transport = match ethertype {
            ethernet::IPV4 => self.parse_ipv4(packet, offset),
            ethernet::IPV6 => self.parse_ipv6(packet, offset),
            ethernet::MPLS => {
                self.length = packet.length();
                self.set_payload(offset);
                return Parsed::Labels;
            }
            _ => {
                self.length = packet.length();
                return Parsed::NotIp;
            }
        };
        match transport {
            Ok(offset) if matches!(self.fragment, Fragment::Later) => self.set_payload(offset),
            Ok(offset) => {
                if self.parse_transport(packet, offset).is_none() {
                    self.defect = Defect::Transport;
                }
            }
            Err(defect) => self.defect = defect,
        }
        Parsed::Ip
    }

    /// Where the transport header begins, or what is wrong.
    #[inline(always)]
    fn parse_ipv4<P: Packet>(&mut self, packet: &P, offset: usize) -> Result<usize, Defect> {
        let header = ipv4::Header::read(packet, offset).ok_or(Defect::Network)?;
        if header.version != 4 {
            return Err(Defect::Network);
        }
        self.version = Version::V4;
        self.source = Address::from_ipv4(header.source);
        self.destination = Address::from_ipv4(header.destination);
        self.hop_limit = header.ttl;
        self.protocol = header.protocol;
        self.set_fragment(
            header.fragment_offset,
            header.more_fragments,
            u32::from(header.identification),
        );
        if header.header_length < ipv4::HEADER
            || header.total_length < header.header_length
            || !self.reaches(packet, offset + header.total_length)
        {
            return Err(Defect::Network);
        }
        Ok(offset + header.header_length)
    }

    /// Where the transport header begins, or what is wrong.
    #[inline(always)]
    fn parse_ipv6<P: Packet>(&mut self, packet: &P, offset: usize) -> Result<usize, Defect> {
        let header = ipv6::Header::read(packet, offset).ok_or(Defect::Network)?;
        if header.version != 6 {
            return Err(Defect::Network);
        }
        self.version = Version::V6;
        self.source = header.source;
        self.destination = header.destination;
        self.hop_limit = header.hop_limit;
        if !self.reaches(packet, offset + ipv6::HEADER + header.payload_length) {
            return Err(Defect::Network);
        }
        if header.payload_length == 0 {
            // A jumbogram (RFC 2675), whose length stands elsewhere: all that there is.
            self.end = self.length;
        }
        self.follow_extensions(packet, offset + ipv6::HEADER, header.next_header)
    }

    /// Whether the frame is at least so long. The kernel is asked only where the first buffer is
    /// not, because that is a call.
    #[inline(always)]
    fn reaches<P: Packet>(&mut self, packet: &P, end: usize) -> bool {
        self.end = end as u32;
        if end > self.length as usize {
            self.length = packet.length();
        }
        end <= self.length as usize
    }

    /// Follows the chain of extension headers to the transport header.
    #[inline(always)]
    fn follow_extensions<P: Packet>(
        &mut self,
        packet: &P,
        mut offset: usize,
        mut number: u8,
    ) -> Result<usize, Defect> {
        for _ in 0..ipv6::EXT_MAX_CHAIN {
            if !ipv6::is_extension(number) {
                self.protocol = number;
                return Ok(offset);
            }
            let extension = ipv6::Extension::read(packet, offset, number).ok_or(Defect::Chain)?;
            if number == protocol::FRAGMENT {
                let field = extension.fragment;
                self.set_fragment(field >> 3, field & 1 != 0, extension.identification);
                if matches!(self.fragment, Fragment::Later) {
                    self.protocol = extension.next_header;
                    return Ok(offset + extension.length);
                }
            }
            let next = (offset + extension.length) as u32;
            let next = self.next.through(next | u32::from(extension.next_header) << 24);
            number = (next >> 24) as u8;
            // [`OFFSET_MAX`] and the longest header fit, and the verifier of Linux 6.1 goes by this:
            // it forgets the bound below on the copy that is used.
            offset = (next & 0x7fff) as usize;
            if offset > OFFSET_MAX {
                return Err(Defect::Chain);
            }
        }
        // What stands behind the last one that is followed.
        if ipv6::is_extension(number) {
            return Err(Defect::Chain);
        }
        self.protocol = number;
        Ok(offset)
    }

    /// Ports, flags and payload. `None`: the header is cut short or contradicts itself.
    #[inline(always)]
    fn parse_transport<P: Packet>(&mut self, packet: &P, offset: usize) -> Option<()> {
        match self.protocol {
            protocol::UDP => {
                let [s0, s1, d0, d1, l0, l1, _, _]: [u8; 8] = packet.read(offset)?;
                self.set_ports([s0, s1, d0, d1]);
                self.set_payload(offset + 8);
                // A length below the header's cannot be; 0 may be in an IPv6 jumbogram.
                let length = u16::from_be_bytes([l0, l1]);
                (length >= 8 || length == 0).then_some(())
            }
            protocol::TCP => {
                self.set_ports(packet.read(offset)?);
                let header = tcp::Header::read(packet, offset)?;
                self.tcp_flags = header.flags;
                self.sequence = header.sequence;
                self.acknowledgement = header.acknowledgement;
                self.set_payload(offset + header.header_length);
                (header.header_length >= tcp::HEADER).then_some(())
            }
            protocol::SCTP => {
                // The common header is 12 bytes (RFC 9260 section 3).
                let [s0, s1, d0, d1, ..]: [u8; 12] = packet.read(offset)?;
                self.set_ports([s0, s1, d0, d1]);
                self.find_data(packet, offset + 12);
                Some(())
            }
            protocol::ICMP | protocol::ICMPV6 => {
                let [kind, ..]: [u8; 4] = packet.read(offset)?;
                self.icmp_type = kind;
                Some(())
            }
            protocol::GRE | protocol::IPIP | protocol::IPV6 => {
                self.set_payload(offset);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Finds the first chunk of user data among the first [`SCTP_CHUNKS`]: acknowledgements come
    /// before it (RFC 9260 section 6.10).
    #[inline(always)]
    fn find_data<P: Packet>(&mut self, packet: &P, mut offset: usize) {
        for _ in 0..SCTP_CHUNKS {
            let Some([kind, _, high, low]) = packet.read(offset) else {
                return;
            };
            if kind == SCTP_DATA {
                self.set_payload(offset + 16);
                return;
            }
            // Chunks begin at multiples of four bytes.
            offset += (u16::from_be_bytes([high, low]).max(4) as usize + 3) & 0x1fffc;
            if offset > OFFSET_MAX {
                return;
            }
        }
    }

    #[inline(always)]
    const fn set_fragment(&mut self, place: u16, more: bool, identification: u32) {
        self.fragment = match (place, more) {
            (0, false) => return,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        };
        self.fragment_offset = place;
        self.more_fragments = more;
        self.identification = identification;
    }

    #[inline(always)]
    const fn set_payload(&mut self, offset: usize) {
        if offset <= OFFSET_MAX {
            self.payload = offset as u16;
        }
    }

    #[inline(always)]
    const fn set_ports(&mut self, ports: [u8; 4]) {
        let [s0, s1, d0, d1] = ports;
        self.source_port = u16::from_be_bytes([s0, s1]);
        self.destination_port = u16::from_be_bytes([d0, d1]);
    }
}

/// The ethertype of an IP header, by its version, and its place.
#[inline(always)]
fn ip_at<P: Packet>(packet: &P, offset: usize) -> Option<(u16, usize)> {
    let [first] = packet.read(offset)?;
    match first >> 4 {
        4 => Some((ethernet::IPV4, offset)),
        6 => Some((ethernet::IPV6, offset)),
        _ => None,
    }
}
