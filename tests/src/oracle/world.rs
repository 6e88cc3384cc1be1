//! A made-up network: who is who, written down twice. Once as the text of a configuration, which
//! the guard reads, and once as this list, which the oracle looks things up in.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use guard_user::config::{Config, Format};

use super::random::Random;
use crate::fixtures::network::{LAN, VLAN_B, WAN};

/// Numbers of the protocols that have ports.
pub const UDP: u8 = 17;
/// TCP, and TLS over it.
pub const TCP: u8 = 6;
/// SCTP.
pub const SCTP: u8 = 132;

/// A network prefix.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    address: IpAddr,
    length: u8,
}

impl Net {
    /// A prefix; the bits behind it are zero.
    #[must_use]
    pub const fn new(address: IpAddr, length: u8) -> Self {
        Self { address, length }
    }

    /// An IPv4 prefix.
    #[must_use]
    pub fn v4(address: [u8; 4], length: u8) -> Self {
        Self::new(Ipv4Addr::from(address).into(), length)
    }

    /// An IPv6 prefix, by the first three words.
    #[must_use]
    pub fn v6([first, second, third]: [u16; 3], length: u8) -> Self {
        Self::new(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0).into(), length)
    }

    /// Its bits at the upper end of 128, and a mask of those behind it.
    fn bits(&self, address: IpAddr) -> (u128, u128) {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        (bits, u128::MAX.checked_shr(self.length.into()).unwrap_or(0))
    }

    /// Whether an address lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((own, behind), (other, _)) = (self.bits(self.address), self.bits(address));
        self.address.is_ipv4() == address.is_ipv4() && own == other & !behind
    }

    /// An address within.
    pub fn address(&self, random: &mut Random) -> IpAddr {
        let (own, behind) = self.bits(self.address);
        let chance = (u128::from(random.bits()) << 64 | u128::from(random.bits())) & behind;
        match self.address {
            IpAddr::V4(_) => {
                Ipv4Addr::from_bits(u32::try_from((own | chance) >> 96).unwrap_or(0)).into()
            }
            IpAddr::V6(_) => Ipv6Addr::from_bits(own | chance).into(),
        }
    }

    fn text(&self) -> String {
        format!("{}/{}", self.address, self.length)
    }

    /// As an endpoint of the configuration: `192.0.2.0/28:` or `[2001:db8::]/48:` and a port.
    fn endpoint(&self, port: &str) -> String {
        match self.address {
            IpAddr::V4(_) => format!("{}:{port}", self.text()),
            IpAddr::V6(_) => format!("[{}]:{port}", self.text()),
        }
    }
}

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A PSAP, ESRP or other element.
    Element,
    /// A carrier.
    Peer,
    /// What calls need besides SIP.
    Support,
    /// A management station.
    Management,
}

/// A port of a protocol on which somebody speaks SIP, or serves otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Protocol number.
    pub protocol: u8,
    /// Port.
    pub port: u16,
    /// Its name in the configuration.
    transport: &'static str,
}

const fn port(protocol: u8, port: u16, transport: &'static str) -> Port {
    Port { protocol, port, transport }
}

impl Port {
    /// A UDP port.
    #[must_use]
    pub const fn udp(number: u16) -> Self {
        port(UDP, number, "udp")
    }
}

/// Somebody.
#[derive(Clone, Debug)]
pub struct Party {
    /// What it is.
    pub role: Role,
    /// Its addresses.
    pub nets: Vec<Net>,
    /// Its services: SIP of elements and peers.
    pub services: Vec<Port>,
    /// First and last UDP port of its media.
    pub media: Option<(u16, u16)>,
    /// The zones it may come in by.
    bind: Vec<&'static str>,
}

impl Party {
    /// Whether it serves on this port; for elements and peers: speaks SIP.
    #[must_use]
    pub fn serves(&self, protocol: u8, port: u16) -> bool {
        self.services.iter().any(|own| own.protocol == protocol && own.port == port)
    }

