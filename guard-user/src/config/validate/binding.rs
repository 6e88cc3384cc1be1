//! Rules about `bind`: on a host with an untrusted side, every address says where it may come in.

use super::super::claims::Named;
use super::super::error::Fault;
use super::super::interface::Bind;
use super::super::zones::Zones;
use super::Config;

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    let zones = Zones::of(config);
    let untrusted = zones.any_untrusted();
    for Named { at, bind, claims, .. } in config.named() {
        let at = at.key("bind");
        let unknown = bind.iter().find_map(|bind| match bind {
            Bind::Zone(name) if !zones.knows(name) => Some(name),
            Bind::Zone(_) | Bind::Any => None,
        });
        if let Some(name) = unknown {
            return Err(at.fault(
                format!("there is no interface or VLAN {name:?}"),
                format!("write one of {}, or add it as an [[interface]]", known(&zones)),
            ));
        }
        // A PSAP without addresses of its own has nothing to bind.
        if untrusted && bind.is_empty() && !claims.is_empty() {
            return Err(at.fault(
                "some interface is untrusted, and nothing says where these addresses may come in",
                format!(
                    "add bind = [...] with all its ways in, back-up paths included: {}",
                    known(&zones)
                ),
            ));
        }
    }
    Ok(())
}

/// All zones as they are written in `bind`.
fn known(zones: &Zones<'_>) -> String {
    let names = zones.list().iter().map(|zone| match zone.vlan {
        Some(vlan) => format!("\"{}.{vlan}\"", zone.interface),
        None => format!("\"{}\"", zone.interface),
    });
    names.chain(["\"any\"".to_owned()]).collect::<Vec<_>>().join(", ")
}
