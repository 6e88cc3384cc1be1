//! What each entry claims: which addresses are whose, and what runs there.
//!
//! The one place where sections turn into roles and services. Validation and policy both work on
//! its result, so that what is checked is what is loaded. Must not know slots or interfaces.

use guard_common::abi::party::{
    ELEMENT, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT, NEIGHBOUR, PEER,
    SERVICES_MAX, SUPPORT, Service, TUNNEL,
};

use super::cover::{Net, flatten};
use super::entry::{AddressEntry, PeerEntry, SupportEntry, TunnelEntry, TunnelKind};
use super::error::{At, Fault, Section};
use super::network::Network;
use super::port::{Endpoint, MediaSpec, PortRange, PortSpec, Transport};
use super::settings::Bind;
use super::text::Id;
use super::zones::Zones;
use super::{Config, Place};

/// UDP, over which media goes.
const UDP: u8 = 17;

/// SIP of a peer that names no services: the ports of RFC 3261 section 19.1.2.
const PEER_SERVICES: [PortSpec; 4] = [
    PortSpec { ports: PortRange::one(5060), transport: Transport::Udp },
    PortSpec { ports: PortRange::one(5060), transport: Transport::Tcp },
    PortSpec { ports: PortRange::one(5061), transport: Transport::Tls },
    PortSpec { ports: PortRange::one(5060), transport: Transport::Sctp },
];

/// One address or prefix and, if the entry says so, a service there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub network: Network,
    /// What runs there.
    pub service: Option<Service>,
}

/// An entry with an id, and all that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The entry.
    pub at: At<'a>,
    /// Where its addresses may come in.
    pub bind: &'a [Bind],
    /// Role bit of its addresses.
    pub role: u32,
    /// Its addresses and services; empty for a PSAP that shares those of another entry.
    pub claims: Vec<Claim>,
}

const fn service(kind: u8, protocol: u8, ports: PortRange) -> Option<Service> {
    let PortRange { low: port_low, high: port_high } = ports;
    Some(Service { kind, protocol, port_low, port_high, padding: 0 })
}

impl Config {
    /// Every entry with an id and what it claims, in the order of sections and of the file.
    pub fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let psaps = self.psap.iter().map(|e| {
            element((Section::Psap, e.place, &e.id), &e.services, e.media.as_deref(), &e.bind)
        });
        let sites = self.site.iter().map(|e| {
            element((Section::Site, e.place, &e.id), &e.services, e.media.as_deref(), &e.bind)
        });
        let elements = self.element.iter().map(|e| {
            element((Section::Element, e.place, &e.id), &e.services, e.media.as_deref(), &e.bind)
        });
        let stations = self.management.iter().map(|e| station(Section::Management, MANAGEMENT, e));
        let neighbours = self.neighbour.iter().map(|e| station(Section::Neighbour, NEIGHBOUR, e));
        psaps
            .chain(sites)
            .chain(elements)
            .chain(self.peer.iter().map(peer))
            .chain(self.support.iter().map(support))
            .chain(self.tunnel.iter().map(tunnel))
            .chain(stations)
            .chain(neighbours)
    }
}

fn at((section, place, id): (Section, Place, &Id)) -> At<'_> {
    At { section, place, id: id.as_str(), key: "" }
}

fn element<'a>(
    entry: (Section, Place, &'a Id),
    services: &[Endpoint],
    media: Option<&[MediaSpec]>,
    bind: &'a [Bind],
) -> Named<'a> {
    let mut claims = Vec::new();
    for Endpoint { network, port, transport } in services {
        let sip = service(KIND_SIP, transport.protocol(), PortRange::one(*port));
        claims.push(Claim { network: *network, service: sip });
    }
    push_media(&mut claims, media, services.iter().map(|endpoint| endpoint.network));
    Named { at: at(entry), bind, role: ELEMENT, claims }
}

/// Media ranges; where none are configured, the addresses themselves with every higher port.
fn push_media(
    claims: &mut Vec<Claim>,
    media: Option<&[MediaSpec]>,
    addresses: impl Iterator<Item = Network>,
) {
    let claim = |MediaSpec { network, ports }| {
        Claim { network, service: service(KIND_MEDIA, UDP, ports) }
    };
    match media {
        Some(media) => claims.extend(media.iter().copied().map(claim)),
        None => {
            let all = addresses.map(|network| MediaSpec { network, ports: PortRange::MEDIA });
            claims.extend(all.map(claim));
        }
    }
}

fn push_ports(claims: &mut Vec<Claim>, kind: u8, addresses: &[Network], ports: &[PortSpec]) {
    for network in addresses {
        claims.extend(ports.iter().map(|PortSpec { ports, transport }| Claim {
            network: *network,
            service: service(kind, transport.protocol(), *ports),
        }));
    }
}