    /// Whether this is a port of its media.
    #[must_use]
    pub fn has_media(&self, protocol: u8, port: u16) -> bool {
        protocol == UDP && self.media.is_some_and(|(first, last)| first <= port && port <= last)
    }
}

/// The VLAN with a zone of its own.
pub const VLAN_ZONE: &str = "wan0.100";
const ANY: &str = "any";

/// Everybody, and where they may come in.
#[derive(Clone, Debug)]
pub struct World {
    /// Everybody.
    pub parties: Vec<Party>,
    wan_trusted: bool,
    /// Whether VLAN 100 is a zone, and trusted.
    vlan: Option<bool>,
    transit: &'static str,
    lists: String,
}

impl World {
    /// Some network.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        let mut parties = Vec::new();
        let vlan = (!random.once_in(4)).then(|| random.once_in(4));
        let bind = |random: &mut Random| {
            match vlan {
                Some(_) => random.pick(&[
                    [LAN].as_slice(),
                    &[WAN],
                    &[VLAN_ZONE],
                    &[ANY],
                    &[LAN, VLAN_ZONE],
                    &[WAN, VLAN_ZONE],
                ]),
                None => random.pick(&[[LAN].as_slice(), &[WAN], &[ANY], &[LAN, WAN]]),
            }
            .to_vec()
        };
        for number in 0..random.between(1, 4) {
            let nets = nets(random, [198, 51, 100, 16 * (number as u8 + 1)], 0x10, number, 28);
            parties.push(Party { bind: bind(random), ..element(random, nets) });
        }
        for number in 0..random.between(1, 3) {
            let nets = nets(random, [203, 0, 113, 32 * number as u8], 0xa, number, 27);
            let services = match random.below(3) {
                0 => vec![
                    port(UDP, 5060, "udp"),
                    port(TCP, 5060, "tcp"),
                    port(SCTP, 5060, "sctp"),
                    port(TCP, 5061, "tls"),
                ],
                1 => vec![port(UDP, 5070, "udp")],
                _ => vec![port(TCP, 5080, "tcp"), port(UDP, 5060, "udp")],
            };
            let media = Some(random.pick(&[(1024, 65535), (10000, 20000)]));
            parties.push(Party { role: Role::Peer, nets, services, media, bind: bind(random) });
        }
        if random.once_in(2) {
            let nets = nets(random, [198, 51, 100, 240], 0x53, 0, 29);
            let services = vec![port(UDP, 53, "udp"), port(TCP, 443, "tls")];
            parties.push(Party {
                role: Role::Support,
                nets,
                services,
                media: None,
                bind: bind(random),
            });
        }
        if random.once_in(2) {
            let nets = nets(random, [198, 51, 100, 224], 0x99, 0, 28);
            parties.push(Party {
                role: Role::Management,
                nets,
                services: vec![],
                media: None,
                bind: bind(random),
            });
        }
        let transit = random.pick(&["pass", "limit"]);
        Self { parties, wan_trusted: random.once_in(5), vlan, transit, lists: lists(random) }
    }

    /// The network of the fixtures, as far as frames between its parties and calls to its elements
    /// go: `fixtures/guard.toml` in the oracle's own words.
    #[must_use]
    pub fn of_fixtures() -> Self {
        let v4 = |last: u8, length| Net::new(Ipv4Addr::new(198, 51, 100, last).into(), length);
        let v6 =
            |last: u16| Net::new(Ipv6Addr::new(0x2001, 0xdb8, 0x10, 0, 0, 0, 0, last).into(), 128);
        let peer = |last: u8, length| Net::new(Ipv4Addr::new(203, 0, 113, last).into(), length);
        let peer6 = Net::new(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0).into(), 48);
        let usual = [
            port(UDP, 5060, "udp"),
            port(TCP, 5060, "tcp"),
            port(SCTP, 5060, "sctp"),
            port(TCP, 5061, "tls"),
        ];
        let element = |net: Net, services: &[Port], media| Party {
            role: Role::Element,
            nets: vec![net],
            services: services.to_vec(),
            media,
            bind: vec![LAN],
        };
        let carrier = |nets: &[Net], media, bind| Party {
            role: Role::Peer,
            nets: nets.to_vec(),
            services: usual.to_vec(),
            media,
            bind: vec![bind],
        };
        let media = Some((16384, 32767));
        let parties = vec![
            element(v4(10, 32), &usual, media),
            element(
                v6(0x10),
                &[port(UDP, 5060, "udp"), port(TCP, 5060, "tcp"), port(TCP, 5061, "tls")],
                media,
            ),
            element(v4(20, 32), &[port(UDP, 5060, "udp"), port(TCP, 5080, "tcp")], None),
            element(v4(21, 32), &[], media),
            element(v4(30, 32), &[port(UDP, 5060, "udp")], Some((1024, 65535))),
            element(
                v4(40, 32),
                &[port(UDP, 5060, "udp"), port(TCP, 5060, "tcp")],
                Some((1024, 65535)),
            ),
            element(v6(0x40), &[port(UDP, 5060, "udp")], Some((1024, 65535))),
            carrier(&[peer(0, 27), peer6], None, WAN),
            carrier(&[peer(64, 28)], Some((1024, 65535)), VLAN_ZONE),
            Party {
                role: Role::Management,
                nets: vec![v4(192, 28)],
                services: vec![],
                media: None,
                bind: vec![LAN],
            },
        ];
        Self {
            parties,
            wan_trusted: false,
            vlan: Some(false),
            transit: "pass",
            lists: String::new(),
        }
    }

    /// Who has an address.
    #[must_use]
    pub fn party(&self, address: IpAddr) -> Option<&Party> {
        self.parties.iter().find(|party| party.nets.iter().any(|net| net.contains(address)))
    }

    /// Who has it, if they are believed to come in like that. A frame without a tag may have
    /// lost it to the network card, so it may be of any VLAN of the interface.
    #[must_use]
    pub fn believed(&self, address: IpAddr, interface: &str, vlan: u16) -> Option<&Party> {
        let party = self.party(address)?;
        let zone = |name: &str, trusted: bool| {
            trusted || party.bind.iter().any(|bind| *bind == name || *bind == ANY)
        };
        let believed = match (interface, self.vlan) {
            (LAN, _) => true,
            (_, Some(trusted)) if vlan == VLAN_B => zone(VLAN_ZONE, trusted),
            (_, Some(trusted)) if vlan == 0 => {
                zone(WAN, self.wan_trusted) || zone(VLAN_ZONE, trusted)
            }
            _ => zone(WAN, self.wan_trusted),
        };
        believed.then_some(party)
    }

    /// The configuration.
    ///
    /// # Panics
    ///
    /// If the guard does not take it: then this file is wrong.
    #[must_use]
    pub fn config(&self) -> Config {
        let text = self.text();
        let config = Config::parse("oracle.toml", &text, Format::Toml)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        config.validate().unwrap_or_else(|error| panic!("{error}\n{text}"));
        config
    }

    fn text(&self) -> String {
        let role = |trusted: bool| if trusted { "trusted" } else { "untrusted" };
        let vlan = self.vlan.map_or_else(String::new, |trusted| {
            format!("vlans = [{{ id = {VLAN_B}, role = '{}', name = 'v' }}]\n", role(trusted))
        });
        let mut text = format!(
            "[guard]\nmode = 'enforce'\ncapacity = 8\ntransit = '{}'\n\
             [[interface]]\nname = '{LAN}'\nrole = 'trusted'\n\
             [[interface]]\nname = '{WAN}'\nrole = '{}'\n{vlan}",
            self.transit,
            role(self.wan_trusted),
        );
        for (number, party) in self.parties.iter().enumerate() {
            party.write(&mut text, number);
        }
        text + &self.lists
    }
}

