//! The shapes of floods that are measured, each of another kind to a guard.

use anyhow::Result;
use serde::Serialize;

use super::frame::{Path4, Segment, invite, later_fragment, tcp, udp};

/// Payload that makes a frame of 64 bytes, checksum included.
const LEAST: [u8; 18] = [0; 18];

/// What all frames of a flood look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The least frames there are
    Udp,
    /// Calls that are no emergency
    Sip,
    /// Requests for TCP connections
    Syn,
    /// Ends of datagrams that never began
    Fragment,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Sip, Self::Syn, Self::Fragment];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "64-byte UDP",
            Self::Sip => "SIP",
            Self::Syn => "SYN",
            Self::Fragment => "fragments",
        }
    }

    /// A frame of this shape.
    ///
    /// # Errors
    ///
    /// None that happens: none is longer than a datagram.
    pub fn frame(self, path: &Path4) -> Result<Vec<u8>> {
        match self {
            Self::Udp => udp(path, &LEAST),
            Self::Sip => invite(path),
            Self::Syn => tcp(path, Segment::syn, b""),
            Self::Fragment => Ok(later_fragment(udp(path, &LEAST)?)),
        }
    }
}