fn peer(entry: &PeerEntry) -> Named<'_> {
    let mut claims = Vec::new();
    let services = entry.services.as_deref().unwrap_or(&PEER_SERVICES);
    push_ports(&mut claims, KIND_SIP, &entry.addresses, services);
    push_media(&mut claims, entry.media.as_deref(), entry.addresses.iter().copied());
    let at = at((Section::Peer, entry.place, &entry.id));
    Named { at, bind: &entry.bind, role: PEER, claims }
}

fn support(entry: &SupportEntry) -> Named<'_> {
    let mut claims = Vec::new();
    push_ports(&mut claims, KIND_SUPPORT, &entry.addresses, &entry.ports);
    let at = at((Section::Support, entry.place, &entry.id));
    Named { at, bind: &entry.bind, role: SUPPORT, claims }
}

/// Protocols without ports have the whole range: the data plane reads their ports as 0.
const NO_PORTS: PortRange = PortRange { low: 0, high: u16::MAX };

fn tunnel(entry: &TunnelEntry) -> Named<'_> {
    let mut claims = Vec::new();
    for network in &entry.addresses {
        for kind in &entry.kinds {
            let (protocols, ports): (&[u8], [PortRange; 2]) = match kind {
                TunnelKind::Esp => (&[50], [NO_PORTS; 2]),
                TunnelKind::Ah => (&[51], [NO_PORTS; 2]),
                TunnelKind::Gre => (&[47], [NO_PORTS; 2]),
                TunnelKind::Ipip => (&[4, 41], [NO_PORTS; 2]),
                TunnelKind::Ike => (&[UDP], [PortRange::one(500), PortRange::one(4500)]),
                TunnelKind::Vxlan => {
                    (&[UDP], [PortRange::one(entry.vxlan_port.unwrap_or(4789)); 2])
                }
                TunnelKind::Wireguard => {
                    (&[UDP], [PortRange::one(entry.wireguard_port.unwrap_or(51820)); 2])
                }
            };
            // Twice the same range is one service after merging.
            claims.extend(protocols.iter().flat_map(|protocol| {
                ports.map(|ports| Claim {
                    network: *network,
                    service: service(KIND_TUNNEL, *protocol, ports),
                })
            }));
        }
    }
    let at = at((Section::Tunnel, entry.place, &entry.id));
    Named { at, bind: &entry.bind, role: TUNNEL, claims }
}

fn station(section: Section, role: u32, entry: &AddressEntry) -> Named<'_> {
    let claims = entry.addresses.iter().map(|network| Claim { network: *network, service: None });
    let at = at((section, entry.place, &entry.id));
    Named { at, bind: &entry.bind, role, claims: claims.collect() }
}

/// What a prefix is, after everything that covers it has been merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged<'a> {
    /// Zones in which it is believed.
    pub(crate) zones: u64,
    /// Role bits.
    pub(crate) roles: u32,
    /// Counter slot of the most specific element; 0 if none covers it.
    pub(crate) slot: u32,
    /// Services, each once, in the order in which they win.
    pub(crate) services: Vec<Service>,
    /// The first entry that names the prefix; `None` for an address of the host.
    pub(crate) at: Option<At<'a>>,
}

/// All prefixes with what the longest match has to say: its own entries and all covering ones.
///
/// `slots` gives the counter slot of an element's id; `host` are addresses of this host, which
/// are known by role but, coming in from outside, believed only where another entry says so.
pub(crate) fn merged<'a>(
    config: &'a Config,
    slots: impl Fn(&str) -> u32,
    host: impl Iterator<Item = (Net, u32)>,
) -> Result<Vec<(Net, Merged<'a>)>, Fault> {
    let zones = Zones::of(config);
    let mut items = Vec::new();
    for Named { at, bind, role, claims } in config.named() {
        let zones = zones.believed(bind);
        let slot = if role == ELEMENT { slots(at.id) } else { 0 };
        items.extend(claims.into_iter().map(|Claim { network, service }| {
            let services = service.into_iter().collect();
            (network.net().into(), Merged { zones, roles: role, slot, services, at: Some(at) })
        }));
    }
    items.extend(host.map(|(net, roles)| {
        (net, Merged { zones: 0, roles, slot: 0, services: Vec::new(), at: None })
    }));
    flatten(items, Merged::join, |parent, child| child.inherit(parent))
}

