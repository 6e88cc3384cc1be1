//! Which frame the canary sends to whom and when: pure, so that its coverage can be proved.
//!
//! The frames of a target are a cycle: every form of a marker, over all its transports in turn;
//! every service from configured parties; its media; what it needs besides. A cycle takes at most
//! [`ROUND`] seconds, however long it is, and each gives the forms another transport.

use std::net::{IpAddr, SocketAddr};

use super::marks;
use super::parties::{Endpoint, Entrance, FAMILIES, Parties, Sender, Target, family};
use super::wire::{self, Carrier};
use crate::config::Transport;

/// Seconds in which every target meets every form and each of its transports.
pub const ROUND: u64 = 60;
/// A stranger's port: any would do.
const STRANGER_PORT: u16 = 40_911;
/// A client's port of a target that asks a service.
const CLIENT_PORT: u16 = 49_911;
/// What a party sends to a service of its own accord, in turn.
const TURNS: usize = 2;

/// An RTP packet of silence: version 2, payload type 0 (RFC 3550 section 5.1).
const RTP: [u8; 32] = {
    let mut packet = [0xff; 32];
    let (header, _) = packet.split_at_mut(12);
    header.copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 0, 9, 1, 1]);
    packet
};
/// The beginning of a TLS record with a ClientHello (RFC 8446 section 5.1): all that is said in
/// the open.
const HELLO: [u8; 12] = [0x16, 3, 1, 0, 7, 1, 0, 0, 3, 3, 3, 0];

/// What the canary sends, when.
pub struct Plan {
    parties: Parties,
    marked: Vec<Vec<u8>>,
    /// Signalling of configured parties, which needs no marker.
    unmarked: [Vec<u8>; TURNS],
}

/// What a frame is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What it says.
    pub form: &'static str,
    /// By what: "udp/ipv4" and so on.
    pub transport: &'static str,
    /// Who sends it.
    pub sender: &'a str,
    /// Where it comes in.
    pub entrance: &'a Entrance,
    /// Its source and its destination.
    pub ends: (SocketAddr, SocketAddr),
}

/// The parts of a target's cycle, in frames.
struct Cycle {
    strangers: usize,
    signals: usize,
    media: usize,
    supports: [usize; FAMILIES],
}

impl Cycle {
    fn length(&self) -> usize {
        let Self { strangers, signals, media, supports } = self;
        strangers + signals + media + supports.iter().sum::<usize>()
    }
}

/// A frame that is to be written: who, to whom, where, how and what.
struct Draft<'a> {
    form: &'static str,
    transport: Transport,
    sender: &'a str,
    ends: (SocketAddr, SocketAddr),
    zones: u64,
    carrier: Carrier,
    payload: &'a [u8],
}

impl Plan {
    /// The plan for these parties.
    pub fn new(parties: Parties) -> Self {
        let to = "To: <sip:psap@guard.invalid>";
        let request = |method| marks::request(method, "sip:psap@guard.invalid", to);
        Self {
            parties,
            marked: marks::messages(),
            unmarked: [request("INVITE"), request("OPTIONS")],
        }
    }

    /// Everybody in it.
    pub const fn parties(&self) -> &Parties {
        &self.parties
    }

    /// How many frames a target gets each second.
    pub fn each_second(&self, target: usize) -> u64 {
        self.length(target).div_ceil(ROUND)
    }

    /// How many frames the cycle of a target has.
    pub fn length(&self, target: usize) -> u64 {
        let target = self.parties.targets.get(target);
        target.map_or(0, |target| self.cycle(target).length() as u64)
    }

    /// How many cycles it takes until each form of a target has met each of its transports.
    pub fn cycles(&self, target: usize) -> u64 {
        self.parties.targets.get(target).map_or(0, |target| target.plain.len().max(1) as u64)
    }

