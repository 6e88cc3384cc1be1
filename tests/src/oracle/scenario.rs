//! Situations: one frame, or a few that follow each other, and what each is entitled to.
//!
//! What a single frame is entitled to, [`judge`](super::judge) tells from its bytes. What depends
//! on frames before it (a dialog, a fragment, a segment) is known here, where they are made.

use std::net::IpAddr;

use super::dress::{ACK, PUSH, SYN, Way, bundled, datagram, transport, wrapped};
use super::judge::{Claim, claim};
use super::kept::Kept;
use super::net::Net;
use super::random::Random;
use super::world::{Party, Port, Role, SCTP, TCP, UDP, World};
use super::{message, mutate};
use crate::fixtures::network::{LAN, WAN};
use crate::packet::{NETWORK, ip};

/// One frame of a situation.
#[derive(Clone, Debug)]
pub struct Step {
    /// The interface it comes in by.
    pub interface: &'static str,
    /// The frame.
    pub frame: Vec<u8>,
    /// What it is entitled to.
    pub claim: Claim,
    /// The claim rests on state, so an alarm about lost state before it voids it.
    pub rests_on_state: bool,
}

/// Ports of protocols that are the network's own business: LDP and BFD.
const ODD_PORTS: [u16; 4] = [646, 3784, 3785, 4784];

/// What a situation is about; for the summary.
pub const KINDS: [&str; 8] = [
    "any message",
    "damaged message",
    "damaged headers",
    "garbage between parties",
    "dialog",
    "call-back",
    "fragments",
    "segments",
];

/// What the first message of a call is entitled to that says emergency in a header field alone, and
/// what follows its answer: an allow entry may let them pass before the guard looks.
const IN_HEADER: Claim = Claim::Passes("marked in a header field");
const IN_DIALOG: Claim = Claim::Passes("dialog of a call marked in a header field");

/// What follows the answer to a call that begins so.
fn in_dialog(first: &Step) -> Claim {
    match first.claim {
        IN_HEADER => IN_DIALOG,
        _ => Claim::Protected("dialog"),
    }
}

/// Makes situations in a network.
pub struct Stage<'a> {
    /// The network.
    pub world: &'a World,
    /// What to ask for.
    pub kept: Kept,
}

