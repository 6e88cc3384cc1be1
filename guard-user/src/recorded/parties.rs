//! Whose an address is, by a configuration: entries, and the services at their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use guard_common::abi::party::{ELEMENT, KIND_MEDIA};
use ipnet::IpNet;

use super::seen::key;
use crate::config::{Claim, Config, Named};

/// The entries of a configuration, by prefix.
#[derive(Debug, Default)]
pub struct Parties {
    nets: BTreeMap<IpNet, Vec<(usize, Claim)>>,
    lengths4: BTreeSet<u8>,
    lengths6: BTreeSet<u8>,
    /// Key of [`super::Seen`] and role of each entry.
    entries: Vec<(String, u32)>,
}

impl Parties {
    /// Those of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut parties = Self::default();
        for (number, Named { at, role, claims, .. }) in config.named().enumerate() {
            parties.entries.push((key(at.section, at.id), role));
            for claim in claims {
                let net = claim.network.net();
                match net {
                    IpNet::V4(net) => parties.lengths4.insert(net.prefix_len()),
                    IpNet::V6(net) => parties.lengths6.insert(net.prefix_len()),
                };
                parties.nets.entry(net).or_default().push((number, claim));
            }
        }
        parties
    }

    /// Keys of all entries that name an address.
    pub fn keys(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let entries = self.claims(address).filter_map(|(number, _)| self.entries.get(*number));
        entries.map(|(key, _)| key.as_str())
    }

    /// Whether any entry names an address.
    #[must_use]
    pub fn know(&self, address: IpAddr) -> bool {
        self.claims(address).next().is_some()
    }

    /// Key of the element that an address is of.
    #[must_use]
    pub fn element(&self, address: IpAddr) -> Option<&str> {
        let entries = self.claims(address).filter_map(|(number, _)| self.entries.get(*number));
        entries.filter(|(_, role)| role & ELEMENT != 0).map(|(key, _)| key.as_str()).next()
    }

    /// Kind of the service at a port of an address; SIP before media, which may be every port.
    #[must_use]
    pub fn kind(&self, address: IpAddr, protocol: u8, port: u16) -> Option<u8> {
        let services = self.claims(address).filter_map(|(_, claim)| claim.service);
        let fitting = services.filter(|service| {
            service.protocol == protocol && (service.port_low..=service.port_high).contains(&port)
        });
        fitting.map(|service| service.kind).min_by_key(|kind| *kind == KIND_MEDIA)
    }

    fn claims(&self, address: IpAddr) -> impl Iterator<Item = &(usize, Claim)> {
        let lengths = if address.is_ipv4() { &self.lengths4 } else { &self.lengths6 };
        let nets = lengths.iter().rev().filter_map(move |length| IpNet::new(address, *length).ok());
        nets.filter_map(|net| self.nets.get(&net.trunc())).flatten()
    }
}
