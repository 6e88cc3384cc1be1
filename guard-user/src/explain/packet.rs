//! A packet from words: `udp 203.0.113.9:40000 to 198.51.100.10:5060`.
//!
//! In a shell `>` is a redirection, so the arrow works only in quotes, and `to`, or nothing, says
//! the same.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::canary::wire::{self, Carrier};

/// Most bytes of payload: what a datagram holds.
pub const PAYLOAD_MAX: usize = 65_000;
/// Flags of TCP by name.
const FLAGS: [(&str, u8); 8] = [
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ece", 0x40),
    ("cwr", 0x80),
];
/// ICMP and ICMPv6: a request for an echo.
const ECHO: [u8; 2] = [8, 128];

/// What is wrong with the words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}\n  next: {next}")]
pub struct Wrong {
    reason: String,
    next: String,
}

fn wrong(reason: impl Into<String>, next: impl Into<String>) -> Wrong {
    Wrong { reason: reason.into(), next: next.into() }
}

/// A packet, as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    carrier: Carrier,
    source: SocketAddr,
    destination: SocketAddr,
}

/// What stands beside the words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Flags of TCP, such as `syn,ack`.
    pub flags: Option<String>,
    /// Type of ICMP.
    pub icmp_type: Option<u8>,
    /// The VLAN it is tagged with.
    pub vlan: Option<u16>,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Whether words begin like a packet.
#[must_use]
pub fn is_one(words: &[String]) -> bool {
    let first = words.first().and_then(|word| word.split_whitespace().next()).unwrap_or_default();
    matches!(first, "udp" | "tcp" | "sctp" | "icmp" | "icmpv6" | "icmp6")
}

/// Reads words: a protocol and two ends.
///
/// # Errors
///
/// They are no packet.
pub fn parse(words: &[String], details: &Details) -> Result<Packet, Wrong> {
    let text = words.join(" ").replace("->", " to ");
    let words: Vec<_> = text.split_whitespace().collect();
    let usage = "write such as udp 203.0.113.9:40000 to 198.51.100.10:5060";
    let (protocol, from, to) = match words.as_slice() {
        [protocol, from, "to", to] | [protocol, from, to] if *to != "-" => (*protocol, *from, *to),
        [_, _, "-"] => {
            return Err(wrong(
                "the shell took the > of -> and wrote this output to a file",
                "write `to` instead of the arrow, or put all of it in quotes; remove that file",
            ));
        }
        _ => return Err(wrong(format!("{text:?} is no packet"), usage)),
    };
    let carrier = carrier(protocol, details)?;
    let has_ports = !matches!(carrier, Carrier::Icmp(_));
    let (source, destination) = (end(from, has_ports)?, end(to, has_ports)?);
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(wrong(
            format!("{from} and {to} are of two families"),
            "name two IPv4 addresses or two IPv6 ones",
        ));
    }
    let carrier = match carrier {
        Carrier::Icmp(_) => {
            let [v4, v6] = ECHO;
            Carrier::Icmp(details.icmp_type.unwrap_or(if source.is_ipv4() { v4 } else { v6 }))
        }
        other => other,
    };
    Ok(Packet { carrier, source, destination })
}

fn carrier(protocol: &str, details: &Details) -> Result<Carrier, Wrong> {
    let Details { flags, icmp_type, payload, vlan } = details;
    if payload.len() > PAYLOAD_MAX {
        return Err(wrong(
            format!("a payload of more than {PAYLOAD_MAX} bytes fits no packet"),
            "name a file with what one packet says",
        ));
    }
    if vlan.is_some_and(|vlan| !(1..4095).contains(&vlan)) {
        return Err(wrong("there is no such VLAN", "write 1 to 4094"));
    }
    if flags.is_some() && protocol != "tcp" {
        return Err(wrong(format!("{protocol} has no flags"), "leave out --flags"));
    }
    if icmp_type.is_some() && !protocol.starts_with("icmp") {
        return Err(wrong(format!("{protocol} has no type"), "leave out --icmp-type"));
    }
    Ok(match protocol {
        "udp" => Carrier::Udp,
        "sctp" => Carrier::Sctp,
        "tcp" => Carrier::Tcp(match flags {
            Some(flags) => self::flags(flags)?,
            None if payload.is_empty() => wire::SYN,
            None => wire::DATA,
        }),
        "icmp" | "icmpv6" | "icmp6" => Carrier::Icmp(icmp_type.unwrap_or_default()),
        other => {
            return Err(wrong(
                format!("{other:?} is no protocol that can be written here"),
                "write udp, tcp, sctp or icmp; for others, name a frame of a capture",
            ));
        }
    })
}

