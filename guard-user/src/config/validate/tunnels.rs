//! Rules about `[[tunnel]]`: its ports, and whether somebody can look inside.

use super::super::entry::TunnelEntry;
use super::super::error::{At, Fault, Section};
use super::super::zones::Zones;
use super::Config;

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    for tunnel in &config.tunnel {
        let at = At::new(Section::Tunnel, tunnel.place, tunnel.id.as_str());
        ports(at, tunnel)?;
        if tunnel.inside.is_some() {
            inside(at.key("inside"), tunnel, config)?;
        }
    }
    Ok(())
}

fn ports(at: At<'_>, tunnel: &TunnelEntry) -> Result<(), Fault> {
    for (key, port) in
        [("vxlan-port", tunnel.vxlan_port), ("wireguard-port", tunnel.wireguard_port)]
    {
        if port == Some(0) {
            return Err(at.key(key).fault("port 0 does not exist", "write a port from 1 to 65535"));
        }
    }
    Ok(())
}

/// The inside is a zone, known by the tunnel's id.
fn inside(at: At<'_>, tunnel: &TunnelEntry, config: &Config) -> Result<(), Fault> {
    if !tunnel.kinds.iter().any(|kind| kind.is_readable()) {
        return Err(at.fault(
            "what is inside of these kinds is encrypted or authenticated, and is not read",
            "leave inside out, or guard the interface on which the tunnel ends",
        ));
    }
    let id = tunnel.id.as_str();
    let is_taken = Zones::of(config).list().iter().any(|zone| {
        zone.vlan.map_or_else(
            || zone.interface == id && config.interface.iter().any(|entry| entry.name == id),
            |vlan| format!("{}.{vlan}", zone.interface) == id,
        )
    });
    if is_taken || id == "any" {
        return Err(at.fault(
            format!("{id:?} names something else in bind, too"),
            "give the tunnel another id",
        ));
    }
    Ok(())
}
