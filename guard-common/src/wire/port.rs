//! Port numbers (IANA "Service Name and Transport Protocol Port Number Registry").

/// BGP, TCP.
pub const BGP: u16 = 179;
/// LDP, UDP and TCP (RFC 5036).
pub const LDP: u16 = 646;
/// DHCP server and relay, UDP.
pub const DHCP_SERVER: u16 = 67;
/// DHCP client, UDP.
pub const DHCP_CLIENT: u16 = 68;
/// DHCPv6 client, UDP.
pub const DHCPV6_CLIENT: u16 = 546;
/// DHCPv6 server and relay, UDP.
pub const DHCPV6_SERVER: u16 = 547;
/// BFD control, single hop, UDP (RFC 5881).
pub const BFD: u16 = 3784;
/// BFD echo, UDP (RFC 5881).
pub const BFD_ECHO: u16 = 3785;
/// BFD control, multihop, UDP (RFC 5883).
pub const BFD_MULTIHOP: u16 = 4784;
/// IKE, UDP.
pub const IKE: u16 = 500;
/// IKE and ESP through NAT, UDP (RFC 3948).
pub const IKE_NAT: u16 = 4500;
/// VXLAN, UDP (RFC 7348).
pub const VXLAN: u16 = 4789;

/// Source ports of services that answer with more than they were asked, as seen in reflection
/// attacks (US-CERT alert TA14-017A): QOTD, chargen, DNS, TFTP, portmapper, NTP, NetBIOS, SNMP,
/// CLDAP, RIP, SSDP, WS-Discovery, mDNS, memcached.
#[must_use]
#[inline(always)]
pub const fn amplifies(port: u16) -> bool {
    matches!(
        port,
        17 | 19 | 53 | 69 | 111 | 123 | 137 | 161 | 389 | 520 | 1900 | 3702 | 5353 | 11211
    )
}