fn flags(text: &str) -> Result<u8, Wrong> {
    text.split(',').try_fold(0, |flags, name| {
        let found = FLAGS.iter().find(|(known, _)| *known == name);
        found.map(|(_, bit)| flags | bit).ok_or_else(|| {
            let names: Vec<_> = FLAGS.iter().map(|(name, _)| *name).collect();
            wrong(format!("TCP has no flag {name:?}"), format!("write some of {}", names.join(",")))
        })
    })
}

/// An end, with a port or without.
fn end(text: &str, has_port: bool) -> Result<SocketAddr, Wrong> {
    if has_port {
        return text.parse().map_err(|_| {
            wrong(
                format!("{text:?} is no address with a port"),
                "write such as 203.0.113.9:40000 or [2001:db8::9]:40000",
            )
        });
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().map_err(|_| {
        wrong(format!("{text:?} is no address"), "write such as 203.0.113.9 or 2001:db8::9")
    })?;
    Ok(SocketAddr::new(address, 0))
}

impl Packet {
    /// The frame, with a made-up Ethernet header.
    #[must_use]
    pub fn frame(&self, details: &Details) -> Vec<u8> {
        let mut frame = Vec::new();
        let ends = (self.source, self.destination);
        wire::write(&mut frame, details.vlan, ends, self.carrier, &details.payload);
        frame
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::report::Parties;

    fn read(text: &[&str]) -> Result<Packet, Wrong> {
        let words: Vec<_> = text.iter().map(|word| (*word).to_owned()).collect();
        parse(&words, &Details::default())
    }

    #[test]
    fn packets_may_be_written_in_several_ways() {
        let one = read(&["udp", "203.0.113.9:40000", "198.51.100.10:5060"]).unwrap();
        for words in [
            &["udp", "203.0.113.9:40000", "to", "198.51.100.10:5060"][..],
            &["udp", "203.0.113.9:40000", "->", "198.51.100.10:5060"],
            &["udp", "203.0.113.9:40000->198.51.100.10:5060"],
            &["udp 203.0.113.9:40000 -> 198.51.100.10:5060"],
        ] {
            assert_eq!(read(words).unwrap(), one, "{words:?}");
        }
        for text in [
            "udp 203.0.113.9:40000 -> 198.51.100.10:5060",
            "tcp [2001:db8::9]:40000 -> [2001:db8::10]:5060",
            "sctp 203.0.113.9:40000 -> 198.51.100.10:5060",
            "icmp 203.0.113.9 -> 198.51.100.10",
        ] {
            let frame = read(&[text]).unwrap().frame(&Details::default());
            assert_eq!(Parties::of(&frame).to_string(), text);
        }
        let icmp = read(&["icmp", "2001:db8::9", "2001:db8::10"]).unwrap();
        let said = Parties::of(&icmp.frame(&Details::default())).to_string();
        assert_eq!(said, "icmpv6 2001:db8::9 -> 2001:db8::10");
        for text in [&*said, "icmp6 2001:db8::9 -> 2001:db8::10"] {
            assert_eq!(read(&[text]).unwrap(), icmp);
        }
    }

    #[test]
    fn what_is_no_packet_is_told_with_a_next_step() {
        for (words, reason) in [
            (&["udp", "203.0.113.9:40000", "-"][..], "redirect"),
            (&["udp", "203.0.113.9"], "no packet"),
            (&["udp", "203.0.113.9", "198.51.100.10:1"], "no address with a port"),
            (&["udp", "203.0.113.9:1", "[2001:db8::1]:1"], "two families"),
            (&["icmp", "203.0.113.9:1", "198.51.100.10"], "no address"),
            (&["ospf", "203.0.113.9", "198.51.100.10"], "no protocol"),
            (&[], "no packet"),
        ] {
            let text = read(words).unwrap_err().to_string();
            let reason = if reason == "redirect" { "the shell took" } else { reason };
            assert!(text.contains(reason) && text.contains("\n  next: "), "{text}");
        }
        let tcp = |flags: &str| {
            let details = Details { flags: Some(flags.to_owned()), ..Details::default() };
            parse(&["tcp 192.0.2.1:1 192.0.2.2:2".to_owned()], &details)
        };
        assert_eq!(tcp("syn,ack").unwrap().carrier, Carrier::Tcp(0x12));
        assert!(tcp("sin").is_err());
    }
}
