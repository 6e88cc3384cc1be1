//! What the guard is doing, in the shape that tables and JSON share.
//!
//! Read from what is pinned and what is on disk, with the daemon alive or dead. Field names are
//! the JSON schema: they are only ever added to.

use std::collections::BTreeMap;
use std::time::Duration;

use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, SlotCounters, alarm};
use guard_common::reason::Reason;
use serde::Serialize;

use crate::config::{Config, Mode, Role};
use crate::kernel::state::{Counts, Overview};
use crate::kernel::{clock, interface};
use crate::live::{Live, LiveError};
use crate::policy::slots;
use crate::store::BypassNote;

/// Version of the JSON shapes in this module.
pub const SCHEMA: u32 = 1;

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
    /// Counts it, drops nothing: the mode is not one this version knows.
    OpenByUnknownMode,
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
}

/// The controller's side.
#[derive(Debug, Serialize)]
pub struct Controller {
    /// Its process; `None` if no daemon runs.
    pub process: Option<u32>,
    /// Seconds until the watchdog opens the guard; 0 if it has.
    pub watchdog_left_seconds: f64,
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

/// Frames and bytes, passed and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Frames that passed.
    pub passed_packets: u64,
    /// Their bytes.
    pub passed_bytes: u64,
    /// Frames that were dropped.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Of the passed ones: those that belong to 911 calls, or may.
    pub protected_packets: u64,
    /// Of the passed ones: those that enforcing would have dropped.
    pub over_limit_packets: u64,
}

/// A row of `guard psaps`.
#[derive(Debug, Serialize)]
pub struct PsapRow {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub id: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// "psap", "site", "element" or "none".
    pub kind: &'static str,
    /// The site or element whose counters these are, if they are shared.
    pub shared_with: Option<String>,
    /// Its frames.
    #[serde(flatten)]
    pub totals: Totals,
}

/// A row of `guard drops`.
#[derive(Debug, Serialize)]
pub struct DropRow {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub id: Option<String>,
    /// Reason.
    pub reason: &'static str,
    /// Class of the reason.
    pub class: &'static str,
    /// Frames dropped.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Frames that passed only because the guard was not enforcing.
    pub would_drop_packets: u64,
    /// Their bytes.
    pub would_drop_bytes: u64,
}

impl Totals {
    fn add(&mut self, counters: &SlotCounters) {
        for reason in Reason::all() {
            let passed = counter(counters, Some(reason.counter()));
            let dropped = counter(counters, reason.dropped_counter());
            self.passed_packets = self.passed_packets.saturating_add(passed.0);
            self.passed_bytes = self.passed_bytes.saturating_add(passed.1);
            self.dropped_packets = self.dropped_packets.saturating_add(dropped.0);
            self.dropped_bytes = self.dropped_bytes.saturating_add(dropped.1);
            if reason.class() == guard_common::class::Class::Protected {
                self.protected_packets = self.protected_packets.saturating_add(passed.0);
            }
            if reason.dropped_counter().is_some() {
                self.over_limit_packets = self.over_limit_packets.saturating_add(passed.0);
            }
        }
    }
}

/// Packets and bytes of a counter; zero where there is none.
fn counter(counters: &SlotCounters, number: Option<u32>) -> (u64, u64) {
    number
        .and_then(|number| counters.counters.get(usize::try_from(number).ok()?))
        .map_or((0, 0), |counter| (counter.packets, counter.bytes))
}

/// What decides right now.
#[must_use]
pub fn stance(overview: &Overview, now: u64) -> Stance {
    match *overview {
        Overview { bypass: true, .. } => Stance::Bypassed,
        Overview { mode: MODE_MONITOR, .. } => Stance::Monitoring,
        Overview { mode: MODE_ENFORCE, drop_until, .. } if now < drop_until => Stance::Enforcing,
        Overview { mode: MODE_ENFORCE, .. } => Stance::OpenByWatchdog,
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
    let left = Duration::from_nanos(overview.drop_until.saturating_sub(now));
    let bypass = if overview.bypass {
        // A lost note must not hide that the bypass is on.
        Some(Bypass { note: live.store.bypass().ok().flatten() })
    } else {
        None
    };
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
            watchdog_left_seconds: left.as_secs_f64(),
        },
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

/// What is written down about the live generation.
fn written(live: &Live) -> Result<(GenerationInfo, Config), LiveError> {
    let record = live.record()?;
    let info = GenerationInfo {
        number: record.number,
        since: record.since,
        by: record.by,
        file: record.file.display().to_string(),
        live_changes: record.overlay.0.len(),
    };
    Ok((info, record.config.with_overlay(&record.overlay)?))
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
    let info = |name: &str, role| {
        let attached = interface::attached(name).ok().flatten();
        InterfaceInfo {
            name: name.to_owned(),
            role,
            mode: attached.map(|attached| attached.mode.name()),
            program: attached.map(|attached| attached.program),
            guarded: live.holds(generation, name),
        }
    };
    let role = |role| match role {
        Role::Trusted => "trusted",
        Role::Untrusted => "untrusted",
    };
    match config {
        Some(config) => {
            config.interface.iter().map(|entry| info(&entry.name, role(entry.role))).collect()
        }
        None => linked.iter().map(|name| info(name, "unknown")).collect(),
    }
}

fn alarms(counts: &Counts) -> Result<BTreeMap<&'static str, u64>, LiveError> {
    Ok(alarm::NAMES.into_iter().zip(counts.alarms()?).collect())
}

