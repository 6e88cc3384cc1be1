//! A frame of a capture and what became of it: a line of JSON, or of text.

use guard_common::verdict::Verdict;
use serde::Serialize;

use super::{Fate, Step};
use crate::report::Parties;
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
            verdict: judged.verdict.name(),
            class: judged.reason.class().name(),
            reason: judged.reason.name(),
            psap: ground.owner(judged.slot),
            by_kernel,
        }
    }

    /// Whether it is dropped.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.verdict == Verdict::Drop.name()
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
