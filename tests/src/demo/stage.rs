//! The stage: a routing core between a carrier, two dispatch centres and the Internet, from
//! where a stranger calls and an attacker floods.
//!
//! ```text
//!  carrier 192.0.2.10 ---------- carrier0 +------+ east0 ------ psap-east 198.51.100.10
//!                                         | core |
//!  stranger 203.0.113.130 -- internet --- wan0 --+ west0 ------ psap-west 198.51.100.26
//!                        (and attacker)
//! ```
//!
//! Owns addresses, devices and routes. Must not know what is shown on it.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::Result;

use crate::netns::veth::{End, connect};
use crate::netns::{Namespace, device};

/// The port of signalling.
pub const SIP: u16 = 5060;
/// The core's device towards the Internet: where the flood comes in.
pub const WAN: &str = "wan0";
/// The device at the other end, from which the attacker floods.
pub const UPLINK: &str = "uplink0";
/// Where the attacker pretends to be; the lower 24 bits are drawn.
pub const SPOOFED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
/// The bits of [`SPOOFED`] that are drawn: sixteen million sources.
pub const SPOOFED_BITS: u32 = 0x00ff_ffff;

/// A dispatch centre.
#[derive(Clone, Copy, Debug)]
pub struct Psap {
    /// Its name in the configuration.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its address.
    pub address: Ipv4Addr,
    /// The core's device towards it.
    pub device: &'static str,
}

impl Psap {
    /// Where it takes calls.
    #[must_use]
    pub const fn service(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, SIP)
    }
}

/// The dispatch centre that is attacked.
pub const EAST: Psap = Psap {
    id: "psap-east",
    name: "Eastport Regional 911",
    address: Ipv4Addr::new(198, 51, 100, 10),
    device: "east0",
};

/// The other one.
pub const WEST: Psap = Psap {
    id: "psap-west",
    name: "Westfield Regional 911",
    address: Ipv4Addr::new(198, 51, 100, 26),
    device: "west0",
};

/// The carrier's session border controller, a configured peer.
pub const CARRIER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Somebody with a telephone of his own.
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 130);

/// The namespaces, cabled.
#[derive(Debug)]
pub struct Stage {
    /// The carrier.
    pub carrier: Namespace,
    /// The router that is to be guarded.
    pub core: Namespace,
    /// [`EAST`].
    pub east: Namespace,
    /// [`WEST`].
    pub west: Namespace,
    /// The attacker, and the way of the stranger.
    pub internet: Namespace,
    /// The stranger.
    pub stranger: Namespace,
}

impl Stage {
    /// Sets the stage.
    ///
    /// # Errors
    ///
    /// No privilege, or `ip` or `ethtool` is missing.
    pub fn set() -> Result<Self> {
        let stage = Self {
            carrier: Namespace::create("carrier")?,
            core: Namespace::create("core")?,
            east: Namespace::create("psap-east")?,
            west: Namespace::create("psap-west")?,
            internet: Namespace::create("internet")?,
            stranger: Namespace::create("stranger")?,
        };
        // No link-local addresses that come late: the guard would follow every change.
        stage.core.set("ipv6/conf/default/addr_gen_mode", "1")?;
        stage.lay_cables()?;
        stage.route()?;
        Ok(stage)
    }

    fn lay_cables(&self) -> Result<()> {
        let Self { carrier, core, east, west, internet, stranger } = self;
        for (left, right) in [
            ((core, "carrier0", "192.0.2.1/24"), (carrier, "core0", "192.0.2.10/24")),
            ((core, EAST.device, "198.51.100.1/28"), (east, "core0", "198.51.100.10/28")),
            ((core, WEST.device, "198.51.100.17/28"), (west, "core0", "198.51.100.26/28")),
            ((core, WAN, "203.0.113.1/29"), (internet, UPLINK, "203.0.113.2/29")),
            ((internet, "access0", "203.0.113.129/25"), (stranger, "core0", "203.0.113.130/25")),
        ] {
            let (left_address, right_address) = ([left.2], [right.2]);
            connect(end(left.0, left.1, &left_address), end(right.0, right.1, &right_address))?;
        }
        // What strangers send does not wait behind the flood, which another CPU sends.
        device::queue_per_cpu(internet, UPLINK)
    }

    fn route(&self) -> Result<()> {
        for (namespace, gateway) in [
            (&self.carrier, "192.0.2.1"),
            (&self.east, "198.51.100.1"),
            (&self.west, "198.51.100.17"),
            (&self.core, "203.0.113.2"),
            (&self.internet, "203.0.113.1"),
            (&self.stranger, "203.0.113.129"),
        ] {
            namespace.ip(&["route", "add", "default", "via", gateway])?;
        }
        // Answers to spoofed sources must not go round in circles.
        let spoofed = format!("{SPOOFED}/8");
        self.internet.ip(&["route", "add", "blackhole", &spoofed])?;
        for router in [&self.core, &self.internet] {
            router.set("ipv4/ip_forward", "1")?;
            // The attacker's provider does not check sources, and the core cannot.
            router.set("ipv4/conf/all/rp_filter", "0")?;
        }
        Ok(())
    }

    /// From the attacker's device to the signalling port of a dispatch centre.
    ///
    /// # Errors
    ///
    /// The stage is not whole.
    pub fn attack(&self, target: &Psap) -> Result<crate::flood::frame::Path4> {
        Ok(crate::flood::frame::Path4 {
            from: device::hardware_address(&self.internet, UPLINK)?,
            to: device::hardware_address(&self.core, WAN)?,
            source: SocketAddrV4::new(SPOOFED, SIP),
            destination: target.service(),
        })
    }
}

const fn end<'a>(namespace: &'a Namespace, device: &'a str, addresses: &'a [&'a str]) -> End<'a> {
    End { namespace, device, addresses }
}
