//! Interfaces: what the card and its driver can do, and what stands between wire and program.

mod programs;
#[cfg(test)]
mod tests;

use std::thread::available_parallelism;

use super::Finding;
use crate::config::{Attach, Config, InterfaceEntry, Role};
use crate::kernel::device::{self, Details, Offloads};
use crate::kernel::netdev::{self, XdpFeatures};
use crate::kernel::netlink::ETHERNET;
use crate::live::Live;

/// What these findings are about.
const TOPIC: &str = "interface";
/// Drivers that run XDP natively in every kernel that the guard runs on: known, not asked.
const NATIVE: [&str; 15] = [
    "bnxt_en",
    "ena",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "nfp",
    "qede",
    "veth",
    "virtio_net",
];
/// Largest MTU whose frames fit one buffer: a page without headroom and the kernel's own part.
const ONE_BUFFER: u32 = 3_498;

/// An interface to be looked at, and what is configured of it.
struct Seen<'a> {
    details: &'a Details,
    entry: Option<&'a InterfaceEntry>,
    offloads: Offloads,
    features: Option<XdpFeatures>,
    /// CPUs there are for its queues.
    cpus: usize,
}

pub fn look(live: &Live, config: Option<&Config>) -> Vec<Finding> {
    let all = match device::all() {
        Ok(all) => all,
        Err(error) => {
            let text = format!("interfaces are not told: {error}");
            return vec![Finding::unknown(TOPIC, "all", text, "`ip link`")];
        }
    };
    let mut found = Vec::new();
    let entries = config.map(|config| config.interface.as_slice()).unwrap_or_default();
    for entry in entries {
        match all.iter().find(|details| details.name == entry.name) {
            Some(details) => found.extend(one(live, details, Some(entry), &all)),
            None => found.push(Finding::fail(
                TOPIC,
                &entry.name,
                "there is no such interface here: it is guarded once it comes",
                "`ip link` shows those there are; correct `name` if it is none of them",
            )),
        }
    }
    if config.is_none() {
        // Without a configuration all that could be guarded.
        for details in all.iter().filter(|details| details.kind == ETHERNET) {
            found.extend(one(live, details, None, &all));
        }
    }
    found
}

fn one(
    live: &Live,
    details: &Details,
    entry: Option<&InterfaceEntry>,
    all: &[Details],
) -> Vec<Finding> {
    let name = details.name.as_str();
    if details.kind != ETHERNET {
        return vec![Finding::fail(
            TOPIC,
            name,
            format!("its frames have no Ethernet header (type {})", details.kind),
            "guard the interface that carries it",
        )];
    }
    let offloads = device::offloads(name).unwrap_or_default();
    let features = netdev::xdp_features(details.index).ok().flatten();
    let cpus = available_parallelism().map_or(1, usize::from);
    let seen = Seen { details, entry, offloads, features, cpus };
    let mut found = vec![seen.native()];
    found.extend(seen.size());
    found.extend(seen.offloads());
    found.extend(seen.queues());
    found.extend(seen.bound(all));
    found.push(programs::xdp(live, details, entry));
    found.extend(programs::classifiers(live, details));
    found
}

