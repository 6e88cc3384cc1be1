//! Zones: every interface is one, every VLAN with a role of its own is one, and so is the inside of
//! every tunnel that is looked into.
//!
//! Turns `bind` into the bits that a party carries: the zones in which its address is believed as
//! a source. Numbers zones in the order of the file, tunnels last. Must not know interface indexes.

use super::Config;
use super::interface::{Bind, Role};

/// A place where frames come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone<'a> {
    /// Name of the interface, or id of the tunnel.
    pub interface: &'a str,
    /// The VLAN; `None` for frames without a VLAN of their own.
    pub vlan: Option<u16>,
    /// Whether configured addresses are believed here without being bound.
    pub role: Role,
}

/// All zones of a configuration; the place in the list is the zone's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones<'a> {
    zones: Vec<Zone<'a>>,
}

impl<'a> Zones<'a> {
    /// The zones of a configuration.
    #[must_use]
    pub fn of(config: &'a Config) -> Self {
        let mut zones = Vec::new();
        for entry in &config.interface {
            let interface = entry.name.as_str();
            zones.push(Zone { interface, vlan: None, role: entry.role });
            zones.extend(entry.vlans.iter().map(|vlan| Zone {
                interface,
                vlan: Some(vlan.id),
                role: vlan.role,
            }));
        }
        zones.extend(config.tunnel.iter().filter_map(|tunnel| {
            Some(Zone { interface: tunnel.id.as_str(), vlan: None, role: tunnel.inside? })
        }));
        Self { zones }
    }

    /// Number of the zone inside of a tunnel.
    #[must_use]
    pub fn inside(&self, tunnel: &str) -> Option<u8> {
        let is = |zone: &Zone<'_>| zone.vlan.is_none() && zone.interface == tunnel;
        // Behind the interfaces, which may have the same name if nobody validated that.
        self.zones.iter().rposition(is).and_then(|number| u8::try_from(number).ok())
    }

    /// The zones, by number.
    #[must_use]
    pub fn list(&self) -> &[Zone<'a>] {
        &self.zones
    }

    /// Whether any zone is untrusted, so that every address has to be bound.
    #[must_use]
    pub fn any_untrusted(&self) -> bool {
        self.zones.iter().any(|zone| zone.role == Role::Untrusted)
    }

    /// Whether a name of a `bind` list is a zone.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.zones.iter().any(|zone| is_named(zone, name))
    }

    /// The zones, as bits, in which an address with this `bind` list is believed as a source.
    #[must_use]
    pub fn believed(&self, bind: &[Bind]) -> u64 {
        let believed = |zone: &Zone<'_>| {
            zone.role == Role::Trusted
                || bind.iter().any(|bind| match bind {
                    Bind::Any => true,
                    Bind::Zone(name) => is_named(zone, name),
                })
        };
        let bit = |number: usize| u32::try_from(number).ok().and_then(|n| 1u64.checked_shl(n));
        let zones = self.zones.iter().enumerate().filter(|(_, zone)| believed(zone));
        zones.filter_map(|(number, _)| bit(number)).fold(0, |bits, bit| bits | bit)
    }
}

/// `wan0` names the interface's own zone, `wan0.100` that of its VLAN.
fn is_named(zone: &Zone<'_>, name: &str) -> bool {
    match zone.vlan {
        None => zone.interface == name,
        Some(vlan) => name
            .rsplit_once('.')
            .is_some_and(|(interface, id)| zone.interface == interface && id.parse() == Ok(vlan)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::locate::Format;
    use super::*;

    #[test]
    fn trusted_zones_believe_everybody_and_others_whom_they_are_told() {
        let text = "
            [[interface]]
            name = 'lan0'
            role = 'trusted'
            [[interface]]
            name = 'wan0'
            role = 'untrusted'
            vlans = [{ id = 100, role = 'untrusted' }, { id = 200, role = 'trusted' }]
            [[interface]]
            name = 'eth0.7'
            role = 'untrusted'
            [[tunnel]]
            id = 'opaque'
            addresses = ['192.0.2.1']
            kinds = ['gre']
            [[tunnel]]
            id = 'gre-a'
            addresses = ['192.0.2.2']
            kinds = ['gre']
            inside = 'untrusted'";
        let config = Config::parse("t", text, Format::Toml).unwrap();
        let zones = Zones::of(&config);
        let believed = |bind: &[&str]| {
            zones.believed(&bind.iter().map(|bind| bind.parse().unwrap()).collect::<Vec<_>>())
        };
        assert!(zones.any_untrusted());
        assert_eq!(believed(&[]), 0b01001);
        assert_eq!(believed(&["wan0"]), 0b01011);
        assert_eq!(believed(&["wan0.100"]), 0b01101);
        assert_eq!(believed(&["eth0.7"]), 0b11001);
        assert_eq!(believed(&["gre-a"]), 0b101001);
        assert_eq!(believed(&["any"]), 0b111111);
        assert_eq!((zones.inside("gre-a"), zones.inside("opaque")), (Some(5), None));
        assert!(zones.knows("wan0.200") && !zones.knows("wan0.300") && !zones.knows("lan0.7"));
    }
}
