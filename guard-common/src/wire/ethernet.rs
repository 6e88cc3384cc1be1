//! Ethernet II (IEEE 802.3) and VLAN tags (802.1Q, 802.1ad).
//!
//! ```text
//! 0             6             12     14
//! | destination | source      | type |
//!                             | 8100 | TCI | type |      one tag, 4 bytes
//! ```

use crate::bytes::Packet;

/// Length of the header without tags.
pub const HEADER: usize = 14;
/// Length of one VLAN tag.
pub const TAG: usize = 4;
/// Tags that are followed: a customer's within a provider's. What has more is not IP to us.
pub const VLAN_MAX_DEPTH: usize = 2;

/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Ethertype of MPLS labels.
pub const MPLS: u16 = 0x8847;
/// Ethertype, within GRE, of an Ethernet frame (RFC 1701, Transparent Ethernet Bridging).
pub const BRIDGED: u16 = 0x6558;

/// Ethertypes of a VLAN tag: 802.1Q, 802.1ad, and 0x9100 that older bridges use for QinQ.
#[must_use]
#[inline(always)]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// What the link layer says about the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Ethertype behind the tags.
    pub ethertype: u16,
    /// Outermost VLAN identifier that is not 0; 0 without one.
    pub vlan: u16,
    /// Where the network header begins.
    pub network: usize,
}

impl Link {
    /// Reads the header at this place and up to [`VLAN_MAX_DEPTH`] tags. `None`: no whole Ethernet
    /// header.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: usize) -> Option<Self> {
        let network = offset + HEADER;
        let mut link = Self { ethertype: packet.u16(network - 2)?, vlan: 0, network };
        for _ in 0..VLAN_MAX_DEPTH {
            if !is_tag(link.ethertype) {
                break;
            }
            // A tag cut short stays the ethertype: not IP.
            let Some([tci_high, tci_low, type_high, type_low]) = packet.read(link.network) else {
                break;
            };
            // Identifier 0 only carries a priority (802.1Q section 9.6) and names no VLAN.
            if link.vlan == 0 {
                link.vlan = u16::from_be_bytes([tci_high, tci_low]) & 0x0fff;
            }
            link.ethertype = u16::from_be_bytes([type_high, type_low]);
            link.network += TAG;
        }
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ip_behind_two_tags() {
        let mut frame = vec![0u8; 12];
        frame.extend([0x88, 0xa8, 0x20, 0x64, 0x81, 0x00, 0x00, 0x07, 0x08, 0x00]);
        let link = Link::read(&frame.as_slice(), 0);
        assert_eq!(link, Some(Link { ethertype: IPV4, vlan: 100, network: 22 }));
    }

    #[test]
    fn a_priority_tag_names_no_vlan() {
        let mut frame = vec![0u8; 12];
        frame.extend([0x88, 0xa8, 0xa0, 0x00, 0x81, 0x00, 0x00, 0x64, 0x08, 0x00]);
        assert!(Link::read(&frame.as_slice(), 0).is_some_and(|link| link.vlan == 100));
    }

    #[test]
    fn a_third_tag_is_not_ip() {
        let mut frame = vec![0u8; 12];
        for _ in 0..3 {
            frame.extend([0x81, 0x00, 0x00, 0x01]);
        }
        frame.extend([0x08, 0x00]);
        assert!(Link::read(&frame.as_slice(), 0).is_some_and(|link| is_tag(link.ethertype)));
    }

    #[test]
    fn too_short_is_none() {
        assert_eq!(Link::read(&[0u8; 13].as_slice(), 0), None);
    }
}
