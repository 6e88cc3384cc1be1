//! Floods against signalling, media and reassembly, from a CPU of their own.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::ground::{DESK_MEDIA, Ground};
use crate::demo::stage::{SPOOFED_BITS, UPLINK, WAN};
use crate::flood::frame::{Path4, Segment, call, invite, later_fragment, tcp, udp};
use crate::flood::{Flood, Plan};
use crate::guard_process::{eventually, generator_object};
use crate::netns::device::Meter;

/// Media ports that are hit: those of the desk's first calls.
const MEDIA_PORTS: u16 = 16;
/// A packet of G.711 with its RTP header.
const RTP: usize = 172;
/// Payload of a later fragment, a multiple of eight.
const FRAGMENT: usize = 1000;

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
                vec![udp(&to(target), b"")?, invite(&to(target))?]
            }
            Aim::Marked(target) => vec![call(&to(target), "urn:service:sos")?],
            Aim::Media => {
                let ports = (0..MEDIA_PORTS).map(|number| DESK_MEDIA + 4 * number);
                let audio = |port| udp(&to(SocketAddrV4::new(self.desk.address, port)), &RTP_LIKE);
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
            Aim::Fragments => vec![later_fragment(udp(&path, &[0; FRAGMENT])?)],
        })
    }
}

/// Version 2, payload type 0, a source of its own.
const RTP_LIKE: [u8; RTP] = {
    let mut packet = [0xff; RTP];
    packet[0] = 0x80;
    packet[1] = 0;
    packet
};
