//! IP protocol numbers (IANA "Assigned Internet Protocol Numbers"), and the words for those that
//! people read and write by name.

/// ICMP for IPv4.
pub const ICMP: u8 = 1;
/// IGMP.
pub const IGMP: u8 = 2;
/// IPv4 within IP.
pub const IPIP: u8 = 4;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6 within IP.
pub const IPV6: u8 = 41;
/// IPv6 routing header.
pub const ROUTING: u8 = 43;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// GRE.
pub const GRE: u8 = 47;
/// ESP.
pub const ESP: u8 = 50;
/// AH.
pub const AH: u8 = 51;
/// ICMP for IPv6.
pub const ICMPV6: u8 = 58;
/// IPv6 destination options.
pub const DESTINATION_OPTIONS: u8 = 60;
/// IPv6 hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// OSPF.
pub const OSPF: u8 = 89;
/// PIM.
pub const PIM: u8 = 103;
/// VRRP.
pub const VRRP: u8 = 112;
/// SCTP.
pub const SCTP: u8 = 132;
/// IPv6 mobility header.
pub const MOBILITY: u8 = 135;
/// HIP.
pub const HIP: u8 = 139;
/// Shim6.
pub const SHIM6: u8 = 140;
/// Reserved by IANA: what a frame whose protocol could not be found out carries here.
pub const UNKNOWN: u8 = 255;

/// The words, one for each: in configurations, on the command line, in tables and in JSON.
pub const NAMES: [(&str, u8); 10] = [
    ("icmp", ICMP),
    ("ipip", IPIP),
    ("tcp", TCP),
    ("udp", UDP),
    ("ipv6", IPV6),
    ("gre", GRE),
    ("esp", ESP),
    ("ah", AH),
    ("icmpv6", ICMPV6),
    ("sctp", SCTP),
];

/// The word for a protocol, if it has one.
#[must_use]
pub fn name(number: u8) -> Option<&'static str> {
    NAMES.iter().find(|(_, named)| *named == number).map(|(name, _)| *name)
}