    /// Writes a frame to a target, the `number`th since whenever; what it is. None if it cannot
    /// come in by any of the entrances that are `usable` (bits).
    pub fn frame(
        &self,
        target: usize,
        number: u64,
        usable: u64,
        out: &mut Vec<u8>,
    ) -> Option<Step<'_>> {
        let target = self.parties.targets.get(target)?;
        let cycle = self.cycle(target);
        let length = cycle.length() as u64;
        let place = usize::try_from(number.checked_rem(length)?).ok()?;
        let round = number / length;
        let draft = self.draft(target, &cycle, place, round)?;
        // Another with each cycle, too, whatever their length has in common with their number.
        let entrance = self.entrance(draft.zones & usable, number.wrapping_add(round))?;
        let Draft { form, transport, sender, ends, carrier, payload, zones: _ } = draft;
        wire::write(out, entrance.vlan, ends, carrier, payload);
        let transport = label(transport, ends.1.ip());
        Some(Step { form, transport, sender, entrance, ends })
    }

    /// Writes a stranger's frame to a target that nothing protects, by UDP or SCTP or by TCP; the
    /// index of the interface it comes in by.
    pub fn control(
        &self,
        (target, stranger): (usize, IpAddr),
        carrier: Carrier,
        usable: u64,
        out: &mut Vec<u8>,
    ) -> Option<u32> {
        let by_tcp = |transport| transport == Transport::Tcp;
        let fits = |endpoint: &&Endpoint| {
            endpoint.socket.family() == family(&stranger)
                && by_tcp(endpoint.transport) == matches!(carrier, Carrier::Tcp(_))
        };
        let endpoint = self.parties.targets.get(target)?.plain.iter().find(fits)?;
        let entrance = self.entrance(usable & self.parties.zones(), 0)?;
        let ends = (SocketAddr::new(stranger, STRANGER_PORT), endpoint.socket.at(0));
        let [_, options] = &self.unmarked;
        let carrier = self::carrier(endpoint.transport, wire::DATA);
        wire::write(out, entrance.vlan, ends, carrier, options);
        Some(entrance.index)
    }

    fn cycle(&self, target: &Target) -> Cycle {
        let Parties { counts, senders, media, supports, .. } = &self.parties;
        let mut shares = [0; FAMILIES];
        let mut supported = [0; FAMILIES];
        let mut has_media = false;
        for family in 0..FAMILIES {
            if !matches!(target.ordinals.get(family), Some(Some(_))) {
                continue;
            }
            if let Some(place) = shares.get_mut(family) {
                *place = share(senders, counts, family);
            }
            if let Some(place) = supported.get_mut(family) {
                *place = share(supports, counts, family);
            }
            has_media |= media.get(family).is_some_and(|media| !media.is_empty());
        }
        let rounds = shares.into_iter().max().unwrap_or(0);
        Cycle {
            // Twice the transports: where the window of a minute straddles two cycles, one of
            // its parts still has them all.
            strangers: match target.plain.len() {
                0 => 0,
                plain => marks::COUNT.max(2 * plain),
            },
            signals: TURNS * rounds * target.endpoints.len(),
            media: if has_media { target.media.len() } else { 0 },
            supports: supported,
        }
    }

    fn draft(&self, target: &Target, cycle: &Cycle, place: usize, round: u64) -> Option<Draft<'_>> {
        if place < cycle.strangers {
            return self.stranger(target, place, round);
        }
        let place = place - cycle.strangers;
        if place < cycle.signals {
            return self.signal(target, place, round);
        }
        let place = place - cycle.signals;
        if place < cycle.media {
            return self.media(target, place, round);
        }
        let place = place - cycle.media;
        let [v4, _] = cycle.supports;
        let (family, place) = if place < v4 { (0, place) } else { (1, place - v4) };
        self.support(target, family, place, round)
    }

    /// A stranger's marked message.
    fn stranger(&self, target: &Target, place: usize, round: u64) -> Option<Draft<'_>> {
        let turn = usize::try_from(round).ok()?.wrapping_add(place);
        let endpoint = target.plain.get(turn.checked_rem(target.plain.len())?)?;
        let form = place % marks::COUNT;
        let to = endpoint.socket.at(round);
        let stranger = (*self.parties.strangers.get(endpoint.socket.family())?)?;
        Some(Draft {
            form: marks::name(form),
            transport: endpoint.transport,
            sender: "stranger",
            ends: (SocketAddr::new(stranger, STRANGER_PORT), to),
            zones: self.parties.zones(),
            carrier: carrier(endpoint.transport, wire::DATA),
            payload: self.marked.get(form)?,
        })
    }

    /// What a configured party says to a service.
    fn signal(&self, target: &Target, place: usize, round: u64) -> Option<Draft<'_>> {
        let services = target.endpoints.len();
        let endpoint = target.endpoints.get(place.checked_rem(services)?)?;
        let turn = place / services;
        let family = endpoint.socket.family();
        let sender = self.turn(&self.parties.senders, target, family, turn / TURNS, round)?;
        let [invite, options] = &self.unmarked;
        let (form, flags, payload): (_, _, &[u8]) = match (endpoint.transport, turn % TURNS) {
            (Transport::Udp | Transport::Sctp, 0) => ("INVITE", 0, invite),
            (Transport::Udp | Transport::Sctp, _) => ("OPTIONS", 0, options),
            (Transport::Tcp | Transport::Tls, 0) => ("SYN", wire::SYN, &[]),
            (Transport::Tcp, _) => ("INVITE", wire::DATA, invite),
            (Transport::Tls, _) => ("ClientHello", wire::DATA, &HELLO),
        };
        Some(Draft {
            form,
            transport: endpoint.transport,
            sender: &sender.id,
            ends: (sender.socket.at(round), endpoint.socket.at(round)),
            zones: sender.zones,
            carrier: carrier(endpoint.transport, flags),
            payload,
        })
    }

    /// Media of a configured party.
    fn media(&self, target: &Target, place: usize, round: u64) -> Option<Draft<'_>> {
        let media = target.media.get(place)?;
        let sender = self.turn(&self.parties.media, target, media.family(), place, round)?;
        Some(Draft {
            form: "RTP",
            transport: Transport::Udp,
            sender: &sender.id,
            ends: (sender.socket.at(round), media.at(round)),
            zones: sender.zones,
            carrier: Carrier::Udp,
            payload: &RTP,
        })
    }

    /// The answer of a support service.
    fn support(
        &self,
        target: &Target,
        family: usize,
        place: usize,
        round: u64,
    ) -> Option<Draft<'_>> {
        let sender = self.turn(&self.parties.supports, target, family, place, round)?;
        let endpoint = target.endpoints.iter().find(|end| end.socket.family() == family)?;
        let to = SocketAddr::new(endpoint.socket.at(round).ip(), CLIENT_PORT);
        Some(Draft {
            form: "answer",
            transport: sender.transport,
            sender: &sender.id,
            ends: (sender.socket.at(round), to),
            zones: sender.zones,
            carrier: carrier(sender.transport, wire::DATA),
            payload: &[],
        })
    }

    /// Whose turn it is: the targets share the parties among them, and swap with each cycle.
    fn turn<'a>(
        &self,
        parties: &'a [Vec<Sender>; FAMILIES],
        target: &Target,
        family: usize,
        turn: usize,
        round: u64,
    ) -> Option<&'a Sender> {
        let parties = parties.get(family)?;
        let ordinal = (*target.ordinals.get(family)?).unwrap_or(0);
        let count = self.parties.counts.get(family)?;
        let place = ordinal
            .wrapping_add(count.wrapping_mul(turn))
            .wrapping_add(usize::try_from(round).ok()?);
        parties.get(place.checked_rem(parties.len())?)
    }

    /// One of the entrances, another for each number.
    fn entrance(&self, zones: u64, number: u64) -> Option<&Entrance> {
        let turn = number.checked_rem(u64::from(zones.count_ones()))?;
        // The lowest bits go, as many as had their turn before.
        let left = (0..turn).fold(zones, |left, _| left & left.wrapping_sub(1));
        self.parties.entrances.get(usize::try_from(left.trailing_zeros()).ok()?)
    }
}

