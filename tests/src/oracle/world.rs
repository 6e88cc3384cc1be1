//! A made-up network: who is who, written down twice. Once as the text of a configuration, which
//! the guard reads, and once as this list, which the oracle looks things up in.

#![expect(clippy::panic, reason = "a network that the guard refuses is a mistake of this module")]

use std::fmt::Write as _;
use std::net::IpAddr;

use guard_user::config::{Config, Format};

use super::net::Net;
use crate::fixtures::network::{LAN, VLAN_B, WAN};

/// Numbers of the protocols that have ports.
pub const UDP: u8 = 17;
/// TCP, and TLS over it.
pub const TCP: u8 = 6;
/// SCTP.
pub const SCTP: u8 = 132;

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

impl Port {
    /// A port as the configuration writes it: `5060/udp`.
    #[must_use]
    pub fn parse(text: &'static str) -> Option<Self> {
        let (port, transport) = text.split_once('/')?;
        let protocol = match transport {
            "udp" => UDP,
            "sctp" => SCTP,
            _ => TCP,
        };
        Some(Self { protocol, port: port.parse().ok()?, transport })
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
    pub bind: Vec<&'static str>,
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
/// Everywhere.
pub const ANY: &str = "any";

/// Everybody, and where they may come in.
#[derive(Clone, Debug)]
pub struct World {
    /// Everybody.
    pub parties: Vec<Party>,
    /// Whether the interface to the outside is trusted.
    pub wan_trusted: bool,
    /// Whether VLAN 100 is a zone, and trusted.
    pub vlan: Option<bool>,
    /// What becomes of transit.
    pub transit: &'static str,
    /// Allow and deny entries.
    pub lists: String,
}

impl World {
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
