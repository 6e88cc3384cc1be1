//! What each entry claims: which addresses are whose, and what runs there.
//!
//! The one place where sections turn into roles and services. Validation and policy both work on
//! its result, so that what is checked is what is loaded. Must not know slots or interfaces.

use guard_common::abi::party::{
    ELEMENT, ENCRYPTED, INSIDE_SHIFT, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT,
    NEIGHBOUR, PEER, SUPPORT, Service, TUNNEL,
};
use guard_common::wire::{port, protocol};

use super::endpoint::{Endpoint, MediaSpec};
use super::entry::{AddressEntry, PeerEntry, SupportEntry, TunnelEntry, TunnelKind};
use super::error::{At, Section};
use super::interface::Bind;
use super::network::Network;
use super::port::{PortRange, PortSpec, Transport};
use super::text::Id;
use super::zones::Zones;
use super::{Config, Place};

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
    Some(Service { kind, protocol, port_low, port_high, flags: 0 })
}

/// A service by its transport, of which TLS is encrypted.
const fn spoken(kind: u8, transport: Transport, ports: PortRange) -> Option<Service> {
    let flags = match transport {
        Transport::Tls => ENCRYPTED,
        Transport::Udp | Transport::Tcp | Transport::Sctp => 0,
    };
    match service(kind, transport.protocol(), ports) {
        Some(service) => Some(Service { flags, ..service }),
        None => None,
    }
}

impl Config {
    /// Every entry with an id and what it claims, in the order of sections and of the file.
    pub fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let zones = Zones::of(self);
        let inside = move |entry: &TunnelEntry| zones.inside(entry.id.as_str());
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
            .chain(self.tunnel.iter().map(move |entry| tunnel(entry, inside(entry))))
            .chain(stations)
            .chain(neighbours)
    }
}

fn at((section, place, id): (Section, Place, &Id)) -> At<'_> {
    At::new(section, place, id.as_str())
}

fn element<'a>(
    entry: (Section, Place, &'a Id),
    services: &[Endpoint],
    media: Option<&[MediaSpec]>,
    bind: &'a [Bind],
) -> Named<'a> {
    let mut claims = Vec::new();
    for Endpoint { network, port, transport } in services {
        let sip = spoken(KIND_SIP, *transport, PortRange::one(*port));
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
    let claim = |MediaSpec { network, ports }| Claim {
        network,
        service: service(KIND_MEDIA, protocol::UDP, ports),
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
            service: spoken(kind, *transport, *ports),
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

/// A tunnel; `inside` is the number of the zone of what is inside, if that is looked at.
fn tunnel(entry: &TunnelEntry, inside: Option<u8>) -> Named<'_> {
    let mut claims = Vec::new();
    let inside = inside.map_or(0, |zone| (u16::from(zone) + 1) << INSIDE_SHIFT);
    for network in &entry.addresses {
        for kind in &entry.kinds {
            let (protocols, ports): (&[u8], [PortRange; 2]) = match kind {
                TunnelKind::Esp => (&[protocol::ESP], [NO_PORTS; 2]),
                TunnelKind::Ah => (&[protocol::AH], [NO_PORTS; 2]),
                TunnelKind::Gre => (&[protocol::GRE], [NO_PORTS; 2]),
                TunnelKind::Ipip => (&[protocol::IPIP, protocol::IPV6], [NO_PORTS; 2]),
                TunnelKind::Ike => {
                    (&[protocol::UDP], [port::IKE, port::IKE_NAT].map(PortRange::one))
                }
                TunnelKind::Vxlan => {
                    (&[protocol::UDP], [PortRange::one(entry.vxlan_port.unwrap_or(port::VXLAN)); 2])
                }
                TunnelKind::Wireguard => {
                    (&[protocol::UDP], [PortRange::one(entry.wireguard_port.unwrap_or(51820)); 2])
                }
            };
            let flags = if kind.is_readable() { inside } else { 0 };
            // Twice the same range is one service after merging.
            claims.extend(protocols.iter().flat_map(|protocol| {
                ports.map(|ports| Claim {
                    network: *network,
                    service: service(KIND_TUNNEL, *protocol, ports)
                        .map(|service| Service { flags, ..service }),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::locate::Format;
    use super::super::merge::normalise;
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
            (address(), Service { flags: ENCRYPTED, ..is(KIND_SIP, 6, 5061, 5061) }),
            (address(), is(KIND_MEDIA, 17, 1024, 65535)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_peer_has_the_ports_of_the_standard() {
        let found = claims(
            "[[peer]]\nid = 'p'\naddresses = ['10.0.0.0/24']\nmedia = ['10.0.1.0/24:9000-9999']",
        );
        assert_eq!(found.len(), 5);
        assert_eq!(
            found.last().unwrap(),
            &("10.0.1.0/24".to_owned(), is(KIND_MEDIA, 17, 9000, 9999))
        );
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
}
