//! Services and media ranges with their addresses, and what an allow or deny entry is about.
//!
//! `198.51.100.10:5061/tls`, `[2001:db8::/64]:16384-32767`, `icmp`. Knows how these are spelled;
//! must not know which section may use which.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use guard_common::wire::protocol;

use super::error::Problem;
use super::network::Network;
use super::port::{PortRange, PortSpec, Transport, parse_port, split_transport};
use super::text::text_type;

/// Splits `address:ports`, `[v6]:ports`, `[v6]` and a bare address or prefix.
fn split_ports(text: &str) -> Result<(Network, Option<&str>), Problem> {
    let malformed = || {
        Problem::new(
            format!("{text:?} is not an address with ports"),
            "write 198.51.100.10:5060 or [2001:db8::10]:5060",
        )
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, ports) = rest.split_once(']').ok_or_else(malformed)?;
        let ports = match ports {
            "" => None,
            ports => Some(ports.strip_prefix(':').ok_or_else(malformed)?),
        };
        return Ok((address.parse()?, ports));
    }
    match text.rsplit_once(':') {
        Some((address, _)) if address.contains(':') => match text.parse() {
            Ok(network) => Ok((network, None)),
            // "2001:db8::10:5060" parses as an address; with a range or prefix before it cannot.
            Err(_) => Err(malformed()),
        },
        Some((address, ports)) if !address.is_empty() => Ok((address.parse()?, Some(ports))),
        Some(_) => Err(malformed()),
        None => Ok((text.parse()?, None)),
    }
}

/// Writes an address before a colon, IPv6 in brackets.
fn write_host(f: &mut fmt::Formatter<'_>, network: Network) -> fmt::Result {
    match network.net().addr() {
        IpAddr::V4(_) => write!(f, "{network}"),
        IpAddr::V6(_) => write!(f, "[{network}]"),
    }
}

/// A SIP service of an element: `198.51.100.10:5060/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address or prefix.
    pub network: Network,
    /// Port.
    pub port: u16,
    /// Transport.
    pub transport: Transport,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, port, transport } = *self;
        write_host(f, network)?;
        write!(f, ":{port}/{transport}")
    }
}

impl FromStr for Endpoint {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (rest, transport) = split_transport(text)?;
        let (network, port) = split_ports(rest)?;
        let Some(port) = port else {
            return Err(Problem::new(
                format!("the service {text:?} names no port"),
                "write such as 198.51.100.10:5060/udp or [2001:db8::10]:5061/tls",
            ));
        };
        Ok(Self { network, port: parse_port(port)?, transport })
    }
}

/// Where media arrives: `198.51.100.10:16384-32767`, or an address alone for ports 1024 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaSpec {
    /// Address or prefix.
    pub network: Network,
    /// UDP ports.
    pub ports: PortRange,
}

impl fmt::Display for MediaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, ports } = *self;
        write_host(f, network)?;
        write!(f, ":{ports}")
    }
}

impl FromStr for MediaSpec {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (network, ports) = split_ports(text)?;
        let ports = ports.map_or(Ok(PortRange::MEDIA), str::parse)?;
        Ok(Self { network, ports })
    }
}

/// What an allow or deny entry is about: `5060/udp`, `10000-20000/udp`, `udp`, `icmp`, `47`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclService {
    /// IP protocol number. ICMP is 1 here for both families; see [`Self::protocol_for`].
    pub protocol: u8,
    /// Destination ports, if it names any.
    pub ports: Option<PortRange>,
}

/// How ICMP for IPv6 may be written, too, as some firewalls have it.
const ICMP6: &str = "icmp6";

impl AclService {
    /// The protocol number on the wire for sources of a family: `icmp` means the family's own.
    #[must_use]
    pub const fn protocol_for(self, ipv6: bool) -> u8 {
        if self.protocol == protocol::ICMP && ipv6 { protocol::ICMPV6 } else { self.protocol }
    }
}

