//! Control traffic of the network itself, and how it proves where it comes from.

use super::ends::Ends;
use crate::abi::party::CONFIGURED;
use crate::frame::{Frame, Version};
use crate::wire::icmp::{Purpose, purpose4, purpose6};
use crate::wire::{port, protocol};

/// Whether the frame is control traffic of the network itself.
#[inline(always)]
pub(super) fn is_control(frame: &Frame) -> bool {
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
pub(super) fn is_proven(frame: &Frame, ends: &Ends) -> bool {
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
