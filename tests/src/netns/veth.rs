//! Virtual cables between namespaces, set so that XDP works on them as on a NIC.

use anyhow::Result;
use nix::unistd::{SysconfVar, sysconf};

use super::Namespace;

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where the end is.
    pub namespace: &'a Namespace,
    /// Name of the device, at most 15 bytes.
    pub device: &'a str,
    /// Addresses with their prefix length, IPv4 or IPv6.
    pub addresses: &'a [&'a str],
}

/// Lays a cable: both ends have their addresses, a queue for each CPU, and are up.
///
/// Generic receive offload is on at both ends: without it, or an XDP program, a veth does not
/// take the frames that an XDP program or a flood sends. Segmentation offload is off: no frame
/// is longer than the MTU, as on a wire.
///
/// # Errors
///
/// `ip` or `ethtool` is missing, a name is taken, or the kernel has no veth.
pub fn connect(left: End<'_>, right: End<'_>) -> Result<()> {
    // Queues are numbered as CPUs are, and which those are does not depend on affinity.
    let queues = sysconf(SysconfVar::_NPROCESSORS_CONF)?.unwrap_or(1).to_string();
    let queues = ["numtxqueues", &queues, "numrxqueues", &queues];
    let there = right.namespace.path();
    let there = there.to_string_lossy();
    let (near, far) = (["link", "add", left.device], ["type", "veth", "peer", "name"]);
    let far_end = [right.device, "netns", &there];
    left.namespace.ip(&[&near[..], &queues, &far, &far_end, &queues].concat())?;
    for end in [left, right] {
        let End { namespace, device, addresses } = end;
        for address in addresses {
            // Without duplicate address detection an IPv6 address works at once.
            let detection: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
            let add = ["address", "add", address, "dev", device];
            namespace.ip(&[&add, detection].concat())?;
        }
        let offloads = ["-K", device, "gro", "on", "tso", "off", "gso", "off"];
        namespace.succeed("ethtool", &offloads)?;
        namespace.ip(&["link", "set", device, "up"])?;
    }
    Ok(())
}