impl fmt::Display for AclService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, ports } = *self;
        if let Some(ports) = ports {
            write!(f, "{ports}/")?;
        }
        match protocol::name(protocol) {
            Some(name) => f.write_str(name),
            None => write!(f, "{protocol}"),
        }
    }
}

impl FromStr for AclService {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.contains('/') {
            let PortSpec { ports, transport } = text.parse()?;
            return Ok(Self { protocol: transport.protocol(), ports: Some(ports) });
        }
        let lower = text.to_ascii_lowercase();
        let named = protocol::NAMES.iter().find(|(name, _)| *name == lower);
        let named = named.map(|(_, number)| *number);
        let named = named.or_else(|| (lower == ICMP6).then_some(protocol::ICMPV6));
        match named.or_else(|| text.parse().ok().filter(|number| *number != 0)) {
            Some(protocol) => Ok(Self { protocol, ports: None }),
            None => Err(Problem::new(
                format!("{text:?} is no service"),
                "write such as 5060/udp, 10000-20000/udp, udp, icmp, icmpv6, gre, esp, or a protocol number \
                 from 1 to 255",
            )),
        }
    }
}

text_type!(Endpoint, MediaSpec, AclService);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn services_read_and_print_alike() {
        for text in [
            "198.51.100.10:5060/udp",
            "198.51.100.10:5061/tls",
            "[2001:db8::10]:5060/sctp",
            "198.51.100.0/28:5060/udp",
            "[2001:db8::/64]:5060/tcp",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["5060/udp", "udp", "icmp", "47", "253"] {
            let service: AclService = text.parse().unwrap();
            assert_eq!(service.to_string().parse::<AclService>().unwrap(), service);
        }
    }

    #[test]
    fn wrong_services_say_what_to_write() {
        let next = |text: &str| text.parse::<Endpoint>().unwrap_err().next;
        assert!(next("198.51.100.10:5060").contains("198.51.100.10:5060/udp"));
        assert!(next("198.51.100.0/28").contains("/udp"));
        assert!(next("198.51.100.10/udp").contains(":5060/udp"));
        assert!(next("2001:db8::10:5060/udp").contains("[2001:db8::10]"));
        assert!(next("198.51.100.10:0/udp").contains("1 to 65535"));
        assert!(next("198.51.100.10:5060/dccp").contains("sctp"));
        assert!(next("esrp.example:5060/udp").contains("names are not looked up"));
        for bad in
            ["", ":5060/udp", "[2001:db8::1:5060/udp", "[2001:db8::1]5060/udp", "1.2.3.4:+5/udp"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn media_has_a_default_range() {
        let media = |text: &str| text.parse::<MediaSpec>().unwrap();
        assert_eq!(media("203.0.113.32/27").ports, PortRange::MEDIA);
        assert_eq!(media("2001:db8::/48").ports, PortRange::MEDIA);
        assert_eq!(media("[2001:db8::5]").ports, PortRange::MEDIA);
        let range = PortRange { low: 10000, high: 20000 };
        assert_eq!(media("203.0.113.32/27:10000-20000").ports, range);
        assert_eq!(media("[2001:db8::/48]:10000-20000").ports, range);
        assert!(
            "203.0.113.1:20000-10000"
                .parse::<MediaSpec>()
                .unwrap_err()
                .next
                .contains("10000-20000")
        );
        assert!("203.0.113.1:0-9".parse::<MediaSpec>().is_err());
    }

    #[test]
    fn icmp_is_the_familys_own() {
        let icmp: AclService = "icmp".parse().unwrap();
        assert_eq!((icmp.protocol_for(false), icmp.protocol_for(true)), (1, 58));
        for text in ["icmpv6", "icmp6", "58"] {
            assert_eq!(text.parse::<AclService>().unwrap().to_string(), "icmpv6");
        }
        for bad in ["0", "256", "5060", "5060/", "0/udp", "any"] {
            assert!(bad.parse::<AclService>().is_err(), "{bad}");
        }
    }
}
