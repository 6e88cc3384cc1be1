//! Ports and transports: `5060`, `10000-20000`, `5060/udp`, `5061/tls`.
//!
//! Knows how these are spelled; must not know addresses, or what runs on a port.

use std::fmt;
use std::str::FromStr;

use guard_common::wire::protocol;

use super::error::Problem;
use super::text::text_type;

/// First and last port, inclusive; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port, inclusive.
    pub high: u16,
}

impl PortRange {
    /// Media where the configuration names no range: every port that an ordinary program may take.
    pub const MEDIA: Self = Self { low: 1024, high: u16::MAX };

    /// One port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self { low: port, high: port }
    }

    /// Whether the port lies in the range.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.low <= port && port <= self.high
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, high } = self;
        if low == high { write!(f, "{low}") } else { write!(f, "{low}-{high}") }
    }
}

pub(super) fn parse_port(text: &str) -> Result<u16, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(0) => Err(Problem::new("port 0 does not exist", "write a port from 1 to 65535")),
        Ok(port) if digits => Ok(port),
        _ => Err(Problem::new(format!("{text:?} is not a port"), "write a port from 1 to 65535")),
    }
}

impl FromStr for PortRange {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (parse_port(low)?, parse_port(high)?);
        if low > high {
            return Err(Problem::new(
                format!("the range {text} ends before it begins"),
                format!("write {high}-{low}"),
            ));
        }
        Ok(Self { low, high })
    }
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP: TCP to the data plane, which then can read nothing in it.
    Tls,
    /// SCTP.
    Sctp,
}

impl Transport {
    /// The IP protocol number.
    #[must_use]
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Tcp | Self::Tls => protocol::TCP,
            Self::Udp => protocol::UDP,
            Self::Sctp => protocol::SCTP,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Transport {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        match text.to_ascii_lowercase().as_str() {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            "sctp" => Ok(Self::Sctp),
            _ => Err(Problem::new(
                format!("{text:?} is no transport"),
                "write udp, tcp, tls or sctp behind the slash",
            )),
        }
    }
}

/// Splits `…/udp`.
pub(super) fn split_transport(text: &str) -> Result<(&str, Transport), Problem> {
    match text.rsplit_once('/') {
        // "198.51.100.0/28" ends in a number: it is the transport that is missing.
        Some((rest, name)) if !name.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok((rest, name.parse()?))
        }
        _ => Err(Problem::new(
            format!("{text:?} names no transport"),
            format!("write {text}/udp, /tcp, /tls or /sctp"),
        )),
    }
}

/// A service without its address: `5060/udp`, `4000-4010/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortSpec {
    /// Ports.
    pub ports: PortRange,
    /// Transport.
    pub transport: Transport,
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ports, transport } = self;
        write!(f, "{ports}/{transport}")
    }
}

impl FromStr for PortSpec {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (ports, transport) = split_transport(text)?;
        Ok(Self { ports: ports.parse()?, transport })
    }
}

text_type!(PortSpec);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn ports_read_and_print_alike() {
        for text in ["5060/udp", "4000-4010/udp", "3868/sctp", "443/tls"] {
            assert_eq!(text.parse::<PortSpec>().unwrap().to_string(), text);
        }
        for bad in ["", "5060", "/udp", "0/udp", "5-/udp", "9-5/udp", "70000/udp", "5060/any"] {
            assert!(bad.parse::<PortSpec>().is_err(), "{bad}");
        }
    }
}