impl Party {
    fn write(&self, out: &mut String, number: usize) {
        let ports = || self.services.iter().map(|port| format!("{}/{}", port.port, port.transport));
        let addresses: Vec<_> = self.nets.iter().map(Net::text).collect();
        let media: Vec<_> = self
            .media
            .iter()
            .flat_map(|(first, last)| {
                self.nets.iter().map(move |net| net.endpoint(&format!("{first}-{last}")))
            })
            .collect();
        let own = match self.role {
            Role::Element => {
                let services: Vec<_> = self
                    .nets
                    .iter()
                    .flat_map(|net| ports().map(|port| net.endpoint(&port)))
                    .collect();
                format!("[[element]]\nkind = 'esrp'\nservices = {services:?}\nmedia = {media:?}\n")
            }
            Role::Peer => {
                let services: Vec<_> = ports().collect();
                format!(
                    "[[peer]]\naddresses = {addresses:?}\nservices = {services:?}\nmedia = {media:?}\n"
                )
            }
            Role::Support => {
                let ports: Vec<_> = ports().collect();
                format!("[[support]]\naddresses = {addresses:?}\nports = {ports:?}\n")
            }
            Role::Management => format!("[[management]]\naddresses = {addresses:?}\n"),
        };
        // Writing to memory does not fail.
        let _ = writeln!(out, "{own}id = 'p{number}'\nbind = {:?}", self.bind);
    }
}

