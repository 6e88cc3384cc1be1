//! Sees changes, takes samples, and has what turned taken back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use guard_common::abi::state::{MODE_ENFORCE, switch};

use super::files::{self, Done, Evidence};
use super::gather;
use super::judge::{Judgement, Turned};
use super::observation::{Observation, Seen};
use super::series::{Sample, Series};
use super::words;
use crate::calls::tally::Tallies;
use crate::canary;
use crate::kernel::state::Overview;
use crate::kernel::{KernelError, clock};
use crate::live::{Live, LiveError, Suspect, Turn};

/// A stretch is this part of the time that a change is watched,
const STRETCHES: u32 = 60;
/// but no longer than this,
const STRETCH_MAX: Duration = Duration::from_secs(5);
/// and no shorter. While a change is watched, this is also between two looks at the counters.
const STRETCH_MIN: Duration = Duration::from_secs(1);

/// The record as a file: another one after every change.
type Stamp = (u64, i64, i64, u64);

/// What is live, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    stamp: Stamp,
    mode: u64,
    revision: u64,
    /// How long a change is watched.
    watch: Duration,
}

/// What the thread remembers.
pub struct Watcher {
    live: Live,
    tallies: Tallies,
    series: Series,
    /// The last one that a stretch ended with.
    last: Option<Sample>,
    standing: Option<Standing>,
    /// Whether an alarm was open at the last look.
    alarmed: bool,
    observation: Option<Observation>,
    /// When what is watched was looked at last.
    judged: u64,
    /// Of the last look: what could be compared.
    told: Judgement,
    /// What went wrong last, said once.
    trouble: Option<String>,
}

impl Watcher {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(live: Live, tallies: Tallies) -> Self {
        Self {
            live,
            tallies,
            series: Series::default(),
            last: None,
            standing: None,
            alarmed: false,
            observation: None,
            judged: 0,
            told: Judgement::default(),
            trouble: None,
        }
    }

    /// One look.
    pub fn look(&mut self) {
        let trouble = self.try_look().err().map(|error| error.to_string());
        if let Some(why) = &trouble
            && self.trouble != trouble
        {
            tracing::warn!("what follows a change cannot be watched: {why}");
        }
        self.trouble = trouble;
    }

    fn try_look(&mut self) -> Result<(), LiveError> {
        let overview = self.live.pins.switches()?.overview()?;
        let is_alarm = self.is_alarm(&overview);
        let was_alarm = std::mem::replace(&mut self.alarmed, is_alarm);
        if let Some(seen) = self.change(&overview)? {
            self.begin(seen, is_alarm || was_alarm)?;
        }
        if is_alarm && let Some(observation) = self.observation.take() {
            tracing::info!("no longer watched, an alarm is open: {}", observation.change);
        }
        self.sample()?;
        self.judge(&overview)
    }

    /// Whether an outage may be going on, in which people change things to mend them.
    fn is_alarm(&self, overview: &Overview) -> bool {
        let report = canary::report(&self.live.store).ok().flatten();
        let report = report.filter(|report| report.age().is_some_and(|age| age < canary::STALE));
        let canary = report.is_some_and(|report| report.result != canary::Outcome::Ok);
        overview.opened != 0 || overview.bypass.is_some() || canary
    }

    /// What has changed since the last look; nothing at the first.
    fn change(&mut self, overview: &Overview) -> Result<Option<Seen>, LiveError> {
        let stamp = stamp(&self.live)?;
        let mode = overview.mode;
        let before = self.standing;
        if before.is_some_and(|before| (before.stamp, before.mode) == (stamp, mode)) {
            return Ok(None);
        }
        let record = self.live.record()?;
        let revision = record.made.revision;
        let watch = record.effective().gates.watch();
        self.standing = Some(Standing { stamp, mode, revision, watch });
        let Some(before) = before else { return Ok(None) };
        let enforces = mode == MODE_ENFORCE && before.mode != MODE_ENFORCE;
        let change = match (revision != before.revision, enforces) {
            (true, false) if revision < before.revision => {
                format!("rollback to revision {revision}")
            }
            (true, false) => record.made.what,
            (true, true) => format!("{}; mode enforce", record.made.what),
            (false, true) => "mode enforce".to_owned(),
            (false, false) => return Ok(None),
        };
        // Going back to another configuration would not undo a change of the mode.
        let old = if enforces { revision } else { before.revision };
        Ok(Some(Seen { change, revisions: (old, revision) }))
    }

    fn watch(&self) -> Duration {
        self.standing.map_or(Duration::ZERO, |standing| standing.watch)
    }

