//! Frames worth flooding with: untagged IPv4, from one socket to another.

use std::net::SocketAddrV4;

use anyhow::Result;
use etherparse::{PacketBuilder, TcpHeader};

/// What the generator replaces in each frame by letters of its own, wherever the first frame that
/// has it has it.
pub(super) const LETTERS: [u8; 8] = *b"LETTERS.";

/// Ethernet, IPv4 and UDP headers before the message.
const HEADERS: usize = 14 + 20 + 8;

/// Ethernet's least length without checksum.
const FRAME_MIN: usize = 60;

/// From which hardware address and socket to which, as far as the flood does not draw it.
#[derive(Clone, Copy, Debug)]
pub struct Path4 {
    /// Hardware address of the sending device.
    pub from: [u8; 6],
    /// Hardware address of the next hop.
    pub to: [u8; 6],
    /// Source.
    pub source: SocketAddrV4,
    /// Destination.
    pub destination: SocketAddrV4,
}

/// A UDP frame, at least as long as Ethernet wants, without UDP checksum: the source address,
/// which it would cover, changes with each frame.
///
/// # Errors
///
/// The payload is longer than a datagram.
pub fn udp(path: &Path4, payload: &[u8]) -> Result<Vec<u8>> {
    const CHECKSUM: usize = 14 + 20 + 6;
    let padding = FRAME_MIN.saturating_sub(HEADERS + payload.len());
    let payload = [payload, &vec![0; padding]].concat();
    let builder = PacketBuilder::ethernet2(path.from, path.to)
        .ipv4(path.source.ip().octets(), path.destination.ip().octets(), 64)
        .udp(path.source.port(), path.destination.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, &payload)?;
    if let Some(checksum) = frame.get_mut(CHECKSUM..CHECKSUM + 2) {
        checksum.fill(0);
    }
    Ok(frame)
}

/// A call that is no emergency, as flooding tools send it: well-formed, so that whoever gets it
/// has work to do. The generator makes each copy another call.
///
/// # Errors
///
/// See [`udp`].
pub fn invite(path: &Path4) -> Result<Vec<u8>> {
    call(path, &format!("sip:100@{}", path.destination))
}

/// A frame with a call to this Request-URI, whose Call-ID the generator changes.
///
/// # Errors
///
/// See [`udp`].
pub fn call(path: &Path4, uri: &str) -> Result<Vec<u8>> {
    let Path4 { source, destination, .. } = path;
    let letters = String::from_utf8_lossy(&LETTERS);
    let message = format!(
        "INVITE {uri} SIP/2.0\r\n\
         Call-ID: {letters}\r\n\
         Via: SIP/2.0/UDP {source};branch=z9hG4bK-100;rport\r\n\
         From: <sip:100@{source}>;tag=100\r\n\
         To: <sip:100@{destination}>\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:100@{source}>\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    );
    udp(path, message.as_bytes())
}

/// A TCP segment under construction.
pub type Segment = etherparse::PacketBuilderStep<TcpHeader>;

/// A TCP segment. Its checksum is wrong once the source is drawn: what passes costs whoever gets it
/// next to nothing.
///
/// # Errors
///
/// See [`udp`].
pub fn tcp(
    path: &Path4,
    flags: impl FnOnce(Segment) -> Segment,
    payload: &[u8],
) -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(path.from, path.to)
        .ipv4(path.source.ip().octets(), path.destination.ip().octets(), 64)
        .tcp(path.source.port(), path.destination.port(), 1, 65_000);
    let mut frame = Vec::with_capacity(FRAME_MIN);
    flags(builder).write(&mut frame, payload)?;
    frame.resize(frame.len().max(FRAME_MIN), 0);
    Ok(frame)
}

/// Makes a whole datagram the last fragment of a longer one.
#[must_use]
pub fn later_fragment(mut frame: Vec<u8>) -> Vec<u8> {
    const FLAGS_AND_OFFSET: usize = 14 + 6;
    const CHECKSUM: usize = 14 + 10;
    // In units of eight bytes: after 1480.
    let offset: u16 = 185;
    let half = |frame: &[u8], at: usize| {
        frame.get(at..at + 2).and_then(|half| half.try_into().ok()).map_or(0, u16::from_be_bytes)
    };
    let (before, checksum) = (half(&frame, FLAGS_AND_OFFSET), half(&frame, CHECKSUM));
    // RFC 1624, equation 3.
    let sum = u32::from(!checksum) + u32::from(!before) + u32::from(offset);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) & 0xffff;
    for (at, value) in [(FLAGS_AND_OFFSET, u32::from(offset)), (CHECKSUM, sum)] {
        if let (Some(place), [_, _, value @ ..]) = (frame.get_mut(at..at + 2), value.to_be_bytes())
        {
            place.copy_from_slice(&value);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_later_fragment_has_a_right_checksum() {
        let path = Path4 {
            from: [2, 0, 0, 0, 0, 1],
            to: [2, 0, 0, 0, 0, 2],
            source: SocketAddrV4::new([192, 0, 2, 1].into(), 5060),
            destination: SocketAddrV4::new([192, 0, 2, 2].into(), 5060),
        };
        let frame = later_fragment(udp(&path, &[0; 1000]).unwrap());
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header();
        assert_eq!(header.fragment_offset.value(), 185);
        assert_eq!(header.header_checksum, header.calc_header_checksum());
    }
}
