//! Classify: from who speaks and what is said to the class of a frame.
//!
//! Precedence: Infrastructure, Protected, Management, Allowed, Denied, Limited, Other. Limits
//! and modes are not known here; the result only says which limit would apply.

use core::hint::black_box;

use crate::abi::acl::{ACTION_ALLOW, AclBlock, AclEntry};
use crate::abi::party::{
    CONFIGURED, ELEMENT, HOST, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT, PEER,
    Party, TUNNEL,
};
use crate::abi::policy::{Interface, LENGTHS6_MAX, SCOPE_TRANSIT};
use crate::abi::state::alarm;
use crate::address::Address;
use crate::bytes::Packet;
use crate::class::Kind;
use crate::frame::{Defect, Fragment, Frame, Version};
use crate::pins;
use crate::prefix::{self, LENGTHS4_MAX};
use crate::reason::Reason;
use crate::sip::start_line;
use crate::tables::Tables;
use crate::wire::icmp::{Purpose, purpose4, purpose6};
use crate::wire::{port, protocol};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Passes whatever the limits say.
    Pass(Reason),
    /// A deny entry matched.
    Deny,
    /// Subject to the limits of this kind.
    Limit(Kind),
}

/// What a frame is and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What it is.
    pub finding: Finding,
    /// Counter slot: of the destination element, else the source element, else 0.
    pub slot: u32,
}

/// What the configuration says about one end of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct End {
    /// Zones in which the address is believed.
    zones: u64,
    /// Role bits; none for a stranger, and for a source that is not believed.
    roles: u32,
    /// Counter slot of the element that owns the address.
    slot: u32,
    /// The kind of service the frame's port belongs to at this end; 0 for none.
    service: u32,
    /// For the end of a tunnel: the kind of service the port at the *other* end would belong to.
    /// VXLAN and NAT-T choose their source port freely, so that one configured end must do.
    crossing: u32,
}

impl End {
    #[inline(always)]
    const fn is(&self, roles: u32) -> bool {
        self.roles & roles != 0
    }

    /// Whether this end's tunnel comes in by the other end's port.
    #[inline(always)]
    const fn crosses(&self) -> bool {
        self.crossing == KIND_TUNNEL as u32
    }

    #[inline(always)]
    const fn serves(&self, kind: u8) -> bool {
        self.service == kind as u32
    }
}

/// The two ends of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ends {
    source: End,
    destination: End,
}

/// Classifies a parsed IP frame. `ends` is memory to work in.
#[inline(always)]
pub fn classify<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
    interface: u32,
) -> Classified {
    ends.find(frame, tables, interface);
    let slot = match ends.destination.slot {
        0 => ends.source.slot,
        slot => slot,
    };
    let finding = if is_control(frame) && is_proven(frame, ends) {
        Finding::Pass(Reason::CONTROL)
    } else if let Some(reason) = protected(packet, frame, ends, tables) {
        Finding::Pass(reason)
    } else if is_management(ends) {
        Finding::Pass(Reason::MANAGEMENT)
    } else {
        match listed(frame, tables) {
            Listed::Allowed => Finding::Pass(Reason::ALLOWED),
            Listed::Denied => Finding::Deny,
            Listed::Nothing => unlisted(frame, ends, tables),
        }
    };
    Classified { finding, slot }
}

/// The zones (bits) a frame came in by.
#[inline(never)]
fn zones<T: Tables>(tables: &T, index: u32, vlan: u16) -> u64 {
    let Some(policy) = tables.policy() else {
        return u64::MAX;
    };
    let found =
        policy.interfaces.iter().position(|interface| interface.index == index && index != 0);
    // The black box lets the ways of the search meet: the verifier would follow each place of
    // each VLAN of each interface.
    match found.and_then(|place| policy.interfaces.get(black_box(place))) {
        Some(interface) if vlan == 0 => interface.untagged,
        Some(interface) => 1 << (zone(interface, vlan) & 63),
        None => {
            // Our own failure, not the sender's: believe every address.
            tables.alarm(alarm::UNKNOWN_INTERFACE);
            u64::MAX
        }
    }
}

/// The zone of a VLAN, which is not 0, of an interface.
#[inline(always)]
fn zone(interface: &Interface, vlan: u16) -> u16 {
    for tagged in &interface.vlans {
        if tagged.id == vlan {
            return tagged.zone;
        }
    }
    interface.zone
}

