//! What is kept of a frame: one line of JSON.

use std::net::IpAddr;

use guard_common::bytes::Packet as _;
use guard_common::frame::{Fragment, Frame, Parsed};
use guard_common::reason::Reason;
use serde::{Deserialize, Serialize};

/// Longest frame there is: a datagram of 65,535 bytes behind Ethernet and two tags.
const LENGTH_MAX: u32 = 65_535 + 22;
/// Most bytes of headers, and of a start line.
const BYTES_MAX: usize = guard_common::abi::sample::SAMPLE_BYTES;

/// A frame, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The interface it came in by; `None` if it left the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Id of the PSAP, site or element under which it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// [`Reason::number`].
    pub reason: u8,
    /// Whether it was dropped.
    #[serde(default)]
    pub dropped: bool,
    /// About how many frames it stands for.
    pub stands_for: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Its headers.
    #[serde(with = "hex")]
    pub headers: Vec<u8>,
    /// Its start line, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_line: Option<String>,
}

/// What the headers of an IP frame with addresses say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom to.
    pub destination: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Source port; 0 without one.
    pub source_port: u16,
    /// Destination port; 0 without one.
    pub destination_port: u16,
    /// Flags of TCP; 0 otherwise.
    pub tcp_flags: u8,
    /// ICMP type; 0 otherwise.
    pub icmp_type: u8,
    /// Outermost VLAN, 0 without one.
    pub vlan: u16,
    /// Bytes of payload.
    pub payload: u32,
}

impl Kept {
    /// Reads a line; `None` if it is not one that was written whole.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let kept: Self = serde_json::from_slice(line).ok()?;
        kept.is_sound().then_some(kept)
    }

    /// Whether it is within the bounds of what is ever kept.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.headers.len() <= BYTES_MAX
            && self.start_line.as_ref().map_or(0, String::len) <= BYTES_MAX
            && self.length <= LENGTH_MAX
            && self.reason().is_in_use()
    }

    /// Why it passed or did not.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::numbered(self.reason)
    }

    /// The frame, of its whole length: what was not kept is zero.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = self.headers.clone();
        frame.extend(self.start_line.iter().flat_map(|line| line.bytes()));
        let length = usize::try_from(self.length.min(LENGTH_MAX)).unwrap_or(0);
        frame.resize(length, 0);
        frame
    }

    /// What its headers say; `None` if it has no addresses.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        let bytes = self.frame();
        let mut frame = Frame::unknown();
        let Parsed::Ip = frame.parse(&bytes.as_slice()) else {
            return None;
        };
        let (source, destination) = frame.addresses()?;
        Some(Facts {
            source,
            destination,
            protocol: frame.protocol,
            source_port: frame.source_port,
            destination_port: frame.destination_port,
            tcp_flags: frame.tcp_flags,
            icmp_type: frame.icmp_type,
            vlan: frame.vlan,
            payload: match frame.fragment {
                Fragment::Whole | Fragment::First => frame.payload_length(),
                Fragment::Later => bytes.as_slice().length(),
            },
        })
    }
}

/// Bytes as hexadecimal text.
mod hex {
    use serde::de::{Deserialize as _, Deserializer, Error};
    use serde::ser::Serializer;

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let digit = |value: u8| char::from(*DIGITS.get(usize::from(value & 15)).unwrap_or(&b'0'));
        let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(value(*high)? << 4 | value(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.ok_or_else(|| D::Error::custom("no hexadecimal text"))
    }
}
