//! Puts frames into tunnels and behind labels.

use crate::packet::{NETWORK, ethernet, ip, udp};

/// Ethertype of MPLS labels.
const MPLS: u16 = 0x8847;
/// Ethertype, in GRE, of an Ethernet frame.
const BRIDGED: [u8; 2] = [0x65, 0x58];

/// A way to carry a frame from one end of a tunnel to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Its IP packet in GRE.
    Gre,
    /// The same with checksum, key and sequence number.
    GreWithEverything,
    /// The whole frame in GRE.
    GreBridged,
    /// Its IP packet behind two labels in GRE.
    GreLabelled,
    /// Its IP packet in IP.
    IpInIp,
    /// The whole frame in VXLAN.
    Vxlan,
}

impl Carrier {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Gre,
        Self::GreWithEverything,
        Self::GreBridged,
        Self::GreLabelled,
        Self::IpInIp,
        Self::Vxlan,
    ];

    /// The frame on its way between these addresses; `None` if this carries no such frame.
    #[must_use]
    pub fn carry(self, from: &str, to: &str, frame: &[u8]) -> Option<Vec<u8>> {
        let kind = [*frame.get(NETWORK - 2)?, *frame.get(NETWORK - 1)?];
        let packet = frame.get(NETWORK..)?;
        // Without a link header in front, an IP packet's version is all that tells it.
        let version = packet.first().map_or(0, |first| first >> 4);
        let is_ip = matches!((kind, version), ([0x08, 0x00], 4) | ([0x86, 0xdd], 6));
        let gre = |flags: u8, kind: [u8; 2], fields: &[u8], inside: &[u8]| {
            let header = [flags, 0, kind[0], kind[1]];
            ip(from, to, 47, &[&header, fields, inside].concat()).frame()
        };
        Some(match self {
            Self::Gre if is_ip => gre(0, kind, &[], packet),
            Self::GreWithEverything if is_ip => gre(0xb0, kind, &[7; 12], packet),
            Self::GreLabelled if is_ip => gre(0, MPLS.to_be_bytes(), &labels(&[16, 1000]), packet),
            Self::IpInIp if is_ip => {
                ip(from, to, if kind == [0x08, 0x00] { 4 } else { 41 }, packet).frame()
            }
            Self::Gre | Self::GreWithEverything | Self::GreLabelled | Self::IpInIp => return None,
            Self::GreBridged => gre(0, BRIDGED, &[], frame),
            Self::Vxlan => {
                let header = [8, 0, 0, 0, 0, 0, 42, 0];
                let (from, to) = (format!("{from}:50000"), format!("{to}:4789"));
                udp(&from, &to, [header.as_slice(), frame].concat()).frame()
            }
        })
    }
}

/// A stack of labels; the last is the bottom.
#[must_use]
pub fn labels(labels: &[u32]) -> Vec<u8> {
    let entry = |(number, label): (usize, &u32)| {
        let bottom = u32::from(number + 1 == labels.len());
        (label << 12 | bottom << 8 | 64).to_be_bytes()
    };
    labels.iter().enumerate().flat_map(entry).collect()
}

/// The frame's IP packet behind labels.
#[must_use]
pub fn behind_labels(frame: &[u8], stack: &[u32]) -> Vec<u8> {
    ethernet(MPLS, &[labels(stack).as_slice(), frame.get(NETWORK..).unwrap_or_default()].concat())
}