impl Ends {
    /// Looks up both ends of a frame that came in by this interface.
    ///
    /// Not inlined and kept in memory for the reason given at [`Frame::parse`].
    #[inline(never)]
    fn find<T: Tables>(&mut self, frame: &Frame, tables: &T, interface: u32) {
        let ports = (frame.destination_port, frame.source_port);
        self.destination.find(frame, &frame.destination, ports, tables);
        self.source.find(frame, &frame.source, (ports.1, ports.0), tables);
        if self.source.roles != 0 && self.source.zones & zones(tables, interface, frame.vlan) == 0 {
            // A configured address where it is not bound: spoofed, or a re-route nobody knows of.
            tables.alarm(alarm::UNBOUND_SOURCE);
            self.source = End::default();
        }
    }
}

impl End {
    /// Looks up one end, given its own port and the other end's.
    #[inline(never)]
    fn find<T: Tables>(
        &mut self,
        frame: &Frame,
        address: &Address,
        (own, other): (u16, u16),
        tables: &T,
    ) {
        let party = match frame.version {
            Version::V4 => party4(tables, address.ipv4()),
            Version::V6 => party6(tables, address),
            Version::Unknown => None,
        };
        *self = match party {
            Some(party) => Self {
                zones: party.zones,
                roles: party.roles,
                slot: party.slot,
                service: service(party, frame.protocol, own),
                crossing: if party.roles & TUNNEL == 0 {
                    0
                } else {
                    service(party, frame.protocol, other)
                },
            },
            None => Self::default(),
        };
    }
}

/// The kind of the first service that fits; 0 for none.
#[inline(never)]
fn service(party: &Party, protocol: u8, port: u16) -> u32 {
    for service in &party.services {
        if service.kind == 0 {
            break;
        }
        if service.protocol == protocol && service.port_low <= port && port <= service.port_high {
            return u32::from(service.kind);
        }
    }
    0
}

/// The longest configured prefix around an IPv4 address.
#[inline(never)]
fn party4<T: Tables>(tables: &T, address: [u8; 4]) -> Option<&Party> {
    let mut lengths = prefix::Lengths::new(tables.party_lengths4(prefix::bucket4(address)));
    for _ in 0..LENGTHS4_MAX {
        let length = prefix::length4(lengths.take()?);
        if let Some(party) = tables.party4(&prefix::network4(address, length)) {
            return Some(party);
        }
    }
    None
}

/// The longest configured prefix around an IPv6 address.
#[inline(never)]
fn party6<'a, T: Tables>(tables: &'a T, address: &Address) -> Option<&'a Party> {
    let policy = tables.policy()?;
    let mut lengths = prefix::Lengths::new(tables.party_lengths6(prefix::bucket6(address.0)));
    for _ in 0..LENGTHS6_MAX {
        let length = prefix::length6(&policy.party_lengths6, lengths.take()?)?;
        if let Some(party) = tables.party6(&prefix::network6(address.0, length)) {
            return Some(party);
        }
    }
    None
}

/// Whether the frame is control traffic of the network itself.
#[inline(always)]
fn is_control(frame: &Frame) -> bool {
    match frame.protocol {
        protocol::UDP => {
            matches!(
                frame.destination_port,
                port::DHCP_SERVER
                    | port::DHCP_CLIENT
                    | port::DHCPV6_CLIENT
                    | port::DHCPV6_SERVER
                    | port::LDP
                    | port::BFD
                    | port::BFD_ECHO
                    | port::BFD_MULTIHOP
            )
        }
        protocol::TCP => {
            matches!(frame.destination_port, port::BGP | port::LDP)
                || matches!(frame.source_port, port::BGP | port::LDP)
        }
        protocol::ICMP => {
            matches!(purpose4(frame.icmp_type), Purpose::Error | Purpose::Group)
                && matches!(frame.version, Version::V4)
        }
        protocol::ICMPV6 => {
            matches!(
                purpose6(frame.icmp_type),
                Purpose::Error | Purpose::Neighbour | Purpose::Group
            ) && matches!(frame.version, Version::V6)
        }
        protocol::IGMP | protocol::OSPF | protocol::PIM | protocol::VRRP => true,
        _ => false,
    }
}

/// Whether control traffic shows that it comes from a neighbour: link-local scope, a hop limit
/// that no router has touched (RFC 5082), or a configured sender.
#[inline(always)]
fn is_proven(frame: &Frame, ends: &Ends) -> bool {
    frame.hop_limit == 255 || ends.source.is(CONFIGURED) || is_link_scope(frame)
}