impl Seen<'_> {
    fn name(&self) -> &str {
        &self.details.name
    }

    fn native(&self) -> Finding {
        let name = self.name();
        let driver = self.offloads.driver.as_deref();
        let called = driver.unwrap_or("its driver");
        let known = driver.is_some_and(|driver| NATIVE.contains(&driver));
        match self.features.map(XdpFeatures::native) {
            Some(true) => Finding::ok(TOPIC, name, format!("{called} runs XDP natively")),
            None if known => {
                Finding::ok(TOPIC, name, format!("{called} is known to run XDP natively"))
            }
            None => Finding::unknown(
                TOPIC,
                name,
                format!("whether {called} runs XDP natively is not known"),
                "try: `attach = \"native\"` fails where it cannot be",
            ),
            Some(false) => {
                let attach = self.entry.map(|entry| entry.attach);
                let text = format!("{called} cannot run XDP natively");
                match attach {
                    Some(Attach::Native) => Finding::fail(
                        TOPIC,
                        name,
                        format!("{text}, and native is what is configured"),
                        "`attach = \"auto\"` takes the slow generic mode; another card or driver \
                         is the remedy",
                    ),
                    _ => Finding::warn(
                        TOPIC,
                        name,
                        format!("{text}: only in the slow generic mode"),
                        "another card or driver, or guard the interface below it",
                    ),
                }
            }
        }
    }

    /// It runs in the kernel's generic path, or would: as configured, or for want of a better driver.
    fn is_generic(&self) -> bool {
        match self.entry.map(|entry| entry.attach) {
            Some(Attach::Generic) => true,
            Some(Attach::Native) => false,
            Some(Attach::Auto) | None => self.features.is_some_and(|features| !features.native()),
        }
    }

    /// The program takes frames of several buffers, if the driver has them.
    fn size(&self) -> Option<Finding> {
        let mtu = self.details.mtu;
        if mtu <= ONE_BUFFER {
            return None;
        }
        let name = self.name();
        Some(match self.features.map(XdpFeatures::multi_buffer) {
            Some(true) => {
                Finding::ok(TOPIC, name, format!("MTU {mtu}: the driver shows large frames"))
            }
            Some(false) => Finding::warn(
                TOPIC,
                name,
                format!("MTU {mtu}: the driver shows XDP no frame above one buffer"),
                format!("`ip link set dev {name} mtu {ONE_BUFFER}`, or a newer kernel or driver"),
            ),
            None => Finding::unknown(
                TOPIC,
                name,
                format!("MTU {mtu}: whether the driver shows XDP such frames is not known"),
                format!("if attaching fails: `ip link set dev {name} mtu {ONE_BUFFER}`"),
            ),
        })
    }

    fn offloads(&self) -> Vec<Finding> {
        let name = self.name();
        let mut found = Vec::new();
        let has_vlans = self.entry.is_some_and(|entry| !entry.vlans.is_empty());
        match self.offloads.strips_vlan {
            Some(true) if has_vlans => found.push(Finding::warn(
                TOPIC,
                name,
                "VLAN tags are taken off before the guard sees them: bindings to VLANs do not hold",
                format!("`ethtool -K {name} rxvlan off`"),
            )),
            None if has_vlans => found.push(Finding::unknown(
                TOPIC,
                name,
                "whether VLAN tags are taken off before the guard sees them is not known",
                format!("`ethtool -k {name} | grep vlan`"),
            )),
            _ => {}
        }
        if self.offloads.lro == Some(true) {
            found.push(Finding::warn(
                TOPIC,
                name,
                "the card joins segments (LRO): the guard counts and limits what it joined",
                format!("`ethtool -K {name} lro off`"),
            ));
        }
        // Generic XDP comes behind the kernel's own joining.
        if self.is_generic() && self.offloads.gro == Some(true) {
            found.push(Finding::warn(
                TOPIC,
                name,
                "in generic mode the guard sees segments that GRO has joined, and counts them as one",
                format!("`ethtool -K {name} gro off`"),
            ));
        }
        found
    }

    fn queues(&self) -> Option<Finding> {
        let cpus = self.cpus;
        let (used, most) = self.offloads.queues.unwrap_or((self.details.queues, 0));
        let is_card = self.details.virtual_kind.is_none();
        let name = self.name();
        if used > 1 || cpus == 1 {
            return Some(Finding::ok(TOPIC, name, format!("{used} queues for what comes in")));
        }
        // What is virtual is worked off by whoever sends.
        is_card.then(|| {
            let text = format!("one queue for what comes in: one of {cpus} CPUs takes it all");
            let next = match most {
                2.. => format!("`ethtool -L {name} combined {most}`"),
                _ => "a card with several queues (RSS)".to_owned(),
            };
            Finding::warn(TOPIC, name, text, next)
        })
    }

    /// Bonds and bridges, above it or itself.
    fn bound(&self, all: &[Details]) -> Option<Finding> {
        let name = self.name();
        let kind = self.details.virtual_kind.as_deref();
        let is_untrusted = self.entry.is_some_and(|entry| entry.role == Role::Untrusted);
        if kind == Some("bond") {
            let text =
                "a bond: the guard sees the member a frame came by, and believes every address";
            return Some(match is_untrusted {
                true => Finding::fail(
                    TOPIC,
                    name,
                    format!("{text}, which is wrong on an untrusted side"),
                    "guard its members, each as an interface of its own",
                ),
                false => Finding::warn(TOPIC, name, text, "use bonds on trusted sides only"),
            });
        }
        if kind == Some("bridge") {
            let text = "a bridge: the guard sees only what the bridge hands to this host";
            return Some(Finding::warn(TOPIC, name, text, "guard its ports"));
        }
        let master = all.iter().find(|other| Some(other.index) == self.details.master)?;
        let called = master.virtual_kind.as_deref().unwrap_or("device");
        Some(Finding::ok(TOPIC, name, format!("it belongs to the {called} {}", master.name)))
    }
}
