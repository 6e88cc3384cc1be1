//! Puts messages into frames: transports with and without options, VLANs, IPv4 options, IPv6
//! extension headers, padding, fragments.

use std::net::IpAddr;

use super::random::Random;
use super::world::{SCTP, TCP, UDP};
use crate::fixtures::network::{VLAN_B, VLAN_PLAIN};
use crate::packet::{Datagram, extension, ip, wrapped_in_qinq, wrapped_in_vlan};

/// From where to where, by which protocol.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Sender.
    pub source: (IpAddr, u16),
    /// Receiver.
    pub destination: (IpAddr, u16),
    /// Protocol number.
    pub protocol: u8,
}

impl Way {
    /// The way back.
    #[must_use]
    pub const fn back(self) -> Self {
        Self { source: self.destination, destination: self.source, protocol: self.protocol }
    }
}

/// TCP flags of segments with data.
pub const PUSH: u8 = 0x18;
/// Asks for a connection.
pub const SYN: u8 = 0x02;
/// Nothing new.
pub const ACK: u8 = 0x10;

/// The transport header and what it carries; `flags` are TCP's.
pub fn transport(random: &mut Random, way: Way, flags: u8, payload: &[u8]) -> Vec<u8> {
    let ((_, from), (_, to)) = (way.source, way.destination);
    let mut body = [from.to_be_bytes(), to.to_be_bytes()].concat();
    match way.protocol {
        UDP => {
            body.extend(u16::try_from(8 + payload.len()).unwrap_or(0).to_be_bytes());
            body.extend([0, 0]);
        }
        TCP => {
            let options = 4 * if random.once_in(2) { random.below(11) } else { 0 };
            body.extend(random.bits().to_be_bytes());
            body.extend([((20 + options) as u8) << 2, flags, 0xff, 0xff, 0, 0, 0, 0]);
            // "No operation" fills options.
            body.extend(vec![1; options]);
        }
        SCTP => {
            body.extend([0; 8]);
            body.extend([0, 3]);
            body.extend(u16::try_from(16 + payload.len()).unwrap_or(0).to_be_bytes());
            body.extend([0; 12]);
        }
        _ => {}
    }
    body.extend(payload);
    body
}

/// SCTP with a chunk that acknowledges in front of the one with the message.
pub fn bundled(way: Way, payload: &[u8]) -> Vec<u8> {
    let mut body = [way.source.1.to_be_bytes(), way.destination.1.to_be_bytes()].concat();
    body.extend([0; 8]);
    body.extend([3, 0, 0, 16]);
    body.extend([0; 12]);
    body.extend([0, 3]);
    body.extend(u16::try_from(16 + payload.len()).unwrap_or(0).to_be_bytes());
    body.extend([0; 12]);
    body.extend(payload);
    body
}

/// A datagram with or without options and extension headers.
pub fn datagram(random: &mut Random, way: Way, body: &[u8]) -> Datagram {
    let ((from, _), (to, _)) = (way.source, way.destination);
    let datagram = ip(&from.to_string(), &to.to_string(), way.protocol, body);
    if !random.once_in(3) {
        return datagram;
    }
    match from {
        IpAddr::V4(_) => datagram.options(&vec![1; 4 * random.below(11)]),
        IpAddr::V6(_) => {
            let extensions: Vec<_> =
                (0..random.below(9)).map(|_| random.pick(&extension::ALL)).collect();
            datagram.extensions(&extensions)
        }
    }
}

/// A tag or two around a frame, padding behind it, or nothing; and the VLAN it then is of.
pub fn wrapped(random: &mut Random, mut frame: Vec<u8>) -> (Vec<u8>, u16) {
    if random.once_in(8) {
        frame.extend(vec![0; random.below(30)]);
    }
    let vlan = random.pick(&[VLAN_B, VLAN_PLAIN]);
    match random.below(8) {
        0 => (wrapped_in_vlan(&frame, vlan), vlan),
        1 => (wrapped_in_qinq(&frame, vlan, 8), vlan),
        // Priority tags name no VLAN.
        2 => (wrapped_in_vlan(&frame, 0xa000), 0),
        3 => (wrapped_in_qinq(&frame, 0, vlan), vlan),
        _ => (frame, 0),
    }
}