/// Destinations that routers do not forward: 224.0.0.0/24, 255.255.255.255, 169.254.0.0/16;
/// ff02::/16, fe80::/10.
#[inline(always)]
fn is_link_scope(frame: &Frame) -> bool {
    let [a, b, c, d, ..] = frame.destination.0;
    match frame.version {
        Version::V4 => {
            matches!((a, b, c), (224, 0, 0))
                || matches!((a, b), (169, 254))
                || matches!((a, b, c, d), (255, 255, 255, 255))
        }
        Version::V6 => matches!((a, b), (0xff, 0x02)) || (a == 0xfe && b & 0xc0 == 0x80),
        Version::Unknown => false,
    }
}

/// Why the frame is protected, if it is.
#[inline(always)]
fn protected<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
) -> Option<Reason> {
    if ends.source.is(CONFIGURED)
        && ends.destination.is(CONFIGURED)
        && let Some(reason) = between_configured(frame, ends)
    {
        return Some(reason);
    }
    if ends.source.is(ELEMENT)
        && let Some(reason) = from_element(packet, frame, ends, tables)
    {
        return Some(reason);
    }
    if ends.destination.is(ELEMENT) && ends.destination.serves(KIND_SIP) {
        return from_stranger(packet, frame, tables);
    }
    None
}

/// Between configured parties, protection needs no state at all.
#[inline(always)]
fn between_configured(frame: &Frame, ends: &Ends) -> Option<Reason> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Reason::FRAGMENT);
    }
    if !matches!(frame.defect, Defect::None) {
        return Some(Reason::UNCLEAR);
    }
    let either_serves = |kind| ends.source.serves(kind) || ends.destination.serves(kind);
    // The host may be an element that nobody configured as one.
    let speak_sip = ends.source.is(ELEMENT | PEER) && ends.destination.is(ELEMENT | PEER | HOST);
    if speak_sip && either_serves(KIND_SIP) {
        return Some(Reason::SIGNALLING);
    }
    if either_serves(KIND_SUPPORT) {
        return Some(Reason::SUPPORT);
    }
    if either_serves(KIND_TUNNEL) || ends.source.crosses() || ends.destination.crosses() {
        return Some(Reason::TUNNEL);
    }
    if matches!(frame.protocol, protocol::ICMP | protocol::ICMPV6) {
        return Some(Reason::CONTROL);
    }
    if speak_sip && ends.source.serves(KIND_MEDIA) && ends.destination.serves(KIND_MEDIA) {
        return Some(Reason::MEDIA);
    }
    None
}

/// What an element sends to a stranger: the other half of a call. Its signalling confirms pins.
#[inline(always)]
fn from_element<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
) -> Option<Reason> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Reason::FRAGMENT);
    }
    if ends.source.serves(KIND_SIP) {
        // A request of the element's own (a call-back, say) opens the way for its answers.
        let opens =
            frame.protocol == protocol::UDP && start_line::is_request(packet, frame.payload);
        pins::element_spoke(tables, frame, opens);
        return Some(Reason::ELEMENT_OUT);
    }
    ends.source.serves(KIND_MEDIA).then_some(Reason::ELEMENT_OUT)
}

/// A stranger at an element's SIP service: the marker protects, and so does a pin.
#[inline(always)]
fn from_stranger<P: Packet, T: Tables>(packet: &P, frame: &Frame, tables: &T) -> Option<Reason> {
    if !matches!(frame.defect, Defect::None) || matches!(frame.fragment, Fragment::Later) {
        return None;
    }
    let marked = frame.payload != 0 && start_line::is_emergency(packet, frame.payload);
    if pins::stranger_spoke(tables, frame, marked) {
        return Some(Reason::DIALOG);
    }
    marked.then_some(Reason::MARKED)
}

/// From a management station, or from a configured party to one.
#[inline(always)]
const fn is_management(ends: &Ends) -> bool {
    ends.source.is(MANAGEMENT) || (ends.destination.is(MANAGEMENT) && ends.source.is(CONFIGURED))
}

/// What the allow and deny lists say about a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Nothing,
    Allowed,
    Denied,
}

/// What the allow and deny lists say. An allow entry wins over every deny entry.
#[inline(never)]
fn listed<T: Tables>(frame: &Frame, tables: &T) -> Listed {
    let entry = match frame.version {
        Version::V4 => acl4(tables, frame.source.ipv4()),
        Version::V6 => acl6(tables, &frame.source),
        Version::Unknown => None,
    };
    let Some(entry) = entry else {
        return Listed::Nothing;
    };
    let now = tables.now();
    if entry.allow_until > now {
        return Listed::Allowed;
    }
    if let Some(number) = entry.block.checked_sub(1)
        && let Some(block) = tables.acl_block(number)
    {
        match block_says(block, frame, now) {
            Listed::Nothing => {}
            says => return says,
        }
    }
    if entry.deny_until > now { Listed::Denied } else { Listed::Nothing }
}

