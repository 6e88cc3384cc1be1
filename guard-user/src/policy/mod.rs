//! Policy: a configuration, translated into the tables the data plane reads.
//!
//! Pure: the same configuration, slots, interfaces, addresses and clock give the same tables, on
//! any host. Flattening happens here, because the data plane takes the longest match and asks no
//! further. This module must not know BPF: who loads the tables is no concern of it.

mod lengths;
mod lists;
pub mod model;
pub mod parties;
pub mod slots;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use guard_common::abi::ABI_VERSION;
use guard_common::abi::acl::{AclBlock, AclEntry, NEVER};
use guard_common::abi::party::{ELEMENT, HOST, Party, Prefix4, Prefix6};
use guard_common::abi::policy::{
    INTERFACES_MAX, Interface, LENGTHS6_MAX, LimitSpec, Policy, SCOPE_LABELS, SCOPE_TRANSIT,
    VLANS_MAX, Vlan,
};
use guard_common::class::{KINDS, Kind};
use ipnet::IpNet;

use crate::config::{
    Config, ConfigError, InterfaceEntry, Key, Merged, Mpls, Net, Problem, Timestamp, Transit,
};

/// Two readings of the same moment: what entries end by, and what the data plane measures.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Time of day.
    pub wall: SystemTime,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub monotonic: u64,
}

impl Clock {
    /// Monotonic nanoseconds until which an entry holds; 0 if it has ended.
    #[must_use]
    pub fn until(&self, expires: Option<Timestamp>) -> u64 {
        let Some(expires) = expires else { return NEVER };
        match SystemTime::from(expires).duration_since(self.wall) {
            Ok(left) if !left.is_zero() => {
                let left = u64::try_from(left.as_nanos()).unwrap_or(NEVER);
                self.monotonic.saturating_add(left)
            }
            _ => 0,
        }
    }
}

/// What a translation needs besides the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Counter slots by id: see [`slots::assign`].
    pub slots: &'a BTreeMap<String, u32>,
    /// How many slots the state maps hold: see [`slots::capacity`].
    pub capacity: u32,
    /// Kernel interface indexes by name; 0 for one that is not there at present.
    pub interfaces: &'a BTreeMap<String, u32>,
    /// Addresses of this host.
    pub host: &'a [IpAddr],
    /// Now.
    pub clock: Clock,
    /// Number of the generation.
    pub generation: u64,
    /// Key of the hashes; the same as long as the state lives.
    pub hash_key: u64,
}

/// The tables of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTables {
    /// Everything that is not a table.
    pub policy: Policy,
    /// Parties by IPv4 prefix.
    pub parties4: BTreeMap<Prefix4, Party>,
    /// Parties by IPv6 prefix.
    pub parties6: BTreeMap<Prefix6, Party>,
    /// Lengths in each bucket of `parties4`.
    pub party_lengths4: Vec<u32>,
    /// Lengths in each bucket of `parties6`.
    pub party_lengths6: Vec<u32>,
    /// Allow and deny entries by IPv4 source prefix.
    pub acl4: BTreeMap<Prefix4, AclEntry>,
    /// Allow and deny entries by IPv6 source prefix.
    pub acl6: BTreeMap<Prefix6, AclEntry>,
    /// Lengths in each bucket of `acl4`.
    pub acl_lengths4: Vec<u32>,
    /// Lengths in each bucket of `acl6`.
    pub acl_lengths6: Vec<u32>,
    /// Blocks of conditional rules.
    pub acl_blocks: Vec<AclBlock>,
    /// What is known when the programs are loaded.
    pub constants: Constants,
}

/// What the programs are told once and for all, so that the verifier takes out what is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// Mark of marked messages from strangers; 0 for none.
    pub label_mark: u32,
    /// Priority of marked messages from strangers; 0 for none.
    pub label_priority: u32,
    /// Not zero: frames are sampled.
    pub sampling: u32,
    /// Nanoseconds between two samples of what is over its limit, on each CPU; 0 for none.
    pub drop_interval: u64,
    /// Whether the inside of some tunnel, or what is behind labels, is looked at: that takes a
    /// program of its own.
    pub looks_inside: bool,
}

impl Constants {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            label_mark: config.labels.mark.unwrap_or(0),
            label_priority: config.labels.priority.unwrap_or(0),
            sampling: u32::from(config.samples.enabled),
            drop_interval: config.samples.drop_interval(),
            looks_inside: config.guard.mpls == Mpls::Inside
                || config.tunnel.iter().any(|tunnel| tunnel.inside.is_some()),
        }
    }
}

/// Translates a validated configuration.
///
/// # Errors
///
/// An interface that this host does not have, an element without a counter slot, or something
/// that [`Config::validate`] would have found.
pub fn build(config: &Config, inputs: &Inputs<'_>) -> Result<PolicyTables, ConfigError> {
    let parties = parties(config, inputs)?;
    let (parties4, parties6) = split(parties);
    let lists = lists::build(config, &inputs.clock)?;
    let (acl4, acl6) = split(lists.entries);
    let (party_lengths6, party_list6) = lengths::buckets6(parties6.keys())?;
    let (acl_lengths6, acl_list6) = lengths::buckets6(acl6.keys())?;
    Ok(PolicyTables {
        policy: policy(config, inputs, party_list6, acl_list6)?,
        party_lengths4: lengths::buckets4(parties4.keys()),
        party_lengths6,
        parties4,
        parties6,
        acl_lengths4: lengths::buckets4(acl4.keys()),
        acl_lengths6,
        acl4,
        acl6,
        acl_blocks: lists.blocks,
        constants: Constants::of(config),
    })
}

