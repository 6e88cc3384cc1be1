//! Who speaks to whom in a frame: the fields that every answer about a frame has.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use guard_common::frame::{Frame, Parsed};
use guard_common::wire::protocol;
use serde::{Serialize, Serializer};

use crate::recorded::Facts;

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
        let (source, destination) = frame.addresses().unzip();
        Self { source, destination, ..Self::default() }
            .speaking(frame.protocol, (frame.source_port, frame.destination_port))
    }

    /// A protocol, and ports if it has some.
    fn speaking(self, number: u8, ports: (u16, u16)) -> Self {
        let has_ports =
            matches!(number, protocol::UDP | protocol::TCP | protocol::SCTP) && ports != (0, 0);
        Self {
            source_port: has_ports.then_some(ports.0),
            destination_port: has_ports.then_some(ports.1),
            protocol: Some(number).filter(|number| *number != protocol::UNKNOWN),
            ..self
        }
    }

    /// Who sent it, for people.
    #[must_use]
    pub fn sender(&self) -> String {
        end(self.source, self.source_port)
    }

    /// Whom it was sent to, for people.
    #[must_use]
    pub fn receiver(&self) -> String {
        end(self.destination, self.destination_port)
    }
}

impl From<&Facts> for Parties {
    fn from(facts: &Facts) -> Self {
        let Facts { source, destination, protocol, source_port, destination_port, .. } = *facts;
        Self { source: Some(source), destination: Some(destination), ..Self::default() }
            .speaking(protocol, (source_port, destination_port))
    }
}

fn end(address: Option<IpAddr>, port: Option<u16>) -> String {
    match (address, port) {
        (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
        (Some(address), None) => address.to_string(),
        (None, _) => "?".to_owned(),
    }
}

/// The word for an IP protocol, or its number.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    protocol::name(number).map_or_else(|| number.to_string(), str::to_owned)
}

fn named<S: Serializer>(number: &Option<u8>, to: S) -> Result<S::Ok, S::Error> {
    number.map(protocol_name).serialize(to)
}

impl fmt::Display for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_none() {
            return f.write_str("no IP addresses");
        }
        if let Some(protocol) = self.protocol {
            write!(f, "{} ", protocol_name(protocol))?;
        }
        write!(f, "{} -> {}", self.sender(), self.receiver())
    }
}
