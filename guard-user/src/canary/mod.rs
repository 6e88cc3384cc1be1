//! The canary: the proof that 911 passes.
//!
//! Frames that must pass, to every PSAP, in every form and by every transport, run through a
//! private copy of the very program and policy maps that decide about real ones. Each has to come
//! out protected, and pass. [`prove`] does all of it at once, for a gate or a person; the daemon's
//! [`watch`] does a part of it each second, and opens the guard when it fails. Nothing here closes
//! a guard but [`close`], which a person calls.

mod blind;
mod close;
mod copy;
mod entries;
mod files;
mod marks;
mod parties;
mod plan;
mod vantage;
pub mod watch;
pub(crate) mod wire;

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::blind::Blind;
pub use self::close::{Closing, close};
pub use self::copy::{Canary, Tally};
pub use self::files::{Closed, Kept, Outcome, Report, STALE, kept, now, report};
pub use self::marks::COUNT as FORMS;
pub use self::plan::ROUND;

use crate::config::Config;
use crate::kernel::pins::PinDir;
use crate::policy::PolicyTables;
use crate::store::Record;

/// Frames that a proof takes at most: about a second's worth. More PSAPs than that are proved with
/// every form and every transport, and not with every form by every transport.
const PROOF_FRAMES: u64 = 400_000;

/// A frame that must pass and be protected, and was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The element it was for: a PSAP, a site or a gateway.
    pub psap: String,
    /// PSAPs that share its addresses.
    pub shared_by: Vec<String>,
    /// What it said: the marker, or what a configured party sends.
    pub form: String,
    /// By what: "udp/ipv4" and so on.
    pub transport: String,
    /// Who sent it: the id of a configured party, or "stranger".
    pub sender: String,
    /// Where it came in: the interface, and the VLAN behind a dot.
    pub interface: String,
    /// Its source.
    pub source: String,
    /// Its destination.
    pub destination: String,
    /// What became of it: "pass" or "drop".
    pub verdict: String,
    /// What it was counted as.
    pub reason: String,
    /// The rest of what there is to know.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// What a failure is understood by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The frame, in hexadecimal.
    pub frame: String,
    /// What configuration and kernel say about its two ends.
    pub entries: Vec<String>,
}

impl Failure {
    /// Whether another is the same frame with the same fate.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let fate = |failure: &Self| (failure.verdict.clone(), failure.reason.clone());
        self.evidence.frame == other.evidence.frame
            && self.psap == other.psap
            && fate(self) == fate(other)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { psap, form, transport, sender, interface, verdict, reason, .. } = self;
        write!(
            f,
            "{form} by {transport} from {sender} to {psap} on {interface}: {verdict}, {reason}"
        )
    }
}

/// All frames of a proof, and how they fared.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// Number of the generation.
    pub generation: u64,
    /// PSAPs, sites and other elements it is about.
    pub targets: usize,
    /// Forms of the marker.
    pub forms: usize,
    /// Whether every form was sent by every transport, and not each by some.
    pub complete: bool,
    /// Frames that ran.
    pub frames: u64,
    /// Frames that no interface was there for.
    pub skipped: u64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// How many frames failed.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<Failure>,
}

impl Proof {
    /// Whether everything passed that must.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.failed == 0
    }
}

/// Proves a generation that is pinned, live or not yet: every form, every transport, every PSAP,
/// or those of the one entry that is named. `effective` is the configuration it was made of.
///
/// # Errors
///
/// If it cannot be known whether 911 passes: see [`Blind`]. Failures are no error.
pub fn prove(
    pins: &PinDir,
    record: &Record,
    effective: &Config,
    only: Option<&str>,
) -> Result<Proof, Blind> {
    let began = Instant::now();
    proof(Canary::new(pins, record, effective)?, began, only)
}

/// The same with tables that the live generation is to have, and has not yet; `record` is of that
/// generation.
///
/// # Errors
///
/// As those of [`prove`].
pub fn prove_tables(
    pins: &PinDir,
    tables: &PolicyTables,
    record: &Record,
    effective: &Config,
) -> Result<Proof, Blind> {
    let began = Instant::now();
    proof(Canary::of(pins, tables, record, effective)?, began, None)
}

fn proof(mut canary: Canary, began: Instant, only: Option<&str>) -> Result<Proof, Blind> {
    let plan = canary.plan();
    let targets = plan.parties().targets.iter().enumerate();
    let targets: Vec<usize> = targets
        .filter(|(_, target)| only.is_none_or(|only| target.id == only))
        .map(|(number, _)| number)
        .collect();
    if targets.is_empty() {
        return Err(Blind::NoTarget);
    }
    let all = |target: &usize| (*target, plan.length(*target) * plan.cycles(*target));
    let once = |target: &usize| (*target, plan.length(*target));
    let mut lengths: Vec<(usize, u64)> = targets.iter().map(all).collect();
    let complete = lengths.iter().map(|(_, length)| length).sum::<u64>() <= PROOF_FRAMES;
    if !complete {
        lengths = targets.iter().map(once).collect();
    }
    let work = lengths
        .into_iter()
        .flat_map(|(target, length)| (0..length).map(move |number| (target, number)));
    let usable = canary.usable()?;
    let tally = canary.run(work, usable)?;
    let failures = canary.tell(&tally.failed, usable)?;
    Ok(Proof {
        generation: canary.generation(),
        targets: targets.len(),
        forms: FORMS,
        complete,
        frames: tally.frames,
        skipped: tally.skipped,
        milliseconds: milliseconds(began.elapsed()),
        failed: tally.failed.len() as u64,
        failures,
    })
}

/// The id of the entry that has the addresses of a PSAP, site or element; `None` if there is none
/// with this id.
#[must_use]
pub fn target_of<'a>(config: &'a Config, id: &'a str) -> Option<&'a str> {
    if let Some(psap) = config.psap.iter().find(|psap| psap.id.as_str() == id) {
        return Some(psap.site.as_ref().or(psap.via.as_ref()).map_or(id, |other| other.as_str()));
    }
    let sites = config.site.iter().map(|site| site.id.as_str());
    let elements = config.element.iter().map(|element| element.id.as_str());
    sites.chain(elements).find(|known| *known == id)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
