//! `guard status`: what is happening now.

use std::collections::BTreeMap;
use std::time::Duration;

use guard_common::abi::state::{
    BYPASS_ENDLESS, MODE_ENFORCE, MODE_MONITOR, NO_DEADLINE, alarm, opened,
};
use serde::Serialize;

use super::{SCHEMA, Totals};
use crate::canary::{self, Outcome, Report};
use crate::config::{Config, Role};
use crate::kernel::state::{Counts, Overview};
use crate::kernel::tc::{Hold, Side};
use crate::kernel::{clock, interface};
use crate::live::{Live, LiveError, is_wanted};
use crate::store::BypassNote;
use crate::watching::{self, Done, Evidence};

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
    /// [`SCHEMA`].
    pub schema: u32,
    /// What happens to droppable frames.
    pub stance: Stance,
    /// The mode that is set.
    pub mode: &'static str,
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
    /// Alarms by name, with how often they were raised.
    pub alarms: BTreeMap<&'static str, u64>,
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
    /// See [`opened`].
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

/// What decides right now.
#[must_use]
pub fn stance(overview: &Overview, now: u64) -> Stance {
    match *overview {
        Overview { bypass: Some(_), .. } => Stance::Bypassed,
        Overview { mode: MODE_MONITOR, .. } => Stance::Monitoring,
        Overview { opened: 1.., .. } => Stance::Opened,
        Overview { mode: MODE_ENFORCE, drop_until, .. } if now >= drop_until => {
            Stance::OpenByWatchdog
        }
        Overview { mode: MODE_ENFORCE, confirm_by: Some(by), .. } if now >= by => {
            Stance::Unconfirmed
        }
        Overview { mode: MODE_ENFORCE, .. } => Stance::Enforcing,
        Overview { .. } => Stance::OpenByUnknownMode,
    }
}