/// The longest listed prefix around an IPv4 address.
#[inline(never)]
fn acl4<T: Tables>(tables: &T, address: [u8; 4]) -> Option<AclEntry> {
    let mut lengths = prefix::Lengths::new(tables.acl_lengths4(prefix::bucket4(address)));
    for _ in 0..LENGTHS4_MAX {
        let length = prefix::length4(lengths.take()?);
        if let Some(entry) = tables.acl4(&prefix::network4(address, length)) {
            return Some(entry);
        }
    }
    None
}

/// The longest listed prefix around an IPv6 address.
#[inline(never)]
fn acl6<T: Tables>(tables: &T, address: &Address) -> Option<AclEntry> {
    let policy = tables.policy()?;
    let mut lengths = prefix::Lengths::new(tables.acl_lengths6(prefix::bucket6(address.0)));
    for _ in 0..LENGTHS6_MAX {
        let length = prefix::length6(&policy.acl_lengths6, lengths.take()?)?;
        if let Some(entry) = tables.acl6(&prefix::network6(address.0, length)) {
            return Some(entry);
        }
    }
    None
}

/// What the conditional rules of a block say; allow rules come first in a block.
#[inline(always)]
fn block_says(block: &AclBlock, frame: &Frame, now: u64) -> Listed {
    let destination = mapped_destination(frame).halves();
    for rule in &block.rules {
        let (network, mask) =
            (Address(rule.destination).halves(), Address(rule.destination_mask).halves());
        let differs = (destination.0 & mask.0) ^ network.0 | (destination.1 & mask.1) ^ network.1;
        if rule.until > now
            && differs == 0
            && (rule.protocol == 0 || rule.protocol == frame.protocol)
            && rule.port_low <= frame.destination_port
            && frame.destination_port <= rule.port_high
        {
            return if rule.action == ACTION_ALLOW { Listed::Allowed } else { Listed::Denied };
        }
    }
    Listed::Nothing
}

/// The destination as an IPv6 address; IPv4 as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[inline(always)]
const fn mapped_destination(frame: &Frame) -> Address {
    match frame.version {
        Version::V4 => {
            let [a, b, c, d] = frame.destination.ipv4();
            Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
        }
        Version::V6 | Version::Unknown => frame.destination,
    }
}

/// What is left: limited if it is aimed at what the guard protects.
#[inline(always)]
fn unlisted<T: Tables>(frame: &Frame, ends: &Ends, tables: &T) -> Finding {
    let limits_transit = tables.policy().is_some_and(|policy| policy.scope & SCOPE_TRANSIT != 0);
    let in_scope = ends.destination.is(ELEMENT | HOST)
        || limits_transit
        // Without addresses there is nobody it could be meant for.
        || matches!(frame.version, Version::Unknown);
    if in_scope { Finding::Limit(kind(frame, ends)) } else { Finding::Pass(Reason::OUT_OF_SCOPE) }
}

/// The kind of a frame that nothing else claims.
#[inline(always)]
fn kind(frame: &Frame, ends: &Ends) -> Kind {
    match frame.defect {
        Defect::Network | Defect::Transport => return Kind::Invalid,
        Defect::Chain => return Kind::OtherIp,
        Defect::None => {}
    }
    if matches!(frame.fragment, Fragment::Later) {
        return Kind::Fragment;
    }
    if is_control(frame) {
        return Kind::Control;
    }
    let to_sip = ends.destination.serves(KIND_SIP);
    match frame.protocol {
        protocol::UDP if to_sip => Kind::Sip,
        protocol::UDP if ends.destination.serves(KIND_TUNNEL) => Kind::Tunnel,
        protocol::UDP if port::amplifies(frame.source_port) => Kind::Amplification,
        protocol::UDP => Kind::Udp,
        protocol::TCP if frame.tcp_opens => Kind::Syn,
        protocol::TCP => Kind::Tcp,
        protocol::SCTP if to_sip => Kind::Sip,
        protocol::ICMP if matches!(purpose4(frame.icmp_type), Purpose::Echo) => Kind::IcmpEcho,
        protocol::ICMPV6 if matches!(purpose6(frame.icmp_type), Purpose::Echo) => Kind::IcmpEcho,
        protocol::GRE | protocol::ESP | protocol::AH | protocol::IPIP | protocol::IPV6 => {
            Kind::Tunnel
        }
        _ => Kind::OtherIp,
    }
}
