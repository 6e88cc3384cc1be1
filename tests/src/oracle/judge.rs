//! What a frame is entitled to, told from its bytes and the network alone: no state, no memory.
//!
//! `etherparse` takes the headers apart, strictly. About a frame that it refuses, or that a
//! receiver might read in another way, nothing is claimed.

use std::net::IpAddr;

use etherparse::{Ipv4Slice, Ipv6Slice, NetSlice, SlicedPacket, TcpHeaderSlice, UdpHeaderSlice};

use super::kept::Kept;
use super::reader::{Says, says};
use super::world::{Party, Role, SCTP, TCP, UDP, World};

/// What a frame is entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is not dropped, and its class is Protected or Infrastructure.
    Protected(&'static str),
    /// It is not dropped.
    Passes(&'static str),
    /// Nobody protects it: its class is not Protected, or floods would pass.
    Unprotected(&'static str),
    /// Nothing is claimed.
    Nothing,
}

/// The network of strangers who never have a conversation, so that no pin speaks for them.
pub const NEVER_ANSWERED: [&str; 2] = ["198.19.", "2001:db8:6:"];

/// Addresses, ports and payload of an IP frame.
struct Facts<'a> {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    protocol: u8,
    vlan: u16,
    later: bool,
    /// No fragment, and nothing behind it that the guard could read and a receiver would not.
    whole: bool,
    /// Not in SCTP's first chunk.
    bundled: bool,
    payload: &'a [u8],
}

/// What a frame that comes in by this interface is entitled to.
#[must_use]
pub fn claim(world: &World, frame: &[u8], interface: &str, kept: Kept) -> Claim {
    match facts(frame) {
        Ok(Some(facts)) => of_ip(world, &facts, interface, kept),
        Ok(None) => Claim::Passes("not IP"),
        Err(Unreadable) => Claim::Nothing,
    }
}

fn of_ip(world: &World, facts: &Facts<'_>, interface: &str, kept: Kept) -> Claim {
    let source = world.believed(facts.source.0, interface, facts.vlan);
    let destination = world.party(facts.destination.0);
    if let (Some(source), Some(destination)) = (source, destination)
        && let Some(why) = between(source, destination, facts)
    {
        return Claim::Protected(why);
    }
    if let Some(source) = source.filter(|source| source.role == Role::Element) {
        let serves = source.serves(facts.protocol, facts.source.1);
        if facts.later || serves || source.has_media(facts.protocol, facts.source.1) {
            return Claim::Protected("from an element");
        }
    }
    if let Some(element) = destination.filter(|party| party.role == Role::Element)
        && !facts.later
        && (kept.bundles || !facts.bundled)
        && element.serves(facts.protocol, facts.destination.1)
    {
        match says(facts.payload, kept) {
            Says::RequestUri => return Claim::Protected("marked"),
            Says::Header(_) => return Claim::Passes("marked in a header field"),
            Says::Nothing
                if source.is_none() && facts.whole && is_never_answered(facts.source.0) =>
            {
                return Claim::Unprotected("a stranger's message that says nothing");
            }
            Says::Nothing | Says::Unclear => {}
        }
    }
    let is = |party: Option<&Party>, role| party.is_some_and(|party| party.role == role);
    if is(source, Role::Management) || (source.is_some() && is(destination, Role::Management)) {
        return Claim::Passes("management");
    }
    Claim::Nothing
}

/// Why a frame between two configured parties is protected.
fn between(source: &Party, destination: &Party, facts: &Facts<'_>) -> Option<&'static str> {
    if facts.later {
        return Some("a later fragment between configured parties");
    }
    let ends = [(source, facts.source.1), (destination, facts.destination.1)];
    let serves = |(party, port): (&Party, u16)| party.serves(facts.protocol, port);
    let speaks = |(party, _): (&Party, u16)| matches!(party.role, Role::Element | Role::Peer);
    if ends.into_iter().all(speaks) {
        if ends.into_iter().any(serves) {
            return Some("SIP between configured parties");
        }
        if ends.into_iter().all(|(party, port)| party.has_media(facts.protocol, port)) {
            return Some("media between configured parties");
        }
    }
    let supports = |(party, port): (&Party, u16)| {
        party.role == Role::Support && party.serves(facts.protocol, port)
    };
    if ends.into_iter().any(supports) {
        return Some("a support service");
    }
    matches!(facts.protocol, 1 | 58).then_some("ICMP between configured parties")
}

fn is_never_answered(address: IpAddr) -> bool {
    let text = address.to_string();
    NEVER_ANSWERED.iter().any(|prefix| text.starts_with(prefix))
}

/// A frame that is not read.
struct Unreadable;

/// What the headers say; `None` for a frame that is not IP.
fn facts(frame: &[u8]) -> Result<Option<Facts<'_>>, Unreadable> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|_| Unreadable)?;
    let vlans = packet.vlan_ids();
    // The guard follows two tags, and does not look into MACsec.
    if vlans.len() > 2 || vlans.len() != packet.link_exts.len() {
        return Err(Unreadable);
    }
    // Identifier 0 carries a priority only.
    let vlan = vlans.iter().map(|id| id.value()).find(|id| *id != 0).unwrap_or(0);
    let Network { source, destination, protocol, body, place } = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => Network::v4(ip)?,
        Some(NetSlice::Ipv6(ip)) => Network::v6(ip, frame)?,
        Some(NetSlice::Arp(_)) | None => return Ok(None),
    };
    let later = place == Place::Later;
    let transport = match later {
        true => Transport { source: 0, destination: 0, payload: &[], bundled: false },
        false => Transport::read(protocol, body, place == Place::Whole)?,
    };
    let Transport { payload, bundled, .. } = transport;
    let tight = payload.as_ptr_range().end == frame.as_ptr_range().end;
    Ok(Some(Facts {
        source: (source, transport.source),
        destination: (destination, transport.destination),
        protocol,
        vlan,
        later,
        whole: place == Place::Whole && tight,
        bundled,
        payload,
    }))
}