/// Splits a sorted list by family.
fn split<T>(items: Vec<(Net, T)>) -> (BTreeMap<Prefix4, T>, BTreeMap<Prefix6, T>) {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for (net, value) in items {
        match net.key() {
            Key::V4(prefix) => v4.push((prefix, value)),
            Key::V6(prefix) => v6.push((prefix, value)),
        }
    }
    // Both are sorted already, so the maps are built in one go.
    (v4.into_iter().collect(), v6.into_iter().collect())
}

fn parties(config: &Config, inputs: &Inputs<'_>) -> Result<Vec<(Net, Party)>, ConfigError> {
    let slot = |id: &str| inputs.slots.get(id).copied().unwrap_or(0);
    let host = inputs.host.iter().map(IpAddr::to_canonical).filter(|address| {
        !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
    });
    let host = host.map(|address| (Net::from(IpNet::from(address)), HOST));
    let merged = config.parties(slot, host)?;
    merged.into_iter().map(|(net, merged)| Ok((net, party(&merged, inputs.capacity)?))).collect()
}

fn party(merged: &Merged<'_>, capacity: u32) -> Result<Party, ConfigError> {
    let Merged { zones, roles, slot, services, at } = merged;
    if roles & ELEMENT != 0 && !(1..capacity).contains(slot) {
        let id = at.map_or("", |at| at.id);
        return Err(ConfigError::internal(Problem::new(
            format!("{id:?} has counter slot {slot} of {capacity}"),
            "this is a defect of the guard: please report it with the configuration",
        )));
    }
    let mut party = Party { zones: *zones, roles: *roles, slot: *slot, ..Party::default() };
    for (place, service) in party.services.iter_mut().zip(services) {
        *place = *service;
        party.service_count += 1;
    }
    Ok(party)
}

fn policy(
    config: &Config,
    inputs: &Inputs<'_>,
    party_lengths6: [u8; LENGTHS6_MAX],
    acl_lengths6: [u8; LENGTHS6_MAX],
) -> Result<Policy, ConfigError> {
    let (interface_count, interfaces) = interfaces(config, inputs.interfaces)?;
    let (per_source, per_psap) = limits(config);
    let (marked_per_source, marked_per_psap) = config.bursts.specs();
    let (pin_allowance, pin_others) = config.pins.specs();
    Ok(Policy {
        abi: ABI_VERSION,
        scope: scope(config),
        generation: inputs.generation,
        hash_key: inputs.hash_key,
        interface_count,
        slots: inputs.capacity,
        interfaces,
        per_source,
        per_psap,
        marked_per_source,
        marked_per_psap,
        pin_allowance,
        pin_others,
        open_for: config.pins.open_for(),
        // Known when the index is made.
        party_mask4: 0,
        party_mask6: 0,
        party_lengths6,
        acl_lengths6,
    })
}

fn scope(config: &Config) -> u32 {
    let transit = match config.guard.transit {
        Transit::Pass => 0,
        Transit::Limit => SCOPE_TRANSIT,
    };
    let labels = match config.guard.mpls {
        Mpls::Opaque => 0,
        Mpls::Inside => SCOPE_LABELS,
    };
    transit | labels
}

fn limits(config: &Config) -> ([LimitSpec; KINDS], [LimitSpec; KINDS]) {
    let specs = Kind::ALL.map(|kind| config.limits.specs(kind));
    (specs.map(|(source, _)| source), specs.map(|(_, psap)| psap))
}

/// Interfaces with their zones, numbered as [`crate::config::Zones`] numbers them: each
/// interface and then its VLANs, in the order of the file.
fn interfaces(
    config: &Config,
    indexes: &BTreeMap<String, u32>,
) -> Result<(u32, [Interface; INTERFACES_MAX]), ConfigError> {
    let mut interfaces = [Interface::default(); INTERFACES_MAX];
    let mut zones = 0..;
    let mut count = 0;
    for (place, entry) in interfaces.iter_mut().zip(&config.interface) {
        let Some(index) = indexes.get(&entry.name).copied() else {
            return Err(config.interface_error(
                entry,
                Problem::new(
                    "this host has no such interface",
                    "see `ip link` for those it has, or remove the entry",
                ),
            ));
        };
        *place = interface(entry, index, &mut zones);
        count += 1;
    }
    Ok((count, interfaces))
}

/// The bit of a zone.
const fn bit(zone: u16) -> u64 {
    1 << (zone & 63)
}

fn interface(
    entry: &InterfaceEntry,
    index: u32,
    zones: &mut impl Iterator<Item = u16>,
) -> Interface {
    let zone = zones.next().unwrap_or_default();
    let mut vlans = [Vlan::default(); VLANS_MAX];
    let mut vlan_count = 0;
    let mut untagged = bit(zone);
    for (place, vlan) in vlans.iter_mut().zip(&entry.vlans) {
        *place = Vlan { id: vlan.id, zone: zones.next().unwrap_or_default() };
        untagged |= bit(place.zone);
        vlan_count += 1;
    }
    Interface { index, zone, vlan_count, untagged, vlans }
}

#[cfg(test)]
mod tests;
