//! Rules about `[[interface]]`: names, VLANs, and how many of them fit.

use std::collections::BTreeSet;

use guard_common::abi::policy::{INTERFACES_MAX, VLANS_MAX, ZONES_MAX};

use super::super::error::{At, Fault, Section};
use super::super::interface::InterfaceEntry;
use super::super::settings::Mode;
use super::{Config, section};

/// Longest name the kernel gives an interface (IFNAMSIZ less the final zero).
const NAME_MAX: usize = 15;
/// Highest VLAN identifier; 4095 is reserved (IEEE 802.1Q).
const VLAN_MAX: u16 = 4094;

pub(super) fn check(config: &Config, mode: Mode) -> Result<(), Fault> {
    if config.is_nothing() && mode == Mode::Monitor {
        return Ok(());
    }
    if config.interface.is_empty() {
        return Err(section(Section::Interface).fault(
            "no interface is configured, so nothing would be guarded",
            "add an [[interface]] with name and role",
        ));
    }
    let mut names = BTreeSet::new();
    for entry in &config.interface {
        let at = At::new(Section::Interface, entry.place, &entry.name);
        name(at, &entry.name)?;
        if !names.insert(entry.name.clone()) {
            return Err(at.fault(
                "the interface is configured twice",
                "join the two entries: an interface has one role of its own and a list of vlans",
            ));
        }
        vlans(at, entry)?;
    }
    devices(config, &names)?;
    counts(config)
}

/// A VLAN may be a device of its own or a zone of its interface, but not both.
fn devices(config: &Config, names: &BTreeSet<String>) -> Result<(), Fault> {
    for entry in &config.interface {
        let at = At::new(Section::Interface, entry.place, &entry.name).key("vlans");
        for vlan in &entry.vlans {
            let both = format!("{}.{}", entry.name, vlan.id);
            if names.contains(&both) {
                return Err(at.fault(
                    format!("{both} is an interface and a VLAN of {}", entry.name),
                    "keep the one that sees the frames: the VLAN where the tag is still there, else the interface",
                ));
            }
        }
    }
    Ok(())
}

fn name(at: At<'_>, name: &str) -> Result<(), Fault> {
    let stray = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if (1..=NAME_MAX).contains(&name.len()) && !name.contains(stray) && name != "any" {
        return Ok(());
    }
    Err(at.key("name").fault(
        format!("{name:?} cannot be the name of an interface"),
        "write a name that `ip link` shows, such as eth0",
    ))
}

fn vlans(at: At<'_>, entry: &InterfaceEntry) -> Result<(), Fault> {
    let at = at.key("vlans");
    let mut seen = BTreeSet::new();
    for vlan in &entry.vlans {
        if !(1..=VLAN_MAX).contains(&vlan.id) {
            return Err(at.fault(
                format!("there is no VLAN {}", vlan.id),
                format!("write an id from 1 to {VLAN_MAX}; frames without a tag have the interface's own role"),
            ));
        }
        if !seen.insert(vlan.id) {
            return Err(at.fault(
                format!("VLAN {} is configured twice", vlan.id),
                "keep one of the two: a VLAN has one role",
            ));
        }
    }
    if entry.vlans.len() > VLANS_MAX {
        return Err(at.fault(
            format!(
                "{} VLANs have a role of their own, at most {VLANS_MAX} fit",
                entry.vlans.len()
            ),
            "leave out those with the interface's own role",
        ));
    }
    Ok(())
}

/// Points at the entry that is one too many.
fn counts(config: &Config) -> Result<(), Fault> {
    let (interfaces, mut zones) = (config.interface.len(), 0);
    for (number, entry) in config.interface.iter().enumerate() {
        let at = At::new(Section::Interface, entry.place, &entry.name);
        zones += 1 + entry.vlans.len();
        if number >= INTERFACES_MAX {
            return Err(at.fault(
                format!("{interfaces} interfaces are configured, at most {INTERFACES_MAX} fit"),
                "guard the bond or bridge they belong to, or fewer of them",
            ));
        }
        if zones > ZONES_MAX {
            return Err(at.fault(too_many(), "leave out VLANs with their interface's own role"));
        }
    }
    for entry in config.tunnel.iter().filter(|entry| entry.inside.is_some()) {
        zones += 1;
        if zones > ZONES_MAX {
            let at = At::new(Section::Tunnel, entry.place, entry.id.as_str()).key("inside");
            return Err(at.fault(too_many(), "join tunnels of one role into one entry"));
        }
    }
    Ok(())
}

fn too_many() -> String {
    format!("more than {ZONES_MAX} interfaces, VLANs and tunnels have a role of their own")
}
