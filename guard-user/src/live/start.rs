//! The start: what was confirmed goes on, whatever the file says by now.
//!
//! Only a first start reads its configuration from the file; later ones, after a reboot or an
//! upgrade, too, take what was live last and tell how the file differs. So no restart is ever a
//! change that nobody looked at.

use std::path::Path;
use std::time::SystemTime;

use super::confirm::Settled;
use super::next::{Deadline, Next};
use super::sides::Refused;
use super::{Live, LiveError, Outcome, Started, fingerprint, time};
use crate::config::{Config, ConfigError, Overlay};
use crate::diff::{self, Difference};
use crate::gates::{self, Cause, Trial};
use crate::kernel::interface;
use crate::kernel::lock::ChangeLock;
use crate::store::{Made, Record};

/// What the file says, beside what is live.
#[derive(Debug)]
pub enum FileSays {
    /// The same.
    Same,
    /// Something else, which `guard apply` would bring live.
    Other(Vec<Difference>),
    /// Nothing: it is wrong.
    Wrong(ConfigError),
}

/// A start that worked.
#[derive(Debug)]
pub struct Start {
    /// How it went.
    pub outcome: Outcome,
    /// The configuration in effect.
    pub config: Config,
    /// What the file says.
    pub file: FileSays,
    /// What was found half done, and what was done about it.
    pub notes: Vec<String>,
}

impl Live {
    /// Brings the guard live: what was live last, or, at a first start, what the file says.
    pub fn start(
        &self,
        file: &Path,
        says: Result<Config, ConfigError>,
        kernel_log: bool,
    ) -> Result<Start, LiveError> {
        let started = self.try_start(file, says, kernel_log);
        match &started {
            Ok(start) => {
                let result = match start.outcome.started {
                    Started::Fresh => "loaded",
                    Started::Adopted => "adopted what was pinned",
                    Started::Swapped => "replaced what was pinned",
                };
                let generation = Some(start.outcome.generation);
                self.audit.record("start", None, result, generation);
            }
            Err(_) => self.tell("start", None, &started),
        }
        if started.is_err() && !self.pins.is_loaded() {
            // Empty folders are all there can be. The first error is the one to tell.
            let _ = self.pins.remove();
        }
        started
    }

    fn try_start(
        &self,
        file: &Path,
        says: Result<Config, ConfigError>,
        kernel_log: bool,
    ) -> Result<Start, LiveError> {
        self.pins.create()?;
        let lock = self.pins.lock()?;
        if self.pins.is_of_another_version()? {
            return self.replace_state(&lock, file, says, kernel_log);
        }
        self.pins.forget_replaced()?;
        match self.store.record()? {
            Some(record) if self.pins.is_loaded() || !record.unloaded => {
                self.resume(&lock, record, says, kernel_log)
            }
            last => self.first_start(&lock, file, &says?, last.as_ref(), kernel_log),
        }
    }

    /// State of another layout is replaced: the new is made beside it, with a generation of its
    /// own, which takes the old one's place on the interfaces. Killed on the way, the next start
    /// does it again.
    fn replace_state(
        &self,
        lock: &ChangeLock,
        file: &Path,
        says: Result<Config, ConfigError>,
        kernel_log: bool,
    ) -> Result<Start, LiveError> {
        let beside = Self { pins: self.pins.beside(), ..self.clone() };
        beside.pins.clear()?;
        let mut start = match self.store.record()? {
            Some(record) => beside.resume(lock, record, says, kernel_log)?,
            None => beside.first_start(lock, file, &says?, None, kernel_log)?,
        };
        self.pins.take_over()?;
        self.share(&start.config);
        start.outcome.started = Started::Swapped;
        start.notes.push(
            "what was pinned was of another version of guard, and is replaced: counters, limits \
             and what was known of calls begin anew; mode and bypass are as they were"
                .to_owned(),
        );
        Ok(start)
    }

