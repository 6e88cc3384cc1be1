//! The shape of `guard status`: what tables and JSON share.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Recent, Totals};
use crate::store::BypassNote;
use crate::watching::Evidence;

/// What decides about droppable frames right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// Drops what is over its limits or denied.
    Enforcing,
    /// Counts it, drops nothing, as configured.
    Monitoring,
    /// Counts it, drops nothing, because a person said so.
    Bypassed,
    /// Counts it, drops nothing, because the controller has been silent for too long.
    OpenByWatchdog,
    /// Counts it, drops nothing: the controller found that 911 may not pass, and opened the guard.
    Opened,
    /// Counts it, drops nothing: nobody confirmed the change that is live.
    Unconfirmed,
    /// Counts it, drops nothing: the mode is not one this version knows.
    OpenByUnknownMode,
}

impl Stance {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Enforcing,
        Self::Monitoring,
        Self::Bypassed,
        Self::OpenByWatchdog,
        Self::Opened,
        Self::Unconfirmed,
        Self::OpenByUnknownMode,
    ];

    /// The word in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforcing => "enforcing",
            Self::Monitoring => "monitoring",
            Self::Bypassed => "bypassed",
            Self::OpenByWatchdog => "open_by_watchdog",
            Self::Opened => "opened",
            Self::Unconfirmed => "unconfirmed",
            Self::OpenByUnknownMode => "open_by_unknown_mode",
        }
    }
}

/// `guard status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// What happens to droppable frames.
    pub stance: Stance,
    /// The mode that is set.
    pub mode: &'static str,
    /// The last `guard mode` that worked; `None` if the audit log has none.
    pub mode_set: Option<Set>,
    /// Who switched the bypass on, if it is on.
    pub bypass: Option<Bypass>,
    /// The controller.
    pub controller: Controller,
    /// Whether 911 is proved to pass.
    pub canary: CanaryInfo,
    /// Why the controller opened the guard; `None` if it did not.
    pub opened: Option<Opened>,
    /// The change that was rolled back because the evidence turned, until the next change.
    pub taken_back: Option<Evidence>,
    /// The live generation.
    pub generation: GenerationInfo,
    /// Why generation, roles and what is configured are not told; `None` if they are.
    pub unknown: Option<String>,
    /// Interfaces.
    pub interfaces: Vec<InterfaceInfo>,
    /// PSAPs, sites, elements and peers configured.
    pub configured: Configured,
    /// All frames.
    pub totals: Totals,
    /// What happens now.
    pub recent: Recent,
    /// What the reader of signalling has seen since the daemon started; `None` if it has said
    /// nothing.
    pub calls: Option<Value>,
    /// Alarms by name, with how often they were raised.
    pub alarms: BTreeMap<&'static str, u64>,
}

/// Who set something.
#[derive(Debug, Serialize)]
pub struct Set {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why, if that was said.
    pub why: Option<String>,
}

/// Who switched the bypass on.
#[derive(Debug, Serialize)]
pub struct Bypass {
    /// When, who and why; absent if the note could not be kept.
    #[serde(flatten)]
    pub note: Option<BypassNote>,
    /// Seconds until the daemon ends it, 0 if it is late; `None` if a person has to.
    pub left_seconds: Option<f64>,
}

/// The last word of the daemon's canary.
#[derive(Debug, Serialize)]
pub struct CanaryInfo {
    /// What came of it.
    pub result: CanaryResult,
    /// Why, unless all is well.
    pub why: Option<String>,
    /// How old that is.
    pub age_seconds: Option<f64>,
    /// PSAPs, sites and other elements, each of which gets its frames every second.
    pub targets: usize,
    /// Forms of the marker, each of which it meets within a minute.
    pub forms: usize,
    /// Frames of one second.
    pub frames: u64,
    /// How long a second's work keeps a CPU.
    pub microseconds: u64,
}

/// How the canary goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CanaryResult {
    /// 911 passes.
    Ok,
    /// It was seen not to.
    Failed,
    /// The daemon cannot know.
    Blind,
    /// Nobody has looked for too long, or ever.
    Silent,
}

/// Why the controller opened the guard.
#[derive(Debug, Serialize)]
pub struct Opened {
    /// See [`guard_common::abi::state::opened`].
    pub code: u64,
    /// What that means.
    pub why: &'static str,
    /// When it did, RFC 3339, if that could be kept.
    pub since: Option<String>,
    /// The first frame that the canary failed with.
    pub frame: Option<String>,
    /// The change after which the evidence turned, what turned, and why it was not rolled back.
    pub evidence: Option<Evidence>,
}

/// The controller's side.
#[derive(Debug, Serialize)]
pub struct Controller {
    /// Its process; `None` if no daemon runs.
    pub process: Option<u32>,
    /// Seconds until the watchdog opens the guard; 0 if it has, `None` if it never does.
    pub watchdog_left_seconds: Option<f64>,
    /// How often it opened the guard, without an hour closed since.
    pub watchdog_lapses: u32,
    /// Stable seconds that the controller waits for before it closes the guard again; `None` if
    /// it does not wait.
    pub closes_after_seconds: Option<u64>,
}

/// The live generation.
#[derive(Debug, Default, Serialize)]
pub struct GenerationInfo {
    /// Number.
    pub number: u64,
    /// Since when, RFC 3339.
    pub since: String,
    /// By whom.
    pub by: String,
    /// From which file.
    pub file: String,
    /// How many live changes were made since the file was written.
    pub live_changes: usize,
    /// Until when it is to be confirmed, RFC 3339; absent if it is.
    pub confirm_until: Option<String>,
}

/// An interface.
#[derive(Debug, Serialize)]
pub struct InterfaceInfo {
    /// Name.
    pub name: String,
    /// "trusted", "untrusted" or "unknown".
    pub role: &'static str,
    /// "native", "generic" or "other"; `None` if nothing is attached.
    pub mode: Option<&'static str>,
    /// Kernel id of the program on it.
    pub program: Option<u32>,
    /// The kernel's tag of it, a hash of its instructions, if it is the live generation's and the
    /// caller may see it.
    pub tag: Option<String>,
    /// Whether that program is a guard.
    pub guarded: bool,
    /// Whether what leaves by it is watched.
    pub outgoing: SideInfo,
    /// Whether marked messages of strangers that come in by it are labelled.
    pub label: SideInfo,
}

/// A tc program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SideInfo {
    /// Not configured.
    Off,
    /// Held by a TCX link.
    Tcx,
    /// Held by a clsact filter.
    Clsact,
    /// Configured, but not there.
    Missing,
    /// Configured; whether it is there the caller may not see.
    Unknown,
}

/// How much is configured.
#[derive(Debug, Default, Serialize)]
pub struct Configured {
    /// PSAPs.
    pub psaps: usize,
    /// Sites and other elements.
    pub elements: usize,
    /// Peers.
    pub peers: usize,
    /// Allow entries.
    pub allow: usize,
    /// Deny entries.
    pub deny: usize,
}

/// The little of it that costs little: for who looks every second.
#[derive(Debug)]
pub struct Pulse {
    /// What happens to droppable frames.
    pub stance: Stance,
    /// Whether 911 is proved to pass.
    pub canary: CanaryInfo,
    /// The daemon's process; `None` if none runs.
    pub daemon: Option<u32>,
    /// Number of the live generation.
    pub generation: u64,
}