impl Merged<'_> {
    /// Another entry about the same prefix. The slot is that of the first that has one.
    fn join(&mut self, from: Self) {
        let Self { zones, roles, slot, services, at } = from;
        self.zones |= zones;
        self.roles |= roles;
        if self.slot == 0 {
            self.slot = slot;
        }
        self.services.extend(services);
        self.at = self.at.or(at);
    }

    /// What covers the prefix says something about it, too.
    fn inherit(&mut self, parent: Option<&Self>) -> Result<(), Fault> {
        if let Some(Self { zones, roles, slot, services, at }) = parent {
            self.zones |= zones;
            self.roles |= roles;
            if self.slot == 0 {
                self.slot = *slot;
            }
            self.services.extend(services);
            self.at = self.at.or(*at);
        }
        normalise(&mut self.services);
        let at = match self.at {
            Some(at) if self.services.len() > SERVICES_MAX => at,
            _ => return Ok(()),
        };
        Err(at.fault(
            format!("an address has {} services, at most {SERVICES_MAX} fit", self.services.len()),
            "join ports into ranges, drop services nobody uses, or give some another address",
        ))
    }
}

/// The order in which services win where their ports overlap.
const fn rank(kind: u8) -> u8 {
    match kind {
        KIND_SIP => 0,
        KIND_SUPPORT => 1,
        KIND_TUNNEL => 2,
        _ => 3,
    }
}

/// Sorts services by rank and joins ranges that touch or overlap.
fn normalise(services: &mut Vec<Service>) {
    services.sort_unstable_by_key(|s| (rank(s.kind), s.protocol, s.port_low, s.port_high));
    services.dedup_by(|next, kept| {
        let same = (next.kind, next.protocol) == (kept.kind, kept.protocol);
        let joins = same && next.port_low <= kept.port_high.saturating_add(1);
        if joins {
            kept.port_high = kept.port_high.max(next.port_high);
        }
        joins
    });
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::locate::Format;
    use super::*;

    fn claims(text: &str) -> Vec<(String, Service)> {
        let config = Config::parse("t", text, Format::Toml).unwrap();
        let claims = config.named().flat_map(|named| named.claims);
        claims.map(|c| (c.network.to_string(), c.service.unwrap_or_default())).collect()
    }

    fn is(kind: u8, protocol: u8, low: u16, high: u16) -> Service {
        service(kind, protocol, PortRange { low, high }).unwrap()
    }

    #[test]
    fn an_element_without_media_has_every_higher_port() {
        let found = claims("[[site]]\nid = 's'\nservices = ['10.0.0.1:5061/tls']");
        let address = || "10.0.0.1".to_owned();
        let expected = [
            (address(), is(KIND_SIP, 6, 5061, 5061)),
            (address(), is(KIND_MEDIA, 17, 1024, 65535)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_peer_has_the_ports_of_the_standard() {
        let found = claims("[[peer]]\nid = 'p'\naddresses = ['10.0.0.0/24']\nmedia = ['10.0.1.0/24:9000-9999']");
        assert_eq!(found.len(), 5);
        assert_eq!(found.last().unwrap(), &("10.0.1.0/24".to_owned(), is(KIND_MEDIA, 17, 9000, 9999)));
    }

    #[test]
    fn tunnels_are_protocols_or_ports() {
        let found = claims(
            "[[tunnel]]\nid = 't'\naddresses = ['10.0.0.1']\nwireguard-port = 5\n\
             kinds = ['ipip', 'ike', 'wireguard']",
        );
        let mut services: Vec<_> = found.into_iter().map(|(_, service)| service).collect();
        normalise(&mut services);
        let expected = [
            is(KIND_TUNNEL, 4, 0, 65535),
            is(KIND_TUNNEL, 17, 5, 5),
            is(KIND_TUNNEL, 17, 500, 500),
            is(KIND_TUNNEL, 17, 4500, 4500),
            is(KIND_TUNNEL, 41, 0, 65535),
        ];
        assert_eq!(services, expected);
    }

    #[test]
    fn ranges_that_touch_are_joined_and_ranks_kept() {
        let mut services = vec![
            is(KIND_MEDIA, 17, 1024, 65535),
            is(KIND_SUPPORT, 17, 53, 53),
            is(KIND_MEDIA, 17, 2000, 3000),
            is(KIND_SIP, 17, 5061, 5070),
            is(KIND_SIP, 17, 5060, 5060),
            is(KIND_SIP, 6, 5060, 5060),
        ];
        normalise(&mut services);
        let expected = [
            is(KIND_SIP, 6, 5060, 5060),
            is(KIND_SIP, 17, 5060, 5070),
            is(KIND_SUPPORT, 17, 53, 53),
            is(KIND_MEDIA, 17, 1024, 65535),
        ];
        assert_eq!(services, expected);
    }
}
