//! Who takes part in the proof: everybody that calls go to, those that send them, what they need
//! besides, a stranger that nobody configured, and the interfaces they come in by.
//!
//! Read from a configuration alone. Must not know frames or forms.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use guard_common::abi::party::{
    ELEMENT, ENCRYPTED, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, PEER, SUPPORT, Service,
};
use guard_common::wire::{port, protocol};
use ipnet::IpNet;

use crate::config::{Claim, Config, Named, Section, Transport, Zones};

/// IPv4 and IPv6.
pub const FAMILIES: usize = 2;
/// IPv6 among the families.
pub const V6: usize = 1;

/// An address or a prefix, and a port there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    net: IpNet,
    port: u16,
}

impl Socket {
    /// Its family: a place in lists by family.
    pub fn family(self) -> usize {
        family(&self.net.addr())
    }

    /// An address of the prefix, another for each turn until all had theirs.
    pub fn at(self, turn: u64) -> SocketAddr {
        let free = u32::from(self.net.max_prefix_len() - self.net.prefix_len()).min(u64::BITS - 1);
        let offset = turn % (1u64 << free);
        let address: IpAddr = match self.net.network() {
            IpAddr::V4(base) => {
                let offset = u32::try_from(offset).unwrap_or(0);
                Ipv4Addr::from_bits(base.to_bits().wrapping_add(offset)).into()
            }
            IpAddr::V6(base) => {
                Ipv6Addr::from_bits(base.to_bits().wrapping_add(u128::from(offset))).into()
            }
        };
        SocketAddr::new(address, self.port)
    }
}

/// The family of an address.
pub const fn family(address: &IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(_) => V6,
    }
}

/// A SIP service of a target.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Where.
    pub socket: Socket,
    /// By what.
    pub transport: Transport,
}

/// An element with SIP services: a PSAP, a site, a gateway.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its SIP services.
    pub endpoints: Vec<Endpoint>,
    /// Those whose start lines can be read.
    pub plain: Vec<Endpoint>,
    /// Its media ranges.
    pub media: Vec<Socket>,
    /// Its number among the targets of a family; `None` if it has no address of it.
    pub ordinals: [Option<usize>; FAMILIES],
}

/// Somebody configured who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The entry's id.
    pub id: String,
    /// From where.
    pub socket: Socket,
    /// By what.
    pub transport: Transport,
    /// Zones (bits) in which that is believed.
    pub zones: u64,
}

/// A place where frames come in; its number is the zone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The interface.
    pub interface: String,
    /// Its kernel index; 0 if the policy was made without it.
    pub index: u32,
    /// The VLAN.
    pub vlan: Option<u16>,
}

/// Everybody.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Whom calls go to.
    pub targets: Vec<Target>,
    /// How many targets of a family there are.
    pub counts: [usize; FAMILIES],
    /// Who sends signalling, by family.
    pub senders: [Vec<Sender>; FAMILIES],
    /// Who sends media, by family.
    pub media: [Vec<Sender>; FAMILIES],
    /// What answers besides, by family.
    pub supports: [Vec<Sender>; FAMILIES],
    /// Somebody nobody configured, by family.
    pub strangers: [Option<IpAddr>; FAMILIES],
    /// Where frames come in, by zone.
    pub entrances: Vec<Entrance>,
}

impl Parties {
    /// Those of a configuration, on a host with these interfaces (by name, with kernel index) and
    /// addresses.
    pub fn of(config: &Config, interfaces: &BTreeMap<String, u32>, host: &[IpAddr]) -> Self {
        let zones = Zones::of(config);
        let entrances = zones.list().iter().map(|zone| Entrance {
            interface: zone.interface.to_owned(),
            index: interfaces.get(zone.interface).copied().unwrap_or(0),
            vlan: zone.vlan,
        });
        let mut parties = Self {
            targets: Vec::new(),
            counts: [0; FAMILIES],
            senders: Default::default(),
            media: Default::default(),
            supports: Default::default(),
            strangers: strangers(config, host),
            entrances: entrances.collect(),
        };
        for named in config.named() {
            let believed = zones.believed(named.bind);
            if named.role == ELEMENT {
                parties.add_target(&named);
            }
            // PSAPs call each other, too; what is proved of peers and gateways holds for them.
            if named.role == PEER || named.at.section == Section::Element {
                parties.add_senders(&named, believed);
            }
            if named.role == SUPPORT {
                parties.add_supports(&named, believed);
            }
        }
        parties
    }

    /// All zones, as bits.
    pub fn zones(&self) -> u64 {
        let count = u32::try_from(self.entrances.len()).unwrap_or(u64::BITS);
        u64::MAX.checked_shr(u64::BITS.saturating_sub(count)).unwrap_or(0)
    }