    /// Takes the file for what it is. Live changes that an unloaded guard left stay on top.
    fn first_start(
        &self,
        lock: &ChangeLock,
        file: &Path,
        config: &Config,
        last: Option<&Record>,
        kernel_log: bool,
    ) -> Result<Start, LiveError> {
        let overlay = last.map_or_else(Overlay::default, |last| last.overlay.over(config));
        let effective = config.replayed(&overlay);
        let mode = if self.pins.is_loaded() { self.mode()? } else { effective.guard.mode };
        let differences = diff::of(&Config::default(), &effective, SystemTime::now().into());
        let passed = gates::pass(&Trial {
            cause: Cause::Start,
            differences: &differences,
            before: None,
            after: &effective,
            mode,
            force: false,
        })?;
        let before = last.map_or(0, |last| last.made.revision).max(self.store.last_revision()?);
        let made = Made {
            revision: before.saturating_add(1),
            at: time(),
            by: self.audit.by(),
            why: None,
            what: "a first start".to_owned(),
        };
        let next = Next {
            file,
            base: config,
            overlay: &overlay,
            effective: &effective,
            kernel_log,
            live: last,
            made,
            pending: None,
            deadline: Deadline::Keep,
            open: false,
        };
        let outcome = self.swap(lock, &next, passed)?;
        Ok(Start { outcome, config: effective, file: FileSays::Same, notes: Vec::new() })
    }

    /// Goes on with what was live last, and tells how the file differs from it.
    fn resume(
        &self,
        lock: &ChangeLock,
        record: Record,
        says: Result<Config, ConfigError>,
        kernel_log: bool,
    ) -> Result<Start, LiveError> {
        let mut notes = Vec::new();
        let (outcome, record) = self.go_on(lock, record, kernel_log, &mut notes)?;
        let file = match says {
            Ok(config) => match self.differences(&record, &config) {
                same if same.is_empty() => FileSays::Same,
                other => FileSays::Other(other),
            },
            Err(error) => FileSays::Wrong(error),
        };
        Ok(Start { outcome, config: record.effective(), file, notes })
    }

    /// Adopts what was live last, or builds it anew; which that is, and what had to be done.
    pub(super) fn go_on(
        &self,
        lock: &ChangeLock,
        record: Record,
        kernel_log: bool,
        notes: &mut Vec<String>,
    ) -> Result<(Outcome, Record), LiveError> {
        let Settled { record, open, deadline } = self.settle(lock, record, notes)?;
        let effective = record.effective();
        if record.kernel_log == kernel_log
            && let Some(outcome) = self.adopt(&record, &effective)?
        {
            if deadline == Deadline::Lift {
                self.lift_deadline()?;
            }
            self.clean(&record, &effective, notes);
            return Ok((outcome, record));
        }
        notes.extend(self.pieces(&record)?);
        let mode = if self.pins.is_loaded() { self.mode()? } else { effective.guard.mode };
        let passed = gates::pass(&Trial {
            cause: Cause::Renewal,
            differences: &[],
            before: Some(&effective),
            after: &effective,
            mode,
            force: false,
        })?;
        let again = Next::again(&record, &effective);
        let outcome = self.swap(lock, &Next { deadline, open, kernel_log, ..again }, passed)?;
        Ok((outcome, record))
    }

    /// Takes what is pinned as it is, if it is what is written down, of this program, and for this
    /// host as it is.
    fn adopt(&self, record: &Record, effective: &Config) -> Result<Option<Outcome>, LiveError> {
        let the_same = self.pins.is_loaded()
            && self.is_whole(record)?
            && record.program == fingerprint()
            && record.interfaces == interface::indexes(effective, &self.pins)?
            && record.host == interface::host_addresses();
        if !the_same {
            return Ok(None);
        }
        let (generation, placed) = (record.number, Vec::new());
        let missing = self.place_sides(effective, generation, &Refused::new());
        let findings = Vec::new();
        let started = Started::Adopted;
        Ok(Some(Outcome { started, generation, placed, missing, findings, took: None }))
    }
}
