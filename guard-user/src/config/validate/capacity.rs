//! Rules about what the data plane's tables have room for.

use std::collections::BTreeSet;

use guard_common::abi::policy::LENGTHS6_MAX;

use super::super::claims::Named;
use super::super::cover::Net;
use super::super::error::{Fault, Section};
use super::super::merge::merged;
use super::{Config, section};

/// Most counter slots: at 2 KiB a slot and CPU, 128 MiB for each CPU.
const SLOTS_MAX: u32 = 1 << 16;

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    slots(config)?;
    // What one address may carry is counted where it is merged.
    merged(config, |_| 0, std::iter::empty())?;
    lengths(config)
}

fn slots(config: &Config) -> Result<(), Fault> {
    let psaps = config.psap.iter().filter(|psap| !psap.services.is_empty()).count();
    // Slot 0 is nobody's.
    let needed = psaps + config.site.len() + config.element.len() + 1;
    let at = section(Section::Guard).key("capacity");
    let room = config.guard.capacity.unwrap_or(SLOTS_MAX);
    if room > SLOTS_MAX {
        return Err(at.fault(
            format!("a capacity of {room} is more than {SLOTS_MAX}"),
            "write what you expect to configure; twice today's PSAPs, sites and elements is plenty",
        ));
    }
    if u32::try_from(needed).is_ok_and(|needed| needed <= room) {
        return Ok(());
    }
    Err(at.fault(
        format!("{needed} counter slots are needed, but there is room for {room}"),
        "raise capacity, or leave it out",
    ))
}

/// Different lengths of IPv6 prefixes cost a look-up each, so a table has a fixed list of them.
fn lengths(config: &Config) -> Result<(), Fault> {
    // The addresses of this host are in the table, too, whichever they are.
    let mut parties = BTreeSet::from([128]);
    for Named { at, claims, .. } in config.named() {
        for net in claims.iter().map(|claim| Net::from(claim.network.net())) {
            if net.is_ipv6() && parties.insert(net.length()) && parties.len() > LENGTHS6_MAX {
                return Err(at.fault(too_many("parties"), NEXT));
            }
        }
    }
    let mut listed = BTreeSet::new();
    let allow = config.allow.iter().map(|entry| (Section::Allow, entry));
    let deny = config.deny.iter().map(|entry| (Section::Deny, entry));
    for (list, entry) in allow.chain(deny) {
        let net = Net::from(entry.source.net());
        if net.is_ipv6() && listed.insert(net.length()) && listed.len() > LENGTHS6_MAX {
            let source = entry.source.to_string();
            return Err(entry.at(list, &source).fault(too_many("the allow and deny lists"), NEXT));
        }
    }
    Ok(())
}

const NEXT: &str = "round prefixes to usual lengths such as /32, /48, /56, /64 and /128";

fn too_many(of: &str) -> String {
    format!("IPv6 prefixes of {of} have more than {LENGTHS6_MAX} different lengths")
}