impl Stage<'_> {
    /// Some situation: its number in [`KINDS`], its frames.
    pub fn any(&self, random: &mut Random) -> (usize, Vec<Step>) {
        let kind = random.pick(&[0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7]);
        let steps = match kind {
            0 => vec![self.message(random, false)],
            1 => vec![self.message(random, true)],
            2 => vec![self.damaged_headers(random)],
            3 => self.between_parties(random).into_iter().collect(),
            4 => self.dialog(random),
            5 => self.call_back(random),
            6 => self.fragments(random),
            _ => self.segments(random),
        };
        (kind, steps)
    }

    /// A frame by itself.
    fn alone(&self, frame: Vec<u8>, interface: &'static str) -> Step {
        let claim = claim(self.world, &frame, interface, self.kept);
        Step { interface, frame, claim, rests_on_state: false }
    }

    /// A message from anybody to somewhere.
    fn message(&self, random: &mut Random, damaged: bool) -> Step {
        let mut payload = message::any(random);
        if damaged {
            payload = mutate::message(random, payload);
        }
        let way = self.way(random);
        let body = match way.protocol == SCTP && self.kept.bundles && random.once_in(2) {
            true => bundled(way, &payload),
            false => {
                let flags = random.pick(&[PUSH, PUSH, PUSH, ACK, SYN]);
                transport(random, way, flags, &payload)
            }
        };
        let frame = datagram(random, way, &body).frame();
        let (frame, _) = wrapped(random, frame);
        let interface = random.pick(&[WAN, WAN, WAN, LAN]);
        self.alone(frame, interface)
    }

    fn damaged_headers(&self, random: &mut Random) -> Step {
        let Step { frame, interface, .. } = self.message(random, false);
        let frame = mutate::frame(random, frame);
        self.alone(frame, interface)
    }

    /// Between two configured parties, on a service: nothing else in the headers matters, nor
    /// where the frame ends.
    fn between_parties(&self, random: &mut Random) -> Option<Step> {
        let speaks = |party: &&Party| matches!(party.role, Role::Element | Role::Peer);
        let parties: Vec<_> = self.world.parties.iter().filter(speaks).collect();
        let (from, to) = (random.pick(&parties), random.pick(&parties));
        let Port { protocol, port, .. } = random.pick(&to.services);
        let (source, destination) = self.addresses(random, from, to)?;
        let way =
            Way { source: (source, random.port()), destination: (destination, port), protocol };
        let way = if random.once_in(3) { way.back() } else { way };
        let text = message::any(random);
        let payload = mutate::message(random, text);
        let body = transport(random, way, PUSH, &payload);
        let mut frame = datagram(random, way, &body).frame();
        let end = addresses_end(&frame)?;
        for _ in 0..random.below(12) {
            let place = random.between(NETWORK, frame.len() - 1);
            if !decides(&frame, place)
                && let Some(byte) = frame.get_mut(place)
            {
                *byte = random.byte();
            }
        }
        if random.once_in(4) {
            frame.truncate(random.between(end, frame.len()));
        }
        // The sender may come in by the trusted side, whoever it is.
        let claim = Claim::Protected("between configured parties");
        Some(Step { interface: LAN, frame, claim, rests_on_state: false })
    }

    /// A call: the stranger's message, the element's answer, what the stranger says then.
    fn dialog(&self, random: &mut Random) -> Vec<Step> {
        let Some((way, mut steps)) = self.call(random) else { return Vec::new() };
        let claim = steps.first().map_or(Claim::Nothing, in_dialog);
        for _ in 0..random.between(1, 5) {
            steps.push(Step { claim, ..self.continued(random, way) });
        }
        steps
    }

    /// A marked message, by start line or header, and its answer.
    fn call(&self, random: &mut Random) -> Option<(Way, Vec<Step>)> {
        let way = self.stranger_to_element(random)?;
        let payload = message::emergency(random);
        let body = transport(random, way, PUSH, &payload);
        let first = self.alone(datagram(random, way, &body).frame(), WAN);
        // Seldom, the message is such that the start line is too long to be read.
        if !matches!(first.claim, Claim::Protected("marked") | IN_HEADER) {
            return None;
        }
        let answer = message::response(random);
        let body = transport(random, way.back(), PUSH, &answer);
        let answer = self.alone(datagram(random, way.back(), &body).frame(), LAN);
        Some((way, vec![first, answer]))
    }

    /// What a stranger says later in a conversation: anything, from any port.
    fn continued(&self, random: &mut Random, way: Way) -> Step {
        let payload = match random.below(4) {
            0 => message::response(random),
            1 => message::keep_alive(random),
            2 => message::plain(random),
            _ => {
                let text = message::any(random);
                mutate::message(random, text)
            }
        };
        let port = if random.once_in(4) { random.port() } else { way.source.1 };
        let way = Way { source: (way.source.0, port), ..way };
        let flags = random.pick(&[PUSH, PUSH, ACK, SYN]);
        let body = transport(random, way, flags, &payload);
        let frame = datagram(random, way, &body).frame();
        let (frame, _) = wrapped(random, frame);
        Step { interface: WAN, frame, claim: Claim::Protected("dialog"), rests_on_state: true }
    }

    /// The element begins: its request, the stranger's answer.
    fn call_back(&self, random: &mut Random) -> Vec<Step> {
        let Some(way) = self.stranger_to_element(random).filter(|way| way.protocol == UDP) else {
            return Vec::new();
        };
        let payload = message::request(random, "sip:+16175550100@example.net");
        // A request begins with its method; empty lines in front of it are another case.
        let start = payload.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
        let body = transport(random, way.back(), PUSH, payload.get(start..).unwrap_or_default());
        if !payload.get(start).is_some_and(u8::is_ascii_alphabetic) {
            return Vec::new();
        }
        let request = self.alone(datagram(random, way.back(), &body).frame(), LAN);
        let mut steps = vec![request];
        for _ in 0..random.between(1, 3) {
            steps.push(self.continued(random, way));
        }
        steps
    }

    /// A marked message, or one of an answered call, in fragments, the first of them first.
    fn fragments(&self, random: &mut Random) -> Vec<Step> {
        let call = if random.once_in(2) { self.call(random) } else { None };
        let continues = call.is_some();
        let Some((way, mut steps)) =
            call.or_else(|| Some((self.stranger_to_element(random)?, Vec::new())))
        else {
            return Vec::new();
        };
        let mut payload =
            if continues { message::plain(random) } else { message::emergency(random) };
        payload.extend(vec![b'x'; random.between(100, 3000)]);
        let body = transport(random, way, PUSH, &payload);
        let mut cuts: Vec<_> = (0..random.between(1, 3))
            .map(|_| 8 * random.between(if continues { 4 } else { 1 }, (body.len() - 1) / 8))
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let (from, to) = (way.source.0.to_string(), way.destination.0.to_string());
        let mut pieces = ip(&from, &to, way.protocol, &body).fragments_at(&cuts).into_iter();
        let number = u32::try_from(random.bits() >> 32).unwrap_or(0);
        let Some(mut first) = pieces.next() else { return Vec::new() };
        identify(&mut first, number);
        let mut first = self.alone(first, WAN);
        if let Some(begins) = steps.first() {
            first.claim = in_dialog(begins);
            first.rests_on_state = true;
        }
        let is_protected = matches!(first.claim, Claim::Protected(_) | IN_HEADER | IN_DIALOG);
        let claim = match is_protected && self.kept.fragments {
            true => Claim::Passes("a later fragment of a protected one"),
            false => Claim::Nothing,
        };
        steps.push(first);
        // The others in any order.
        let mut later: Vec<_> = pieces.collect();
        if random.once_in(2) {
            later.reverse();
        }
        for mut frame in later {
            identify(&mut frame, number);
            steps.push(Step { interface: WAN, frame, claim, rests_on_state: true });
        }
        steps
    }

    /// A marked message by TCP, its start line cut anywhere.
    fn segments(&self, random: &mut Random) -> Vec<Step> {
        let Some(way) = self.stranger_to_element(random).filter(|way| way.protocol == TCP) else {
            return Vec::new();
        };
        let payload = message::marked(random);
        let line = payload.windows(7).position(|word| word == b"SIP/2.0").unwrap_or(payload.len());
        let mut cuts: Vec<_> = (0..random.between(1, 3)).map(|_| random.below(line + 8)).collect();
        cuts.extend([0, payload.len()]);
        cuts.retain(|cut| *cut <= payload.len());
        cuts.sort_unstable();
        cuts.dedup();
        let mut number = u32::try_from(random.bits() >> 32).unwrap_or(0);
        let mut steps = Vec::new();
        for piece in cuts.windows(2) {
            let [begin, end] = piece else { continue };
            let part = payload.get(*begin..*end).unwrap_or_default();
            let mut body = transport(random, way, PUSH, part);
            body.splice(4..8, number.to_be_bytes());
            number = number.wrapping_add(part.len() as u32);
            let mut step = self.alone(datagram(random, way, &body).frame(), WAN);
            // Before the marker is complete, a segment is anybody's, and limited like it.
            if self.kept.segments && *end >= line {
                step.claim = Claim::Passes("a segment of a marked message");
                step.rests_on_state = true;
            }
            steps.push(step);
        }
        steps
    }

    /// Addresses of two parties, of one family.
    fn addresses(&self, random: &mut Random, from: &Party, to: &Party) -> Option<(IpAddr, IpAddr)> {
        let source = random.pick(&from.nets).address(random);
        let destination = random.pick(&to.nets).address(random);
        (source.is_ipv4() == destination.is_ipv4()).then_some((source, destination))
    }

    fn elements(&self) -> Vec<&Party> {
        self.world.parties.iter().filter(|party| party.role == Role::Element).collect()
    }

    /// From a stranger who may have conversations to an element's service.
    fn stranger_to_element(&self, random: &mut Random) -> Option<Way> {
        let element = random.pick(&self.elements());
        let destination = random.pick(&element.nets).address(random);
        let Port { protocol, port, .. } = random.pick(&element.services);
        let source = stranger(random, destination.is_ipv4());
        let from = match self.kept.odd_ports && random.once_in(16) {
            true => random.pick(&ODD_PORTS),
            false => Some(random.port()).filter(|port| !ODD_PORTS.contains(port))?,
        };
        Some(Way { source: (source, from), destination: (destination, port), protocol })
    }

    /// From anybody to anybody, mostly to a service of an element.
    fn way(&self, random: &mut Random) -> Way {
        let to = match random.below(8) {
            0 => random.pick(&self.world.parties.iter().collect::<Vec<_>>()),
            _ => random.pick(&self.elements()),
        };
        let destination = random.pick(&to.nets).address(random);
        let v4 = destination.is_ipv4();
        let (protocol, port) = random_port(to, random);
        let (protocol, port) = match random.below(8) {
            0 => (random.pick(&[UDP, UDP, TCP, SCTP, 1]), 5060),
            _ => (protocol, port),
        };
        let from = random.pick(&self.world.parties.iter().collect::<Vec<_>>());
        let family = from.nets.iter().find(|net| net.address(&mut random.clone()).is_ipv4() == v4);
        let source = match (random.below(4), family) {
            (0, Some(net)) => net.address(random),
            (1 | 2, _) => never_answered(random, v4),
            _ => stranger(random, v4),
        };
        let port_of_media = random.pick(&[20000, 40000, 16384]);
        let (from_port, port) = match random.below(8) {
            0 => (port_of_media, port_of_media),
            1 => (5060, port),
            2 => (port, random.port()),
            _ => (random.port(), port),
        };
        Way { source: (source, from_port), destination: (destination, port), protocol }
    }
}