/// Something that has counters or shares them.
struct Owner<'a> {
    id: &'a str,
    name: Option<&'a str>,
    kind: &'static str,
    shared_with: Option<&'a str>,
}

fn owners(config: &Config) -> Vec<Owner<'_>> {
    let psaps = config.psap.iter().map(|psap| Owner {
        id: psap.id.as_str(),
        name: psap.name.as_deref(),
        kind: "psap",
        shared_with: psap.site.as_ref().or(psap.via.as_ref()).map(|id| id.as_str()),
    });
    let sites = config.site.iter().map(|site| Owner {
        id: site.id.as_str(),
        name: site.name.as_deref(),
        kind: "site",
        shared_with: None,
    });
    let elements = config.element.iter().map(|element| Owner {
        id: element.id.as_str(),
        name: element.name.as_deref(),
        kind: "element",
        shared_with: None,
    });
    psaps.chain(sites).chain(elements).collect()
}

/// Reads `guard psaps`: the worst first, then by id; frames of none at the end.
pub fn psaps(live: &Live) -> Result<Vec<PsapRow>, LiveError> {
    let config = live.effective()?;
    let slots = slots::readable(&live.store.slots()?, &config);
    let counts = live.pins.counts()?;
    let mut rows = Vec::new();
    for owner in owners(&config) {
        let mut totals = Totals::default();
        if let Some(slot) = slots.get(owner.id) {
            totals.add(&counts.slot(*slot)?);
        }
        rows.push(PsapRow {
            id: Some(owner.id.to_owned()),
            name: owner.name.map(str::to_owned),
            kind: owner.kind,
            shared_with: owner.shared_with.map(str::to_owned),
            totals,
        });
    }
    rows.sort_by(|a, b| {
        let trouble = |row: &PsapRow| (row.totals.dropped_packets, row.totals.over_limit_packets);
        trouble(b).cmp(&trouble(a)).then_with(|| a.id.cmp(&b.id))
    });
    let mut totals = Totals::default();
    totals.add(&counts.slot(0)?);
    rows.push(PsapRow { id: None, name: None, kind: "none", shared_with: None, totals });
    Ok(rows)
}

/// Reads `guard drops`: what was dropped, or would have been, by owner and reason.
pub fn drops(live: &Live, only: Option<&str>) -> Result<Vec<DropRow>, LiveError> {
    let config = live.effective()?;
    let assigned = live.store.slots()?;
    let slots = slots::readable(&assigned, &config);
    let counts = live.pins.counts()?;
    let own = |owner: &Owner<'_>| owner.shared_with.is_none();
    let mut owned: Vec<(Option<String>, u32)> = owners(&config)
        .iter()
        .filter(|owner| own(owner) || only == Some(owner.id))
        .filter_map(|owner| Some((Some(owner.id.to_owned()), *slots.get(owner.id)?)))
        .collect();
    owned.push((None, 0));
    let mut rows = Vec::new();
    for (id, slot) in owned {
        if only.is_some() && only != id.as_deref() {
            continue;
        }
        let counters = counts.slot(slot)?;
        rows.extend(drop_rows(id.as_deref(), &counters));
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.dropped_packets, row.would_drop_packets)));
    Ok(rows)
}

fn drop_rows(id: Option<&str>, counters: &SlotCounters) -> Vec<DropRow> {
    let mut rows = Vec::new();
    for reason in Reason::all().filter(|reason| reason.dropped_counter().is_some()) {
        let dropped = counter(counters, reason.dropped_counter());
        let would = counter(counters, Some(reason.counter()));
        if dropped.0 == 0 && would.0 == 0 {
            continue;
        }
        rows.push(DropRow {
            id: id.map(str::to_owned),
            reason: reason.name(),
            class: reason.class().name(),
            dropped_packets: dropped.0,
            dropped_bytes: dropped.1,
            would_drop_packets: would.0,
            would_drop_bytes: would.1,
        });
    }
    rows
}

/// The mode a word names, for reading it back from JSON.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Monitor => "monitor",
        Mode::Enforce => "enforce",
    }
}
