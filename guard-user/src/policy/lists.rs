//! The allow and deny lists as the data plane reads them: one entry per source prefix.
//!
//! The data plane takes the longest prefix and asks no further, so every entry also says what the
//! prefixes around it say.

use std::net::IpAddr;

use guard_common::abi::acl::{
    ACTION_ALLOW, ACTION_DENY, AclBlock, AclEntry, AclRule, RULES_PER_SOURCE,
};

use crate::config::{
    AclEntryConfig, AclService, Config, ConfigError, Net, Network, PortRange, Problem, flatten,
};

use super::Clock;

/// Entries by source, and the blocks they point to.
pub(super) struct Lists {
    pub(super) entries: Vec<(Net, AclEntry)>,
    pub(super) blocks: Vec<AclBlock>,
}

/// Everything about one source.
#[derive(Clone, Default)]
struct Source {
    allow_until: u64,
    deny_until: u64,
    rules: Vec<AclRule>,
}

pub(super) fn build(config: &Config, clock: &Clock) -> Result<Lists, ConfigError> {
    let allow = config.allow.iter().map(|entry| (ACTION_ALLOW, entry));
    let deny = config.deny.iter().map(|entry| (ACTION_DENY, entry));
    // Entries that have ended stay, saying nothing: one that is still in the kernel is the longest
    // prefix there, and must say what those around it say by now.
    let sources =
        allow.chain(deny).map(|(action, entry)| source(action, entry, clock.until(entry.expires)));
    let sources = flatten(
        sources.collect(),
        |into, from| into.join(&from),
        |parent, child| {
            if let Some(parent) = parent {
                child.join(parent);
            }
            Ok(())
        },
    )?;
    let mut blocks = Vec::new();
    let entries = sources.into_iter().map(|(net, source)| Ok((net, entry(source, &mut blocks)?)));
    Ok(Lists { entries: entries.collect::<Result<_, ConfigError>>()?, blocks })
}

impl Source {
    fn join(&mut self, other: &Self) {
        let Self { allow_until, deny_until, rules } = other;
        self.allow_until = self.allow_until.max(*allow_until);
        self.deny_until = self.deny_until.max(*deny_until);
        self.rules.extend(rules);
    }
}

fn source(action: u8, entry: &AclEntryConfig, until: u64) -> (Net, Source) {
    let net = Net::from(entry.source.net());
    let mut source = Source::default();
    match (entry.destination, entry.service, action) {
        (None, None, ACTION_ALLOW) => source.allow_until = until,
        (None, None, _) => source.deny_until = until,
        (destination, service, action) => {
            source.rules.push(rule(action, until, destination, service, net.is_ipv6()));
        }
    }
    (net, source)
}

fn rule(
    action: u8,
    until: u64,
    destination: Option<Network>,
    service: Option<AclService>,
    ipv6: bool,
) -> AclRule {
    let (destination, destination_mask) = destination.map_or(([0; 16], [0; 16]), mapped);
    let ports = service.and_then(|service| service.ports);
    let PortRange { low, high } = ports.unwrap_or(PortRange { low: 0, high: u16::MAX });
    AclRule {
        until,
        destination,
        destination_mask,
        action,
        protocol: service.map_or(0, |service| service.protocol_for(ipv6)),
        padding: 0,
        port_low: low,
        port_high: high,
    }
}

/// Network and mask as IPv6; IPv4 as `::ffff:a.b.c.d`, of which every bit before the address counts.
fn mapped(network: Network) -> ([u8; 16], [u8; 16]) {
    let net = network.net();
    let (address, before) = match net.network() {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped(), 96),
        IpAddr::V6(v6) => (v6, 0),
    };
    let free = 128 - before - u32::from(net.prefix_len());
    let mask = u128::MAX.checked_shl(free).unwrap_or(0);
    (address.octets(), mask.to_be_bytes())
}

fn entry(source: Source, blocks: &mut Vec<AclBlock>) -> Result<AclEntry, ConfigError> {
    let Source { allow_until, deny_until, mut rules } = source;
    // Allow rules come first: the data plane takes the first that matches.
    rules.sort_by_key(|rule| rule.action);
    rules.dedup();
    if rules.len() > RULES_PER_SOURCE {
        return Err(ConfigError::internal(Problem::new(
            format!(
                "{} conditional entries about one source, at most {RULES_PER_SOURCE} fit",
                rules.len()
            ),
            "join ports into ranges, or leave out destination or service",
        )));
    }
    let mut block = 0;
    if !rules.is_empty() {
        let mut rows = AclBlock::default();
        rows.rules.iter_mut().zip(rules).for_each(|(place, rule)| *place = rule);
        blocks.push(rows);
        block = u32::try_from(blocks.len()).unwrap_or(0);
    }
    Ok(AclEntry { allow_until, deny_until, block, padding: 0 })
}
