//! Rules about how much the deny list may cover: the blast radius of a slip of the finger.

use super::super::cover::Net;
use super::super::entry::AclEntryConfig;
use super::super::error::{Fault, Section};
use super::Config;

/// Link-local addresses: whoever has one is a neighbour on the wire, and ND, VRRP, OSPF and BGP
/// speak by them.
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    let link_local: Vec<ipnet::IpNet> =
        LINK_LOCAL.iter().filter_map(|net| net.parse().ok()).collect();
    for entry in &config.deny {
        let net = entry.source.net();
        // Anti-fraud lists have stopped calls by that (Level 3, 2016).
        if net.addr().is_unspecified() {
            return Err(fault(
                entry,
                format!("{net} is what a field is that nobody filled in"),
                "write the address that is meant, or remove the entry",
            ));
        }
        if link_local.iter().any(|local| local.contains(&net) || net.contains(local)) {
            return Err(fault(
                entry,
                "it denies link-local addresses, by which neighbours and routing protocols speak",
                "deny what lies around them",
            ));
        }
        let shortest = config.gates.shortest_deny(matches!(net, ipnet::IpNet::V6(_)));
        if net.prefix_len() < shortest {
            return Err(fault(
                entry,
                format!("it denies more than a /{shortest}, the widest that [gates] allows"),
                "deny the prefixes that are meant, or say in [gates] that wider ones are",
            ));
        }
    }
    share(config)
}

fn fault(entry: &AclEntryConfig, reason: impl Into<String>, next: &str) -> Fault {
    entry.at(Section::Deny, &entry.source.to_string()).key("source").fault(reason, next)
}

/// All entries together. Prefixes inside others count once.
fn share(config: &Config) -> Result<(), Fault> {
    let mut entries: Vec<(Net, &AclEntryConfig)> =
        config.deny.iter().map(|entry| (Net::from(entry.source.net()), entry)).collect();
    entries.sort_by_key(|(net, _)| *net);
    let most = config.gates.deny_share();
    let mut covered = [0.0_f64; 2];
    let mut last: Option<Net> = None;
    for (net, entry) in entries {
        if last.is_some_and(|last| last.covers(&net)) {
            continue;
        }
        last = Some(net);
        let family = if net.is_ipv6() { &mut covered[1] } else { &mut covered[0] };
        // Of IPv6, what is given out at all: 2000::/3.
        let whole = if net.is_ipv6() { 3 } else { 0 };
        *family += 100.0 * 0.5_f64.powi(i32::from(net.length()) - whole);
        if *family > f64::from(most) {
            return Err(fault(
                entry,
                format!(
                    "the deny list covers more than {most} percent of all addresses, the most \
                     that [gates] allows"
                ),
                "remove entries, or raise deny-share in [gates]",
            ));
        }
    }
    Ok(())
}