/// Place in a fragmented datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    First,
    Later,
}

/// What the network header says.
struct Network<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    body: &'a [u8],
    place: Place,
}

impl<'a> Network<'a> {
    fn v4(ip: &Ipv4Slice<'a>) -> Result<Self, Unreadable> {
        if ip.extensions().auth.is_some() {
            return Err(Unreadable);
        }
        let header = ip.header();
        Ok(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: ip.payload().ip_number.0,
            body: ip.payload().payload,
            place: place(header.fragments_offset().value(), header.more_fragments()),
        })
    }

    /// Extension headers are followed by hand: etherparse 0.19 does not know all of them, and takes
    /// place and flag of a fragment header from the wrong bits.
    fn v6(ip: &Ipv6Slice<'a>, frame: &'a [u8]) -> Result<Self, Unreadable> {
        let header = ip.header();
        let begin = header.slice().as_ptr_range().end.addr() - frame.as_ptr().addr();
        let end = begin + usize::from(header.payload_length());
        let mut body = frame.get(begin..end).ok_or(Unreadable)?;
        let (mut protocol, mut place) = (header.next_header().0, Place::Whole);
        for _ in 0..EXTENSIONS {
            if !matches!(protocol, 0 | 43 | 44 | 60 | 135 | 139 | 140) || place == Place::Later {
                break;
            }
            let [next, length, high, low, ..] = body else { return Err(Unreadable) };
            let length = match protocol {
                44 => {
                    let field = u16::from_be_bytes([*high, *low]);
                    place = self::place(field >> 3, field & 1 != 0);
                    8
                }
                _ => (usize::from(*length) + 1) * 8,
            };
            protocol = *next;
            body = body.get(length..).ok_or(Unreadable)?;
        }
        Ok(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol,
            body,
            place,
        })
    }
}

/// The guard follows so many extension headers; behind them nothing is claimed.
const EXTENSIONS: usize = 8;

const fn place(offset: u16, more: bool) -> Place {
    match (offset, more) {
        (0, false) => Place::Whole,
        (0, true) => Place::First,
        _ => Place::Later,
    }
}

/// What the transport header says.
struct Transport<'a> {
    source: u16,
    destination: u16,
    payload: &'a [u8],
    bundled: bool,
}

impl<'a> Transport<'a> {
    fn read(protocol: u8, body: &'a [u8], whole: bool) -> Result<Self, Unreadable> {
        let one =
            |source, destination, payload| Self { source, destination, payload, bundled: false };
        match protocol {
            UDP => {
                let header = UdpHeaderSlice::from_slice(body).map_err(|_| Unreadable)?;
                let end = if whole { header.length().into() } else { body.len() };
                let payload = body.get(8..end).ok_or(Unreadable)?;
                Ok(one(header.source_port(), header.destination_port(), payload))
            }
            TCP => {
                let header = TcpHeaderSlice::from_slice(body).map_err(|_| Unreadable)?;
                let payload = body.get(header.slice().len()..).ok_or(Unreadable)?;
                Ok(one(header.source_port(), header.destination_port(), payload))
            }
            SCTP => {
                let Some(([f0, f1, t0, t1, ..], chunks)) = body.split_first_chunk::<12>() else {
                    return Err(Unreadable);
                };
                let (payload, bundled) = user_data(chunks)?;
                let source = u16::from_be_bytes([*f0, *f1]);
                Ok(Self { source, destination: u16::from_be_bytes([*t0, *t1]), payload, bundled })
            }
            1 | 58 if body.len() < 4 => Err(Unreadable),
            _ => Ok(one(0, 0, &[])),
        }
    }
}

/// The first user data among SCTP's chunks (RFC 9260 section 3.2), and whether other chunks stand
/// before it.
fn user_data(chunks: &[u8]) -> Result<(&[u8], bool), Unreadable> {
    let (mut rest, mut bundled) = (chunks, false);
    while let [kind, _, high, low, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == 0 {
            return Ok((rest.get(16..length).ok_or(Unreadable)?, bundled));
        }
        let next = length.next_multiple_of(4).max(4);
        rest = rest.get(next..).unwrap_or_default();
        bundled = true;
    }
    Ok((&[], false))
}