/// Addresses of one or both families.
fn nets(random: &mut Random, v4: [u8; 4], block: u16, number: usize, length: u8) -> Vec<Net> {
    let whole = random.once_in(2);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, block, number as u16, 0, 0, 0, 0);
    let four = match whole {
        true => Net::new(Ipv4Addr::from(v4).into(), length),
        false => Net::new(Ipv4Addr::from_bits(Ipv4Addr::from(v4).to_bits() + 2).into(), 32),
    };
    let six = match whole {
        true => Net::new(v6.into(), 64),
        false => Net::new(Ipv6Addr::from_bits(v6.to_bits() + 0x2_0001).into(), 128),
    };
    match random.below(4) {
        0 => vec![six],
        1 => vec![four],
        _ => vec![four, six],
    }
}

fn element(random: &mut Random, nets: Vec<Net>) -> Party {
    let all = [
        port(UDP, 5060, "udp"),
        port(TCP, 5060, "tcp"),
        port(TCP, 5061, "tls"),
        port(SCTP, 5060, "sctp"),
        port(UDP, 15060, "udp"),
        port(TCP, 5080, "tcp"),
    ];
    let mut services: Vec<_> = all.into_iter().filter(|_| random.once_in(2)).collect();
    if services.is_empty() {
        services = vec![random.pick(&all)];
    }
    let media = Some(random.pick(&[(16384, 32767), (1024, 65535), (40000, 40001)]));
    Party { role: Role::Element, nets, services, media, bind: Vec::new() }
}

/// Some entries about strangers, none about anybody configured.
fn lists(random: &mut Random) -> String {
    let mut text = String::new();
    for source in
        ["192.0.2.0/24", "198.18.0.0/17", "198.19.0.0/16", "2001:db8:5::/48", "192.0.2.64/26"]
    {
        let action = match random.below(4) {
            0 => "allow",
            1 | 2 => "deny",
            _ => continue,
        };
        let _ = writeln!(text, "[[{action}]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::network::{Network, made_up};

    #[test]
    fn the_guard_takes_every_network() {
        for seed in 0..200 {
            let world = World::any(&mut Random::new(seed));
            let _ = Network::of(&world.config(), made_up());
        }
    }

    #[test]
    fn prefixes() {
        let net = Net::new(Ipv4Addr::new(198, 51, 100, 16).into(), 28);
        let is_in = |text: &str| text.parse().is_ok_and(|address| net.contains(address));
        assert!(is_in("198.51.100.16") && is_in("198.51.100.31"));
        assert!(!is_in("198.51.100.32") && !is_in("2001:db8::1"));
        let mut random = Random::new(1);
        assert!((0..100).all(|_| net.contains(net.address(&mut random))));
    }
}