/// Protocol and port of a service; of those who have none, SIP.
fn random_port(party: &Party, random: &mut Random) -> (u8, u16) {
    if party.services.is_empty() {
        return (UDP, 5060);
    }
    let Port { protocol, port, .. } = random.pick(&party.services);
    (protocol, port)
}

/// A caller whom nobody knows.
fn stranger(random: &mut Random, v4: bool) -> IpAddr {
    let nets: [Net; 3] = match v4 {
        true => [
            Net::v4([198, 18, 0, 0], 16),
            Net::v4([192, 0, 2, 0], 24),
            Net::v4([198, 18, 128, 0], 17),
        ],
        false => [
            Net::v6([0x2001, 0xdb8, 5], 48),
            Net::v6([0x2001, 0xdb8, 0xdead], 48),
            Net::v6([0x2001, 0xdb8, 0xaaaa], 48),
        ],
    };
    random.pick(&nets).address(random)
}

/// One who never has a conversation.
fn never_answered(random: &mut Random, v4: bool) -> IpAddr {
    match v4 {
        true => Net::v4([198, 19, 0, 0], 16).address(random),
        false => Net::v6([0x2001, 0xdb8, 6], 48).address(random),
    }
}

/// Gives a fragment the number of its datagram.
fn identify(frame: &mut [u8], number: u32) {
    let bytes = number.to_be_bytes();
    let (place, bytes) = match frame.get(NETWORK).map(|first| first >> 4) {
        Some(4) => (NETWORK + 4, bytes.get(2..)),
        _ => (NETWORK + 40 + 4, bytes.get(..)),
    };
    if let (Some(bytes), Some(field)) = (bytes, frame.get_mut(place..))
        && let Some(field) = field.get_mut(..bytes.len())
    {
        field.copy_from_slice(bytes);
    }
}

/// Where the addresses of an IP frame without tags end.
fn addresses_end(frame: &[u8]) -> Option<usize> {
    Some(NETWORK + if frame.get(NETWORK)? >> 4 == 4 { 20 } else { 40 })
}

/// Whether a place of a frame says between whom and on what service it is: version, header
/// length, protocol, addresses, ports; all of a chain of extension headers and what follows it.
fn decides(frame: &[u8], place: usize) -> bool {
    let Some(first) = frame.get(NETWORK) else { return true };
    let place = place - NETWORK;
    if first >> 4 == 4 {
        let ports = 4 * usize::from(first & 0x0f);
        return matches!(place, 0 | 9 | 12..=19) || (ports..ports + 4).contains(&place);
    }
    let chained = frame.get(NETWORK + 6).is_some_and(|next| !matches!(*next, UDP | TCP | SCTP));
    matches!(place, 0 | 6 | 8..=43) || chained
}
