//! The inside of tunnels and label stacks: where it begins, and with which header.
//!
//! Only what can be read has an inside here: GRE, IP in IP, VXLAN and MPLS. The kernel half looks
//! at it in a program of its own ([`crate::guard::look_inside`]), because the verifier counts the
//! headers of the inside like those of the outside.

use crate::bytes::{OFFSET_MAX, Packet};
use crate::frame::{Defect, Fragment, Frame};
use crate::wire::{ethernet, gre, protocol, vxlan};

/// What the inside begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header; its first four bits say which.
    Ip,
    /// MPLS labels.
    Labels,
}

/// Where an inside begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What begins there.
    pub layer: Layer,
    /// Place in the frame, at most [`OFFSET_MAX`].
    pub offset: usize,
}

impl Start {
    const ETHERNET: u32 = 1 << 16;
    const IP: u32 = 2 << 16;
    const LABELS: u32 = 3 << 16;

    /// As a word, which is never 0.
    #[must_use]
    #[inline(always)]
    pub const fn packed(self) -> u32 {
        let layer = match self.layer {
            Layer::Ethernet => Self::ETHERNET,
            Layer::Ip => Self::IP,
            Layer::Labels => Self::LABELS,
        };
        layer | self.offset as u32 & 0xffff
    }

    /// From a word that [`Start::packed`] made; none from any other.
    #[must_use]
    #[inline(always)]
    pub const fn unpacked(word: u32) -> Option<Self> {
        let layer = match word & 0xffff_0000 {
            Self::ETHERNET => Layer::Ethernet,
            Self::IP => Layer::Ip,
            Self::LABELS => Layer::Labels,
            _ => return None,
        };
        Some(Self { layer, offset: (word & 0xffff) as usize })
    }

    /// What a tunnel's frame has inside. None where it is a fragment, where nothing can be read,
    /// or where it lies deeper than is looked: such a frame passes as the tunnel's.
    #[inline(always)]
    pub fn of_tunnel<P: Packet>(packet: &P, frame: &Frame) -> Option<Self> {
        let Frame { payload, fragment: Fragment::Whole, defect: Defect::None, .. } = *frame else {
            return None;
        };
        if payload == 0 {
            return None;
        }
        let payload = usize::from(payload);
        let start = match frame.protocol {
            protocol::IPIP | protocol::IPV6 => Self { layer: Layer::Ip, offset: payload },
            protocol::GRE => {
                let gre::Header { length, ethertype } = gre::Header::read(packet, payload)?;
                let layer = match ethertype {
                    ethernet::IPV4 | ethernet::IPV6 => Layer::Ip,
                    ethernet::BRIDGED => Layer::Ethernet,
                    ethernet::MPLS => Layer::Labels,
                    _ => return None,
                };
                Self { layer, offset: payload + length }
            }
            // The only one by UDP that can be read, and so the only one that has an inside.
            protocol::UDP => Self { layer: Layer::Ethernet, offset: payload + vxlan::HEADER },
            _ => return None,
        };
        (start.offset <= OFFSET_MAX).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_survives_the_way_through_a_word() {
        for layer in [Layer::Ethernet, Layer::Ip, Layer::Labels] {
            let start = Start { layer, offset: 1234 };
            assert_eq!(Start::unpacked(start.packed()), Some(start));
        }
        assert_eq!(Start::unpacked(0), None);
        assert_eq!(Start::unpacked(u32::MAX), None);
    }
}
