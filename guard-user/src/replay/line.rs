//! A frame of a capture and what became of it: a line of JSON, or of text.

use std::net::IpAddr;

use guard_common::address::Address;
use guard_common::frame::{Frame, Parsed, Version};
use guard_common::verdict::Verdict;
use guard_common::wire::protocol;
use serde::{Serialize, Serializer};

use super::{Fate, Step};
use crate::trial::{Ground, Outcome};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement<'a> {
    /// "pass" or "drop", as if enforcing.
    pub verdict: &'static str,
    /// Class of the reason.
    pub class: &'static str,
    /// Reason.
    pub reason: &'static str,
    /// Id of the PSAP, site or element; `None` for none.
    pub psap: Option<&'a str>,
    /// The copy of the program in the kernel ran it.
    pub by_kernel: bool,
}

impl<'a> Judgement<'a> {
    pub(super) fn new(outcome: Outcome, ground: &'a Ground) -> Self {
        let Outcome { judged, by_kernel } = outcome;
        Self {
            verdict: match judged.verdict {
                Verdict::Pass => "pass",
                Verdict::Drop => "drop",
            },
            class: judged.reason.class().name(),
            reason: judged.reason.name(),
            psap: ground.owner(judged.slot),
            by_kernel,
        }
    }

    /// Whether it is dropped.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.verdict == "drop"
    }
}

/// Who speaks to whom, as far as the headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parties {
    /// Who sent it.
    pub source: Option<IpAddr>,
    /// Whom to.
    pub destination: Option<IpAddr>,
    /// Ports, of protocols that have some.
    pub source_port: Option<u16>,
    /// See above.
    pub destination_port: Option<u16>,
    /// IP protocol, by its usual name or by number.
    #[serde(serialize_with = "named")]
    pub protocol: Option<u8>,
}

impl Parties {
    /// Of a frame.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut frame = Frame::unknown();
        let Parsed::Ip = frame.parse(&bytes) else { return Self::default() };
        let address = |address: Address| match frame.version {
            Version::V4 => Some(IpAddr::from(address.ipv4())),
            Version::V6 => Some(IpAddr::from(address.0)),
            Version::Unknown => None,
        };
        let has_ports = matches!(frame.protocol, protocol::UDP | protocol::TCP | protocol::SCTP)
            && (frame.source_port, frame.destination_port) != (0, 0);
        Self {
            source: address(frame.source),
            destination: address(frame.destination),
            source_port: has_ports.then_some(frame.source_port),
            destination_port: has_ports.then_some(frame.destination_port),
            protocol: Some(frame.protocol).filter(|number| *number != protocol::UNKNOWN),
        }
    }
}

/// Name of an IP protocol.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    let name = match number {
        protocol::ICMP => "icmp",
        protocol::IPIP => "ipip",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::IPV6 => "ipv6",
        protocol::GRE => "gre",
        protocol::ESP => "esp",
        protocol::AH => "ah",
        protocol::ICMPV6 => "icmpv6",
        protocol::SCTP => "sctp",
        other => return other.to_string(),
    };
    name.to_owned()
}

fn named<S: Serializer>(number: &Option<u8>, to: S) -> Result<S::Ok, S::Error> {
    number.map(protocol_name).serialize(to)
}

impl std::fmt::Display for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
            (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
            (Some(address), None) => address.to_string(),
            (None, _) => "?".to_owned(),
        };
        let Self { source, destination, source_port, destination_port, protocol } = *self;
        if source.is_none() {
            return f.write_str("no IP addresses");
        }
        if let Some(protocol) = protocol {
            write!(f, "{} ", protocol_name(protocol))?;
        }
        write!(f, "{} -> {}", end(source, source_port), end(destination, destination_port))
    }
}

/// A frame and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct FrameLine<'a> {
    /// Number in the capture, from 1.
    pub frame: u64,
    /// Time stamp, RFC 3339.
    pub time: Option<String>,
    /// Bytes, as they were on the wire with an Ethernet header.
    pub bytes: usize,
    /// Bytes that the capture left out, and that were taken as zero.
    pub left_out: usize,
    /// The interface it came in by; `None` if it did not come in.
    pub interface: Option<&'a str>,
    /// Why it was not judged: "leaving" the host, or "no_ip" in its link type.
    pub not_judged: Option<&'static str>,
    /// Who speaks to whom.
    #[serde(flatten)]
    pub parties: Parties,
    /// What became of it.
    pub judged: Option<Judgement<'a>>,
    /// The same after the change, if there is one to try.
    pub after: Option<Judgement<'a>>,
}

impl<'a> FrameLine<'a> {
    pub(super) fn new(
        step: &Step<'a>,
        judged: Option<Judgement<'a>>,
        after: Option<Option<Judgement<'a>>>,
    ) -> Self {
        let (interface, not_judged) = match step.fate {
            Fate::In { entrance } => (Some(entrance.name), None),
            Fate::Leaving => (None, Some("leaving")),
            Fate::NoIp => (None, Some("no_ip")),
        };
        Self {
            frame: step.number,
            time: step.at.and_then(time),
            bytes: step.bytes.len(),
            left_out: step.left_out,
            interface,
            not_judged,
            parties: Parties::of(step.bytes),
            judged,
            after: after.flatten(),
        }
    }
}

/// A time stamp for people; `None` beyond the year 9999.
#[must_use]
pub fn time(since_1970: std::time::Duration) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    (since_1970.as_secs() < YEAR_10000)
        .then(|| humantime::format_rfc3339_micros(std::time::UNIX_EPOCH + since_1970).to_string())
}
