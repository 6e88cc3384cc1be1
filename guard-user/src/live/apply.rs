//! A whole configuration, brought live as one change.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::next::{Deadline, Next};
use super::{Live, LiveError, Outcome, confirm, time};
use crate::config::{Config, Overlay};
use crate::diff::{self, Difference};
use crate::gates::Cause;
use crate::kernel::KernelError;
use crate::kernel::lock::ChangeLock;
use crate::store::{DaemonLock, Made, Record};

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The configuration file.
    pub file: &'a Path,
    /// Why.
    pub why: Option<&'a str>,
    /// How long somebody has time to confirm it; without, it is confirmed at once.
    pub confirm_within: Option<Duration>,
    /// Whether findings that a person may override are overridden.
    pub force: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Applied {
    /// It was live already; the file is noted as its source.
    Same,
    /// It is live.
    Live {
        /// How the swap went.
        outcome: Outcome,
        /// What changed.
        differences: Vec<Difference>,
        /// Until when it is to be confirmed.
        confirm_until: Option<String>,
    },
    /// Nothing is loaded: the next start takes it.
    AtNextStart {
        /// What changes.
        differences: Vec<Difference>,
    },
}

/// The right to change a configuration, until dropped.
pub(super) enum Right {
    /// What is live.
    Loaded(ChangeLock),
    /// What the next start takes: nothing is loaded, and nobody can load it meanwhile.
    OnDisk { _lock: DaemonLock },
}

impl Live {
    /// What applying a file would change.
    pub fn diff(&self, file: &Path) -> Result<Vec<Difference>, LiveError> {
        let config = Config::load(file)?;
        Ok(self.differences(&self.written()?, &config))
    }

    pub(super) fn differences(&self, record: &Record, config: &Config) -> Vec<Difference> {
        let after = config.replayed(&record.overlay.over(config));
        diff::of(&record.effective(), &after, SystemTime::now().into())
    }

    /// Brings a file live: all of it, or nothing is changed.
    pub fn apply(&self, request: &Request<'_>) -> Result<Applied, LiveError> {
        let applied = self.try_apply(request);
        let mut what = format!("apply {}", request.file.display());
        if request.force {
            what.push_str(" --force");
        }
        self.tell_timed(&what, request.why, &applied, |applied| match applied {
            Applied::Live { outcome, .. } => outcome.took,
            Applied::Same | Applied::AtNextStart { .. } => None,
        });
        applied
    }

    fn try_apply(&self, request: &Request<'_>) -> Result<Applied, LiveError> {
        // The gates validate it, as it would be live.
        let config = Config::read(request.file)?;
        let lock = self.lock_change()?;
        let record = self.written()?;
        self.nothing_pends(&record)?;
        let (before, overlay) = (record.effective(), record.overlay.over(&config));
        let after = config.replayed(&overlay);
        let differences = diff::of(&before, &after, SystemTime::now().into());
        let on_disk = matches!(lock, Right::OnDisk { .. });
        if differences.is_empty() && (on_disk || self.is_whole(&record)?) {
            self.note_source(&record, request.file, config, overlay)?;
            return Ok(Applied::Same);
        }
        let passed = self.pass(Cause::Apply, (&before, &after), &differences, request.force)?;
        let (pending, deadline) = match request.confirm_within {
            None => (None, Deadline::Keep),
            Some(within) => {
                let (pending, deadline) = confirm::deadline(within, record.made.revision);
                (Some(pending), deadline)
            }
        };
        let confirm_until = pending.as_ref().map(|pending| pending.until.clone());
        let next = Next {
            file: request.file,
            base: &config,
            overlay: &overlay,
            made: self.made(&record, &differences, request.why),
            pending,
            deadline,
            ..Next::again(&record, &after)
        };
        match (&lock, &confirm_until) {
            (Right::Loaded(lock), _) => {
                let outcome = self.swap(lock, &next, passed)?;
                Ok(Applied::Live { outcome, differences, confirm_until })
            }
            (Right::OnDisk { .. }, None) => {
                self.write_down(&next)?;
                Ok(Applied::AtNextStart { differences })
            }
            (Right::OnDisk { .. }, Some(_)) => Err(self.pins.not_loaded().into()),
        }
    }

    /// Notes that a file says what is live: nothing else changes.
    fn note_source(
        &self,
        record: &Record,
        file: &Path,
        config: Config,
        overlay: Overlay,
    ) -> Result<(), LiveError> {
        let record = Record { file: file.to_path_buf(), config, overlay, ..record.clone() };
        Ok(self.store.stage_record(&record)?.commit()?)
    }

    /// The right to change what is live, or what the next start takes.
    pub(super) fn lock_change(&self) -> Result<Right, LiveError> {
        match self.pins.must_be_loaded() {
            Ok(()) => Ok(Right::Loaded(self.pins.lock()?)),
            Err(KernelError::NotLoaded { .. }) if self.store.record()?.is_some() => {
                Ok(Right::OnDisk { _lock: self.store.lock_daemon()? })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is written down about the guard that is loaded, or that the next start would load.
    pub(super) fn written(&self) -> Result<Record, LiveError> {
        match (self.store.record()?, self.pins.must_be_loaded()) {
            (Some(record), Ok(())) => Ok(record),
            (None, Ok(())) => Err(self.store.without_record().into()),
            (Some(record), Err(KernelError::NotLoaded { .. })) if !record.unloaded => Ok(record),
            (_, Err(error)) => Err(error.into()),
        }
    }

    /// Writes down what the next start takes.
    pub(super) fn write_down(&self, next: &Next<'_>) -> Result<(), LiveError> {
        let interfaces = next.live.map_or_else(Default::default, |live| live.interfaces.clone());
        let record = self.next_record(next, interfaces)?;
        let staged = self.store.stage_record(&record)?;
        self.keep_history(next)?;
        staged.commit()?;
        self.store.forget(&record);
        Ok(())
    }
}

impl Live {
    /// The change that a next configuration is made by.
    pub(super) fn made(
        &self,
        record: &Record,
        differences: &[Difference],
        why: Option<&str>,
    ) -> Made {
        Made {
            revision: record.made.revision.saturating_add(1),
            at: time(),
            by: self.audit.by(),
            why: why.map(str::to_owned),
            what: diff::summary(differences),
        }
    }
}