/// How many parties of a family fall to each target of it.
fn share(parties: &[Vec<Sender>; FAMILIES], counts: &[usize; FAMILIES], family: usize) -> usize {
    let (Some(parties), Some(count)) = (parties.get(family), counts.get(family)) else {
        return 0;
    };
    if *count == 0 { 0 } else { parties.len().div_ceil(*count) }
}

const fn carrier(transport: Transport, flags: u8) -> Carrier {
    match transport {
        Transport::Udp => Carrier::Udp,
        Transport::Tcp | Transport::Tls => Carrier::Tcp(flags),
        Transport::Sctp => Carrier::Sctp,
    }
}

const fn label(transport: Transport, to: IpAddr) -> &'static str {
    match (transport, to) {
        (Transport::Udp, IpAddr::V4(_)) => "udp/ipv4",
        (Transport::Tcp, IpAddr::V4(_)) => "tcp/ipv4",
        (Transport::Tls, IpAddr::V4(_)) => "tls/ipv4",
        (Transport::Sctp, IpAddr::V4(_)) => "sctp/ipv4",
        (Transport::Udp, IpAddr::V6(_)) => "udp/ipv6",
        (Transport::Tcp, IpAddr::V6(_)) => "tcp/ipv6",
        (Transport::Tls, IpAddr::V6(_)) => "tls/ipv6",
        (Transport::Sctp, IpAddr::V6(_)) => "sctp/ipv6",
    }
}

#[cfg(test)]
mod tests;
