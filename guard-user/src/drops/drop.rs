//! A drop, as it is kept in the log and as it is told; and which of them are asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_common::reason::Reason;
use serde::{Deserialize, Serialize};

use crate::recorded::Kept;
use crate::report::Parties;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// The frame. With bodies, its headers are all bytes that were captured.
    #[serde(flatten)]
    pub kept: Kept,
    /// Whether there are bodies in it.
    #[serde(default)]
    pub bodies: bool,
}

/// A frame that was dropped, or would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drop {
    /// When, RFC 3339, UTC. The kernel's clock for it steps by up to 10 ms.
    pub time: String,
    /// Why.
    pub reason: &'static str,
    /// Class of the reason.
    pub class: &'static str,
    /// Whether it was dropped; else it passed because the guard was not enforcing.
    pub dropped: bool,
    /// Id of the PSAP, site or element it was counted under; `None` if none.
    pub psap: Option<String>,
    /// The interface it came in by.
    pub interface: Option<String>,
    /// Who speaks to whom.
    #[serde(flatten)]
    pub parties: Parties,
    /// Bytes of the frame.
    pub length: u32,
    /// The frame as far as it is kept, and when it came: for captures.
    #[serde(skip)]
    pub(super) line: Line,
}

/// Which drops are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this PSAP, site or element.
    pub psap: Option<String>,
    /// Only for this reason.
    pub reason: Option<Reason>,
    /// Only what came since.
    pub since: Option<SystemTime>,
}

impl Filter {
    /// Whether a drop is one of them.
    #[must_use]
    pub fn wants(&self, drop: &Drop) -> bool {
        let Self { psap, reason, since } = self;
        psap.as_ref().is_none_or(|psap| drop.psap.as_ref() == Some(psap))
            && reason.is_none_or(|reason| drop.line.kept.reason() == reason)
            && since.is_none_or(|since| drop.at() >= since)
    }
}

impl Drop {
    /// From a line of the log.
    #[must_use]
    pub fn of(line: Line) -> Self {
        let Line { kept, .. } = &line;
        let reason = kept.reason();
        Self {
            time: humantime::format_rfc3339_millis(time(kept.at)).to_string(),
            reason: reason.name(),
            class: reason.class().name(),
            dropped: kept.dropped,
            psap: kept.owner.clone(),
            interface: kept.via.clone(),
            parties: kept.facts().as_ref().map(Parties::from).unwrap_or_default(),
            length: kept.length,
            line,
        }
    }

    /// Whether what is behind its headers was kept.
    #[must_use]
    pub const fn has_bodies(&self) -> bool {
        self.line.bodies
    }

    /// When it came.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        time(self.line.kept.at)
    }
}

/// Milliseconds since 1970 as a time; the beginning of all time for what a clock cannot say.
fn time(milliseconds: u64) -> SystemTime {
    // Beyond the year 9999 there is no RFC 3339.
    const LAST: u64 = 253_402_300_799_000;
    UNIX_EPOCH + Duration::from_millis(milliseconds.min(LAST))
}
