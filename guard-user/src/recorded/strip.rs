//! From the first bytes of a frame to what is kept of them: headers, and a start line.

use guard_common::bytes::Packet;
use guard_common::frame::{Defect, Fragment, Frame, Parsed};
use guard_common::wire::{ethernet, ipv4, ipv6, protocol};

use super::mask;

/// Bytes that are kept behind a network header where the transport is none with ports: type and
/// numbers, and less than would reach an address within.
const TRANSPORT: usize = 12;

/// Headers and masked start line of a frame of which these bytes were captured.
#[must_use]
pub fn strip(captured: &[u8], length: u32) -> (Vec<u8>, Option<String>) {
    let mut whole = captured.to_vec();
    whole.resize(usize::try_from(length).unwrap_or(0).clamp(captured.len(), 1 << 16), 0);
    let packet = whole.as_slice();
    let mut frame = Frame::unknown();
    let (end, start_line) = match frame.parse(&packet) {
        Parsed::Unreadable | Parsed::NotIp | Parsed::Labels => (behind_link(&packet), None),
        Parsed::Ip if frame.payload == 0 || !matches!(frame.defect, Defect::None) => {
            (behind_network(&packet) + TRANSPORT, None)
        }
        Parsed::Ip => {
            let payload = usize::from(frame.payload);
            let speaks = matches!(frame.protocol, protocol::UDP | protocol::TCP)
                && !matches!(frame.fragment, Fragment::Later);
            let until = usize::try_from(frame.end).unwrap_or(0).min(captured.len());
            let said = captured.get(payload..until).filter(|_| speaks);
            (payload, said.and_then(mask::start_line))
        }
    };
    whole.truncate(end.min(captured.len()));
    (whole, start_line)
}

fn behind_link<P: Packet>(packet: &P) -> usize {
    ethernet::Link::read(packet, 0).map_or(0, |link| link.network)
}

/// Where the transport header begins, extension headers included.
fn behind_network<P: Packet>(packet: &P) -> usize {
    let Some(link) = ethernet::Link::read(packet, 0) else {
        return 0;
    };
    let network = link.network;
    match link.ethertype {
        ethernet::IPV4 => ipv4::Header::read(packet, network)
            .map_or(network, |header| network + header.header_length.max(ipv4::HEADER)),
        ethernet::IPV6 => {
            let Some(header) = ipv6::Header::read(packet, network) else {
                return network;
            };
            let (mut offset, mut number) = (network + ipv6::HEADER, header.next_header);
            for _ in 0..ipv6::EXT_MAX_CHAIN {
                let extension = ipv6::is_extension(number)
                    .then(|| ipv6::Extension::read(packet, offset, number));
                let Some(extension) = extension.flatten() else {
                    break;
                };
                offset += extension.length;
                number = extension.next_header;
            }
            offset
        }
        _ => network,
    }
}
