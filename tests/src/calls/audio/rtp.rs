//! RTP packets and streams of them.

use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Between two packets of a stream.
const PACKET_TIME: Duration = Duration::from_millis(20);
/// RTP header (RFC 3550 section 5.1) and 20 ms of silence in µ-law.
const HEADER: usize = 12;
const PACKET: usize = HEADER + 160;
const SILENCE: u8 = 0xff;
/// Synchronisation sources of these streams begin so: `G911` with its last byte for the number.
pub(super) const SOURCES: u32 = 0x4739_0000;

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Packets sent.
    pub sent: usize,
    /// Packets of them that came.
    pub came: usize,
}

impl Heard {
    /// Packets that did not come.
    #[must_use]
    pub const fn lost(&self) -> usize {
        self.sent.saturating_sub(self.came)
    }
}

/// One direction of a call.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    pub(super) source: u32,
    pub(super) next: Instant,
    pub(super) silent: bool,
    pub(super) sent: usize,
    /// By sequence number.
    pub(super) came: Vec<bool>,
}

impl Stream {
    pub(super) fn heard(&self) -> Heard {
        Heard { sent: self.sent, came: self.came.iter().filter(|came| **came).count() }
    }

    /// Sends what is due.
    pub(super) fn speak(&mut self, socket: &UdpSocket, now: Instant) -> Result<()> {
        while self.next <= now {
            self.next += PACKET_TIME;
            if self.silent {
                continue;
            }
            match socket.send_to(&packet(self.source, self.sent)?, self.to) {
                Ok(_) => {
                    self.sent += 1;
                    self.came.push(false);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(error).with_context(|| format!("{} to {}", self.from, self.to));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn packet(source: u32, number: usize) -> Result<[u8; PACKET]> {
    let sequence = u16::try_from(number).context("a call of twenty minutes")?;
    let mut packet = [SILENCE; PACKET];
    let fields = [
        // Version 2, payload type 0 (PCMU).
        &[0x80, 0][..],
        &sequence.to_be_bytes(),
        &(u32::from(sequence) * 160).to_be_bytes(),
        &source.to_be_bytes(),
    ];
    for (place, byte) in packet.iter_mut().zip(fields.concat()) {
        *place = byte;
    }
    Ok(packet)
}

/// Synchronisation source and sequence number.
pub(super) fn parse(packet: &[u8]) -> Option<(u32, u16)> {
    if packet.len() != PACKET || *packet.first()? != 0x80 {
        return None;
    }
    let sequence = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
    let source = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
    Some((source, sequence))
}
