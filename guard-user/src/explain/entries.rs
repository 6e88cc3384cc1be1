//! Entries of the configuration about a frame, and where they stand.

use std::net::IpAddr;

use guard_common::abi::party::{KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, Service};
use serde::Serialize;

use super::Facts;
use crate::config::{AclEntryConfig, At, Config, Section, Timestamp};
use crate::trial::Ground;

/// An entry that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Such as `psap "MA-0001"`.
    pub entry: String,
    /// What of it matched.
    pub matched: String,
    /// File and line; `None` where that is not known.
    pub place: Option<String>,
    /// How much of it matched: the more, the likelier it decided.
    #[serde(skip)]
    pub(super) weight: (bool, u8),
}

impl Entry {
    /// An entry without a place.
    pub(super) const fn named(entry: String, matched: String) -> Self {
        Self { entry, matched, place: None, weight: (false, 0) }
    }
}

/// Where an entry stands.
pub(super) fn place(ground: &Ground, at: At<'_>) -> Option<String> {
    if ground.placeless.is_some() { None } else { ground.config.place_of(at) }
}

/// Name of a kind of service.
pub(super) const fn kind_name(kind: u8) -> &'static str {
    match kind {
        KIND_SIP => "SIP",
        KIND_MEDIA => "media",
        KIND_SUPPORT => "a support service",
        KIND_TUNNEL => "a tunnel",
        _ => "no service",
    }
}

/// Entries that name an address, the one that says most first.
pub(super) fn naming(ground: &Ground, address: IpAddr, port: u16, protocol: u8) -> Vec<Entry> {
    let mut found: Vec<Entry> = ground
        .config
        .named()
        .filter_map(|named| {
            let about = named.claims.iter().filter(|claim| claim.network.net().contains(&address));
            let serves = |service: Option<Service>| {
                service.filter(|service| {
                    service.protocol == protocol
                        && (service.port_low..=service.port_high).contains(&port)
                })
            };
            let best = about.max_by_key(|claim| {
                let kind = serves(claim.service).map_or(0, |service| u8::MAX - service.kind);
                (kind, claim.network.net().prefix_len())
            })?;
            let service = serves(best.service);
            let (key, matched) = match service {
                Some(service) => (key(named.at.section, service.kind), kind_name(service.kind)),
                None => ("", "the address"),
            };
            Some(Entry {
                entry: named.at.to_string(),
                matched: format!("{} ({matched})", best.network),
                place: place(ground, named.at.key(key)),
                weight: (service.is_some(), best.network.net().prefix_len()),
            })
        })
        .collect();
    found.sort_by_key(|entry| std::cmp::Reverse(entry.weight));
    found
}

/// The key under which an entry says what runs there.
const fn key(section: Section, kind: u8) -> &'static str {
    match (section, kind) {
        (Section::Support, _) => "ports",
        (Section::Tunnel, _) => "kinds",
        (_, KIND_MEDIA) => "media",
        _ => "services",
    }
}

/// Entries of the lists about a frame, those that have ended included; and the first that says
/// what the data plane said.
pub(super) fn listing(ground: &Ground, facts: &Facts) -> Vec<(Entry, bool)> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let Config { allow, deny, .. } = &ground.config;
    let lists = [(Section::Allow, allow), (Section::Deny, deny)];
    let entries = lists.iter().flat_map(|(section, list)| list.iter().map(move |e| (*section, e)));
    entries
        .filter(|(_, entry)| is_about(entry, facts))
        .map(|(section, entry)| {
            let has_ended = entry.expires.is_some_and(|end| end <= now);
            let source = entry.source.to_string();
            let state = if has_ended { "ended" } else { &entry.reason };
            let told = Entry {
                entry: format!("{} {source}", section.name()),
                matched: state.to_owned(),
                place: place(ground, At::new(section, entry.place, &source)),
                weight: (!has_ended, entry.source.net().prefix_len()),
            };
            (told, !has_ended)
        })
        .collect()
}

fn is_about(entry: &AclEntryConfig, facts: &Facts) -> bool {
    let has = |net: ipnet::IpNet, address: Option<IpAddr>| {
        address.is_some_and(|address| net.contains(&address))
    };
    let service = entry.service.is_none_or(|service| {
        let is_ipv6 = facts.source.is_some_and(|source| source.is_ipv6());
        let protocol = service.protocol_for(is_ipv6);
        (protocol == 0 || protocol == facts.protocol)
            && service
                .ports
                .is_none_or(|ports| (ports.low..=ports.high).contains(&facts.destination_port))
    });
    service
        && has(entry.source.net(), facts.source)
        && entry.destination.is_none_or(|to| has(to.net(), facts.destination))
}
