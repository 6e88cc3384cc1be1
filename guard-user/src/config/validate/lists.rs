//! Rules about the allow and deny lists: an owner and a reason each, no contradiction, and no
//! more conditions than a source has room for.

use std::collections::HashMap;

use guard_common::abi::acl::RULES_PER_SOURCE;

use super::super::cover::{Net, flatten};
use super::super::entry::{AclEntryConfig, Scope};
use super::super::error::{Fault, Section};
use super::Config;
use super::naming::text;

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    let mut seen: HashMap<Scope, Section> = HashMap::new();
    for (section, entry) in entries(config) {
        entry_alone(section, entry)?;
        match seen.insert(entry.scope(), section) {
            None => {}
            Some(first) if first == section => {
                return Err(fault(
                    section,
                    entry,
                    "",
                    "the list says this twice",
                    "keep one of the two entries",
                ));
            }
            Some(_) => {
                return Err(fault(
                    section,
                    entry,
                    "",
                    "the same frames are allowed and denied",
                    "remove one of the two entries, or give one a destination or service",
                ));
            }
        }
    }
    rules_per_source(config)
}

fn entries(config: &Config) -> impl Iterator<Item = (Section, &AclEntryConfig)> {
    let allow = config.allow.iter().map(|entry| (Section::Allow, entry));
    allow.chain(config.deny.iter().map(|entry| (Section::Deny, entry)))
}

fn fault(
    section: Section,
    entry: &AclEntryConfig,
    key: &'static str,
    reason: impl Into<String>,
    next: impl Into<String>,
) -> Fault {
    entry.at(section, &entry.source.to_string()).key(key).fault(reason, next)
}

fn entry_alone(section: Section, entry: &AclEntryConfig) -> Result<(), Fault> {
    let source = entry.source.to_string();
    let at = entry.at(section, &source);
    text(at.key("owner"), &entry.owner)?;
    text(at.key("reason"), &entry.reason)?;
    let is_ipv6 = |net: ipnet::IpNet| matches!(net, ipnet::IpNet::V6(_));
    match entry.destination {
        Some(destination) if is_ipv6(destination.net()) != is_ipv6(entry.source.net()) => {
            Err(at.key("destination").fault(
                format!("no frame goes from {} to {destination}", entry.source),
                "write both addresses as IPv4 or both as IPv6",
            ))
        }
        _ => Ok(()),
    }
}

/// Conditions of one source share a block of fixed size, with those of the prefixes around it:
/// the data plane looks at the longest only.
fn rules_per_source(config: &Config) -> Result<(), Fault> {
    let conditional = entries(config)
        .filter(|(_, entry)| entry.destination.is_some() || entry.service.is_some())
        .map(|found| (Net::from(found.1.source.net()), (1usize, found)))
        .collect();
    let join = |into: &mut (usize, _), from: (usize, _)| into.0 += from.0;
    flatten(conditional, join, |parent, child| {
        let (count, (section, entry)) = child;
        if let Some((inherited, _)) = parent {
            *count += inherited;
        }
        if *count <= RULES_PER_SOURCE {
            return Ok(());
        }
        Err(fault(
            *section,
            entry,
            "",
            format!(
                "{count} entries with a destination or service are about this source, at most {RULES_PER_SOURCE} fit"
            ),
            "join ports into ranges, or leave out destination or service",
        ))
    })?;
    Ok(())
}