/// Reads `guard status`.
pub fn status(live: &Live) -> Result<Status, LiveError> {
    let overview = live.pins.switches()?.overview()?;
    let counts = live.pins.counts()?;
    // Who stands before a lost disk must still see whether calls pass.
    let (written, unknown) = match written(live) {
        Ok(written) => (Some(written), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let config = written.as_ref().map(|(_, config)| config);
    let mut totals = Totals::default();
    for slot in 0..overview.slots {
        totals.add(&counts.slot(slot)?);
    }
    let now = clock::now();
    let watchdog = live.store.watchdog().unwrap_or_default();
    let bypass = overview.bypass.map(|word| Bypass {
        // A lost note must not hide that the bypass is on.
        note: live.store.bypass().ok().flatten(),
        left_seconds: (word > BYPASS_ENDLESS).then(|| seconds(word.saturating_sub(now))),
    });
    Ok(Status {
        schema: SCHEMA,
        stance: stance(&overview, now),
        mode: match overview.mode {
            MODE_MONITOR => "monitor",
            MODE_ENFORCE => "enforce",
            _ => "unknown",
        },
        bypass,
        controller: Controller {
            process: live.daemon(),
            watchdog_left_seconds: (overview.drop_until != NO_DEADLINE)
                .then(|| seconds(overview.drop_until.saturating_sub(now))),
            watchdog_lapses: watchdog.lapses,
            closes_after_seconds: watchdog.waits_seconds,
        },
        canary: canary(live, overview.generation),
        opened: opened_by(live, overview.opened),
        taken_back: taken_back(live),
        unknown,
        interfaces: interfaces(live, overview.generation, config, &live.pins.linked()?),
        configured: config.map(configured).unwrap_or_default(),
        generation: match written {
            Some((info, _)) => info,
            None => GenerationInfo { number: overview.generation, ..GenerationInfo::default() },
        },
        totals,
        alarms: alarms(&counts)?,
    })
}

/// What the canary said last, if that is of the live generation and no older than it may be.
fn canary(live: &Live, generation: u64) -> CanaryInfo {
    let silent = |why: String| CanaryInfo {
        result: CanaryResult::Silent,
        why: Some(why),
        age_seconds: None,
        targets: 0,
        forms: 0,
        frames: 0,
        microseconds: 0,
    };
    let report = match canary::report(&live.store) {
        Ok(Some(report)) => report,
        Ok(None) => return silent("nothing was looked at yet".to_owned()),
        Err(error) => return silent(error.to_string()),
    };
    let Some(age) = report.age() else {
        return silent("nothing was looked at since the host started".to_owned());
    };
    let Report { result, why, targets, forms, frames, microseconds, .. } = report;
    let (result, why) = match result {
        _ if age > canary::STALE => {
            (CanaryResult::Silent, Some("the daemon does not look".to_owned()))
        }
        Outcome::Ok if report.generation != generation => {
            (CanaryResult::Silent, Some(format!("generation {generation} was not looked at yet")))
        }
        Outcome::Ok => (CanaryResult::Ok, why),
        Outcome::Failed => (CanaryResult::Failed, why),
        Outcome::Blind => (CanaryResult::Blind, why),
    };
    let age_seconds = Some(age.as_secs_f64());
    CanaryInfo { result, why, age_seconds, targets, forms, frames, microseconds }
}

/// Why the controller opened the guard. Lost evidence must not hide that it did.
fn opened_by(live: &Live, code: u64) -> Option<Opened> {
    if code == 0 {
        return None;
    }
    let kept = canary::kept(&live.store).ok().flatten();
    let kept = kept.filter(|_| code == opened::CANARY);
    let evidence = watching::kept(&live.store).ok().flatten();
    let evidence = evidence.filter(|_| code == opened::EVIDENCE);
    let since = kept.as_ref().map(|kept| &kept.at);
    let since = since.or(evidence.as_ref().map(|kept| &kept.at)).cloned();
    Some(Opened {
        code,
        why: opened::meaning(code),
        since,
        frame: kept.and_then(|kept| kept.failures.first().map(ToString::to_string)),
        evidence,
    })
}

/// The change that the daemon took back, as long as nobody has made another since.
fn taken_back(live: &Live) -> Option<Evidence> {
    let evidence = watching::kept(&live.store).ok().flatten()?;
    let revision = live.record().ok()?.made.revision;
    matches!(evidence.done, Done::RolledBack { to } if to == revision).then_some(evidence)
}

/// Nanoseconds as seconds.
const fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// What is written down about the live generation.
fn written(live: &Live) -> Result<(GenerationInfo, Config), LiveError> {
    let record = live.record()?;
    let info = GenerationInfo {
        number: record.number,
        since: record.since,
        by: record.by,
        file: record.file.display().to_string(),
        live_changes: record.overlay.0.len(),
        confirm_until: record.pending.as_ref().map(|pending| pending.until.clone()),
    };
    Ok((info, record.config.replayed(&record.overlay)))
}

fn configured(config: &Config) -> Configured {
    Configured {
        psaps: config.psap.len(),
        elements: config.site.len() + config.element.len(),
        peers: config.peer.len(),
        allow: config.allow.len(),
        deny: config.deny.len(),
    }
}

/// The configured interfaces; where that is not known, those with a link.
fn interfaces(
    live: &Live,
    generation: u64,
    config: Option<&Config>,
    linked: &[String],
) -> Vec<InterfaceInfo> {
    let info = |name: &str, role, [outgoing, label]: [bool; 2]| {
        let attached = interface::attached(name).ok().flatten();
        let side = |side, wanted| match live.holds_side(generation, side, name) {
            Some(Hold::Tcx) => SideInfo::Tcx,
            Some(Hold::Clsact) => SideInfo::Clsact,
            None if wanted && !live.sees_programs(generation) => SideInfo::Unknown,
            None if wanted => SideInfo::Missing,
            None => SideInfo::Off,
        };
        InterfaceInfo {
            name: name.to_owned(),
            role,
            mode: attached.map(|attached| attached.mode.name()),
            program: attached.map(|attached| attached.program),
            guarded: live.guards(generation, name),
            outgoing: side(Side::Outgoing, outgoing),
            label: side(Side::Label, label),
        }
    };
    let role = |role| match role {
        Role::Trusted => "trusted",
        Role::Untrusted => "untrusted",
    };
    let Some(config) = config else {
        return linked.iter().map(|name| info(name, "unknown", [false; 2])).collect();
    };
    let entries = config.interface.iter();
    let wanted = |entry| Side::ALL.map(|side| is_wanted(side, config, entry));
    entries.map(|entry| info(&entry.name, role(entry.role), wanted(entry))).collect()
}

fn alarms(counts: &Counts) -> Result<BTreeMap<&'static str, u64>, LiveError> {
    Ok(alarm::NAMES.into_iter().zip(counts.alarms()?).collect())
}
