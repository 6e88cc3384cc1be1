//! Which entries a frame's fate hung on: what the configuration says about its two ends, and what
//! the generation's maps in the kernel say.
//!
//! For people, after a failure. Looks at every prefix length there can be, and not at the tables
//! of lengths by which the program finds them, so that a gap there shows.

use std::net::IpAddr;
use std::path::Path;

use aya::maps::{Array, HashMap, MapData};
use guard_common::abi::Abi;
use guard_common::abi::acl::AclEntry;
use guard_common::abi::party::{
    ELEMENT, HOST, MANAGEMENT, NEIGHBOUR, PEER, Party, SUPPORT, TUNNEL,
};
use guard_common::prefix::{bucket4, bucket6, network4, network6};

use crate::config::Config;
use crate::kernel::parties::parties;
use crate::kernel::state::open;
use crate::kernel::wire::Wire;
use crate::kernel::{KernelError, object};

/// What is known about source and destination, a line each; of the kernel's maps, if they are
/// pinned somewhere.
pub fn consulted(
    folder: Option<&Path>,
    config: &Config,
    [source, destination]: [IpAddr; 2],
) -> Vec<String> {
    let mut lines = Vec::new();
    for (end, address) in [("source", source), ("destination", destination)] {
        lines.push(format!("{end} {address}: {}", configured(config, address)));
        if let Some(folder) = folder {
            lines.push(format!("{end} {address}: {}", told(party(folder, address), "parties")));
        }
    }
    if let Some(folder) = folder {
        lines.push(format!("source {source}: {}", told(listed(folder, source), "lists")));
    }
    lines
}

/// What the configuration says.
fn configured(config: &Config, address: IpAddr) -> String {
    let mut found: Vec<String> = config
        .named()
        .filter_map(|named| {
            let mut claims = named.claims.iter().map(|claim| claim.network);
            let network = claims.find(|network| network.net().contains(&address))?;
            Some(format!("{} ({network})", named.at))
        })
        .collect();
    for (list, entries) in [("allow", &config.allow), ("deny", &config.deny)] {
        let entries = entries.iter().filter(|entry| entry.source.net().contains(&address));
        found.extend(entries.map(|entry| format!("{list} {}", entry.source)));
    }
    if found.is_empty() {
        return "no entry of the configuration".to_owned();
    }
    format!("configured as {}", found.join(", "))
}

fn told(found: Result<Option<String>, KernelError>, place: &str) -> String {
    match found {
        Ok(Some(found)) => format!("in the kernel's {place}: {found}"),
        Ok(None) => format!("NOT in the kernel's {place}"),
        Err(error) => format!("the kernel's {place} cannot be read: {error}"),
    }
}

fn party(folder: &Path, address: IpAddr) -> Result<Option<String>, KernelError> {
    let (parties4, parties6) = parties(folder)?;
    let found = match address {
        IpAddr::V4(v4) => {
            let find = |length| Some((length, *parties4.get(&network4(v4.octets(), length))?));
            let entry = (1..=32).rev().find_map(find);
            (entry, word(folder, object::PARTY_LENGTHS4, bucket4(v4.octets()))?)
        }
        IpAddr::V6(v6) => {
            let find = |length| Some((length, *parties6.get(&network6(v6.octets(), length))?));
            let entry = (1..=128).rev().find_map(find);
            (entry, word(folder, object::PARTY_LENGTHS6, bucket6(v6.octets()))?)
        }
    };
    let (entry, lengths) = found;
    Ok(entry.map(|(length, party)| {
        let Party { zones, roles, slot, service_count, .. } = party;
        format!(
            "/{length} {}, slot {slot}, {service_count} services, zones {zones:#x}; lengths {lengths:#x}",
            names(roles)
        )
    }))
}

fn listed(folder: &Path, address: IpAddr) -> Result<Option<String>, KernelError> {
    let entry: Option<(u32, AclEntry)> = match address {
        IpAddr::V4(v4) => {
            longest(folder, object::ACL4, 32, |length| network4(v4.octets(), length))?
        }
        IpAddr::V6(v6) => {
            longest(folder, object::ACL6, 128, |length| network6(v6.octets(), length))?
        }
    };
    Ok(entry.map(|(length, entry)| {
        let AclEntry { allow_until, deny_until, block, .. } = entry;
        format!("/{length} allowed until {allow_until}, denied until {deny_until}, block {block}")
    }))
}

/// The entry of the longest prefix around an address, and its length.
fn longest<K: Abi, V: Abi>(
    folder: &Path,
    name: &str,
    bits: u32,
    key: impl Fn(u32) -> K,
) -> Result<Option<(u32, V)>, KernelError> {
    let failed = |error| KernelError::map(name, error);
    let map = open(&folder.join(name), name)?;
    let hash = HashMap::<MapData, Wire<K>, Wire<V>>::try_from(map).map_err(failed)?;
    for length in (0..=bits).rev() {
        match hash.get(&Wire(key(length)), 0) {
            Ok(Wire(value)) => return Ok(Some((length, value))),
            Err(aya::maps::MapError::KeyNotFound) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(None)
}

/// The lengths that a bucket says there are.
fn word(folder: &Path, name: &str, bucket: u32) -> Result<u32, KernelError> {
    let failed = |error| KernelError::map(name, error);
    let array = Array::<MapData, u32>::try_from(open(&folder.join(name), name)?).map_err(failed)?;
    array.get(&bucket, 0).map_err(failed)
}

fn names(roles: u32) -> String {
    let names = [
        (ELEMENT, "element"),
        (PEER, "peer"),
        (SUPPORT, "support"),
        (TUNNEL, "tunnel"),
        (MANAGEMENT, "management"),
        (HOST, "host"),
        (NEIGHBOUR, "neighbour"),
    ];
    let names = names.iter().filter(|(role, _)| roles & role != 0).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join("+")
}