    fn add_target(&mut self, named: &Named<'_>) {
        let endpoints: Vec<_> = services(named, KIND_SIP)
            .map(|(socket, service)| Endpoint { socket, transport: transport(service) })
            .collect();
        if endpoints.is_empty() {
            return;
        }
        let mut ordinals = [None; FAMILIES];
        for (family, (ordinal, count)) in ordinals.iter_mut().zip(&mut self.counts).enumerate() {
            if endpoints.iter().any(|endpoint| endpoint.socket.family() == family) {
                *ordinal = Some(*count);
                *count += 1;
            }
        }
        let plain = |endpoint: &&Endpoint| endpoint.transport != Transport::Tls;
        self.targets.push(Target {
            id: named.at.id.to_owned(),
            plain: endpoints.iter().filter(plain).copied().collect(),
            endpoints,
            media: services(named, KIND_MEDIA).map(|(socket, _)| socket).collect(),
            ordinals,
        });
    }

    fn add_senders(&mut self, named: &Named<'_>, zones: u64) {
        // One for each prefix: from where a party calls is its own affair.
        let mut known: [Option<IpNet>; FAMILIES] = [None; FAMILIES];
        for (socket, service) in services(named, KIND_SIP) {
            let family = socket.family();
            let (Some(known), Some(senders)) =
                (known.get_mut(family), self.senders.get_mut(family))
            else {
                continue;
            };
            if known.replace(socket.net) != Some(socket.net) {
                senders.push(sender(named, socket, service, zones));
            }
        }
        for (socket, service) in services(named, KIND_MEDIA) {
            if let Some(media) = self.media.get_mut(socket.family()) {
                media.push(sender(named, socket, service, zones));
            }
        }
    }

    fn add_supports(&mut self, named: &Named<'_>, zones: u64) {
        for (socket, service) in services(named, KIND_SUPPORT) {
            if let Some(supports) = self.supports.get_mut(socket.family()) {
                supports.push(sender(named, socket, service, zones));
            }
        }
    }
}

fn sender(named: &Named<'_>, socket: Socket, service: Service, zones: u64) -> Sender {
    Sender { id: named.at.id.to_owned(), socket, transport: transport(service), zones }
}

/// What an entry has of a kind: the first port of each range that is no control traffic's.
fn services<'a>(named: &'a Named<'_>, kind: u8) -> impl Iterator<Item = (Socket, Service)> + 'a {
    named.claims.iter().filter_map(move |Claim { network, service }| {
        let service = service.filter(|service| service.kind == kind)?;
        let mut ports = service.port_low..=service.port_high;
        let port = ports.find(|port| kind == KIND_SIP || !is_control(*port))?;
        Some((Socket { net: network.net(), port }, service))
    })
}

/// Ports whose traffic is the network's own, between configured parties and beyond.
const fn is_control(number: u16) -> bool {
    matches!(
        number,
        port::BGP
            | port::LDP
            | port::DHCP_SERVER
            | port::DHCP_CLIENT
            | port::DHCPV6_CLIENT
            | port::DHCPV6_SERVER
            | port::BFD
            | port::BFD_ECHO
            | port::BFD_MULTIHOP
    )
}

const fn transport(service: Service) -> Transport {
    match service.protocol {
        protocol::TCP if service.flags & ENCRYPTED != 0 => Transport::Tls,
        protocol::TCP => Transport::Tcp,
        protocol::SCTP => Transport::Sctp,
        _ => Transport::Udp,
    }
}

/// Where strangers may come from: ranges for benchmarks (RFC 2544, RFC 5180) and documentation
/// (RFC 5737, RFC 9637, RFC 3849), of which the first are seldom on a network at all.
const NOBODYS: [(IpAddr, u32); 7] = [
    (IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0)), 15),
    (IpAddr::V4(Ipv4Addr::new(203, 0, 113, 0)), 24),
    (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)), 24),
    (IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)), 24),
    (IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0)), 48),
    (IpAddr::V6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0)), 20),
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)), 32),
];

/// How many addresses of a range are tried.
const TRIES: u32 = 64;

/// The first address of each family that is no configured party's, not the host's, and not
/// allowed: an allow entry would let its messages pass for another reason than their marker.
fn strangers(config: &Config, host: &[IpAddr]) -> [Option<IpAddr>; FAMILIES] {
    let claims = config.named().flat_map(|named| named.claims).map(|claim| claim.network.net());
    let allowed = config.allow.iter().map(|entry| entry.source.net());
    let taken: Vec<IpNet> =
        claims.chain(allowed).chain(host.iter().map(|address| IpNet::from(*address))).collect();
    let is_free = |address: &IpAddr| !taken.iter().any(|net| net.contains(address));
    let candidates = NOBODYS.iter().flat_map(|(base, length)| {
        (1..=TRIES).map(move |number| candidate(*base, *length, number))
    });
    [0, V6].map(|wanted| {
        candidates.clone().find(|address| family(address) == wanted && is_free(address))
    })
}

/// The addresses of a range that are tried lie spread over it.
fn candidate(base: IpAddr, length: u32, number: u32) -> IpAddr {
    match base {
        IpAddr::V4(base) => {
            let step = (1u32 << (32 - length)) / (TRIES + 1);
            Ipv4Addr::from_bits(base.to_bits() + number * step.max(1)).into()
        }
        IpAddr::V6(base) => {
            let step = (1u128 << (128 - length)) / u128::from(TRIES + 1);
            Ipv6Addr::from_bits(base.to_bits() + u128::from(number) * step).into()
        }
    }
}
