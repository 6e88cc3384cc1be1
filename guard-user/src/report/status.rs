//! `guard status`: what is happening now.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shape::{
    Bypass, CanaryInfo, CanaryResult, Configured, Controller, GenerationInfo, InterfaceInfo,
    Opened, Pulse, Set, SideInfo, Stance, Status,
};
use super::{Totals, recent};
use crate::audit::Entry;
use crate::calls::counts::FILE as CALLS;
use crate::canary::{self, Outcome, Report};
use crate::config::{Config, Role};
use crate::kernel::state::{Counts, Overview};
use crate::kernel::tc::{Hold, Side};
use crate::kernel::{clock, interface};
use crate::live::{Live, LiveError, is_wanted};
use crate::watching::{self, Done, Evidence};
use guard_common::abi::state::{
    BYPASS_ENDLESS, MODE_ENFORCE, MODE_MONITOR, NO_DEADLINE, alarm, opened,
};

/// Records of the audit log that are looked through for who set the mode.
const AUDITED: usize = 1000;

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

/// Reads the little of `guard status` that costs little.
///
/// # Errors
///
/// If no guard is loaded.
pub fn pulse(live: &Live) -> Result<Pulse, LiveError> {
    let overview = live.pins.switches()?.overview()?;
    Ok(Pulse {
        stance: stance(&overview, clock::now()),
        canary: canary(live, overview.generation),
        daemon: live.daemon(),
        generation: overview.generation,
    })
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
        totals.add(&counts.slot(slot)?, None);
    }
    let now = clock::now();
    let watchdog = live.store.watchdog().unwrap_or_default();
    let bypass = overview.bypass.map(|word| Bypass {
        // A lost note must not hide that the bypass is on.
        note: live.store.bypass().ok().flatten(),
        left_seconds: (word > BYPASS_ENDLESS).then(|| seconds(word.saturating_sub(now))),
    });
    Ok(Status {
        stance: stance(&overview, now),
        mode: match overview.mode {
            MODE_MONITOR => "monitor",
            MODE_ENFORCE => "enforce",
            _ => "unknown",
        },
        mode_set: mode_set(live),
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
        // Without what is written down, who is in trouble has no name.
        recent: recent(live).unwrap_or_default(),
        calls: live.store.read(CALLS).ok().flatten(),
        alarms: alarms(&counts)?,
    })
}

/// Who set the mode last, as far as the newest records of the audit log go back.
fn mode_set(live: &Live) -> Option<Set> {
    let log = live.audit.read(AUDITED).ok()?;
    let is_mode = |entry: &Entry| entry.what.starts_with("mode ") && entry.result == "done";
    let Entry { time, who, sudo_user, why, .. } = log.entries.into_iter().rfind(is_mode)?;
    Some(Set { at: time, by: sudo_user.unwrap_or(who), why })
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
            tag: live.holds(generation, name).then(|| live.tag(generation)).flatten(),
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
