//! What a frame is entitled to, told from its bytes and the network alone: no state, no memory.
//!
//! `etherparse` takes the headers apart, strictly. About a frame that it refuses, or that a
//! receiver might read in another way, nothing is claimed.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TcpHeaderSlice, UdpHeaderSlice};

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
    whole: bool,
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
    let (source, destination, payload, later): (IpAddr, IpAddr, _, _) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            if ip.extensions().auth.is_some() {
                return Err(Unreadable);
            }
            let header = ip.header();
            let later = header.fragments_offset().value() != 0;
            (header.source_addr().into(), header.destination_addr().into(), ip.payload(), later)
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let mut later = false;
            for (count, extension) in ip.extensions().clone().into_iter().enumerate() {
                use etherparse::Ipv6ExtensionSlice as Slice;
                match extension {
                    _ if count >= 8 => return Err(Unreadable),
                    Slice::Authentication(_) => return Err(Unreadable),
                    Slice::Fragment(fragment) => {
                        later |= fragment.fragment_offset().value() != 0;
                    }
                    _ => {}
                }
            }
            (header.source_addr().into(), header.destination_addr().into(), ip.payload(), later)
        }
        Some(NetSlice::Arp(_)) | None => return Ok(None),
    };
    let (protocol, body) = (payload.ip_number.0, payload.payload);
    let whole = !payload.fragmented;
    let facts = |source_port, destination_port, payload| Facts {
        source: (source, source_port),
        destination: (destination, destination_port),
        protocol,
        vlan,
        later,
        whole,
        payload,
    };
    if later {
        return Ok(Some(facts(0, 0, [].as_slice())));
    }
    let (from, to, payload) = ports(protocol, body, whole)?;
    Ok(Some(facts(from, to, payload)))
}

/// Ports and payload of the transport header.
fn ports(protocol: u8, body: &[u8], whole: bool) -> Result<(u16, u16, &[u8]), Unreadable> {
    match protocol {
        UDP => {
            let header = UdpHeaderSlice::from_slice(body).map_err(|_| Unreadable)?;
            let end = usize::from(header.length());
            let payload = body.get(8..end).or_else(|| if whole { None } else { body.get(8..) });
            Ok((header.source_port(), header.destination_port(), payload.ok_or(Unreadable)?))
        }
        TCP => {
            let header = TcpHeaderSlice::from_slice(body).map_err(|_| Unreadable)?;
            let payload = body.get(header.slice().len()..).ok_or(Unreadable)?;
            Ok((header.source_port(), header.destination_port(), payload))
        }
        SCTP => {
            let Some(([f0, f1, t0, t1, ..], chunk)) = body.split_first_chunk::<12>() else {
                return Err(Unreadable);
            };
            let payload = match chunk {
                [0, _, l0, l1, ..] => {
                    let end = usize::from(u16::from_be_bytes([*l0, *l1]));
                    chunk.get(16..end).ok_or(Unreadable)?
                }
                _ => &[],
            };
            Ok((u16::from_be_bytes([*f0, *f1]), u16::from_be_bytes([*t0, *t1]), payload))
        }
        1 | 58 if body.len() < 4 => Err(Unreadable),
        _ => Ok((0, 0, &[])),
    }
}