    fn begin(&mut self, seen: Seen, alarm: bool) -> Result<(), LiveError> {
        let now = gather::sample(&self.live, &self.tallies)?;
        // What the change falls into is neither before it nor after.
        self.last = Some(now.clone());
        self.judged = now.at;
        self.told = Judgement::default();
        if alarm {
            self.observation = None;
            tracing::info!("not watched, it was made while an alarm was open: {}", seen.change);
        } else if self.watch().is_zero() {
            self.observation = None;
        } else if let Some(observation) = &mut self.observation {
            observation.add(seen, now);
        } else {
            self.observation = Some(Observation::new(seen, self.series.stretches(), now));
        }
        if let Some(observation) = &self.observation {
            tracing::info!(watch = ?self.watch(), "watching what follows: {}", observation.change);
        }
        Ok(())
    }

    /// Ends a stretch, if it is time to.
    fn sample(&mut self) -> Result<(), LiveError> {
        let length = (self.watch() / STRETCHES).clamp(STRETCH_MIN, STRETCH_MAX);
        let age = |last: &Sample| Duration::from_nanos(clock::now().saturating_sub(last.at));
        if self.watch().is_zero() || self.last.as_ref().is_some_and(|last| age(last) < length) {
            return Ok(());
        }
        let now = gather::sample(&self.live, &self.tallies)?;
        if let Some(last) = self.last.replace(now.clone()) {
            self.series.push(now.since(&last));
        }
        Ok(())
    }

    /// Looks at what is watched, if it is time to.
    fn judge(&mut self, overview: &Overview) -> Result<(), LiveError> {
        let Some(observation) = &mut self.observation else { return Ok(()) };
        let now = clock::now();
        if Duration::from_nanos(now.saturating_sub(self.judged)) < STRETCH_MIN {
            return Ok(());
        }
        self.judged = now;
        // Where nothing is dropped, nothing is worse by the guard's doing.
        if overview.mode == MODE_ENFORCE && now < overview.drop_until {
            let now = gather::sample(&self.live, &self.tallies)?;
            self.told = observation.judge(now);
        }
        if !self.told.turned.is_empty() {
            let turned = std::mem::take(&mut self.told.turned);
            return self.act(&turned);
        }
        let watch = self.standing.map_or(Duration::ZERO, |standing| standing.watch);
        if observation.age(now) >= watch
            && let Some(observation) = self.observation.take()
        {
            let Judgement { compared, quiet, turned: _ } = self.told;
            let change = observation.change;
            match compared {
                0 => tracing::info!(quiet, "BLIND, too little traffic to tell, after: {change}"),
                _ => tracing::info!(compared, quiet, "nothing is worse than before: {change}"),
            }
        }
        Ok(())
    }

    /// Once for each change: whatever comes of it, it is not watched any more.
    fn act(&mut self, turned: &[Turned]) -> Result<(), LiveError> {
        let Some(observation) = self.observation.take() else { return Ok(()) };
        let Observation { change, revision, back_to, began, .. } = observation;
        let lines = words::lines(turned, &self.live.store.slots().unwrap_or_default());
        let evidence = lines.join("; ");
        let suspect = Suspect { revision, back_to, change: &change, evidence: &evidence };
        let generation = self.live.pins.switches()?.get(switch::GENERATION)?;
        let Some(turn) = self.live.take_back_turned(&suspect)? else { return Ok(()) };
        let took = Duration::from_nanos(clock::now().saturating_sub(began));
        let done = match turn {
            Turn::RolledBack(to) => {
                tracing::error!(?took, "EVIDENCE TURNED, rolled back: {change}: {evidence}");
                self.took_back(began);
                Done::RolledBack { to: to.revision }
            }
            Turn::Opened(why) => {
                tracing::error!(
                    ?took,
                    "EVIDENCE TURNED, the guard is open, as {why}: {change}: {evidence}; see \
                     `guard status`; `guard close` closes it"
                );
                Done::Opened { why }
            }
        };
        let kept = Evidence {
            at: canary::now(),
            generation,
            change,
            turned: lines,
            done,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            closed: None,
        };
        if let Err(error) = files::keep(&self.live.store, &kept) {
            tracing::error!("what turned cannot be kept: {error}");
        }
        Ok(())
    }

    /// Takes what was done just now for no change, and what was bad for no "before".
    fn took_back(&mut self, began: u64) {
        self.series.forget_after(began);
        self.last = None;
        let standing = stamp(&self.live).and_then(|stamp| Ok((stamp, self.live.record()?)));
        self.standing = match (standing, self.standing) {
            (Ok((stamp, record)), Some(before)) => Some(Standing {
                stamp,
                revision: record.made.revision,
                watch: record.effective().gates.watch(),
                ..before
            }),
            _ => None,
        };
    }
}

/// The record's file as it is now.
fn stamp(live: &Live) -> Result<Stamp, LiveError> {
    let path = live.store.record_path();
    let meta = fs::metadata(&path)
        .map_err(|error| KernelError::path(&path, error, "start the daemon anew"))?;
    Ok((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}
