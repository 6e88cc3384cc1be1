//! Many PSAPs at once, from a registry: one change, through the gates of a whole configuration.

use std::time::SystemTime;

use super::next::Next;
use super::{Live, LiveError, Outcome};
use crate::config::{Change, Overlay, PsapEntry};
use crate::diff::{self, Difference};
use crate::gates::Cause;
use crate::store::Record;

/// What came of an import.
#[derive(Debug)]
pub struct Imported {
    /// What differs, or would.
    pub differences: Vec<Difference>,
    /// How the swap went, if there was one.
    pub outcome: Option<Outcome>,
}

impl Live {
    /// What importing these PSAPs would change.
    pub fn would_import(&self, psaps: &[PsapEntry]) -> Result<Imported, LiveError> {
        let record = self.record()?;
        let after = record.config.with_overlay(&with(&record, psaps))?;
        let differences = diff::of(&record.effective(), &after, SystemTime::now().into());
        Ok(Imported { differences, outcome: None })
    }

    /// Adds these PSAPs, or replaces the entries with their ids: all of them, or none.
    pub fn import(
        &self,
        psaps: &[PsapEntry],
        why: Option<&str>,
        force: bool,
    ) -> Result<Imported, LiveError> {
        let imported = self.try_import(psaps, why, force);
        let forced = if force { " --force" } else { "" };
        let what = format!("psap import of {}{forced}", psaps.len());
        self.tell_timed(&what, why, &imported, |imported| imported.outcome.as_ref()?.took);
        imported
    }

    fn try_import(
        &self,
        psaps: &[PsapEntry],
        why: Option<&str>,
        force: bool,
    ) -> Result<Imported, LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let before = record.effective();
        let overlay = with(&record, psaps);
        let after = record.config.replayed(&overlay);
        let differences = diff::of(&before, &after, SystemTime::now().into());
        if differences.is_empty() {
            return Ok(Imported { differences, outcome: None });
        }
        let passed = self.pass(Cause::Apply, (&before, &after), &differences, force)?;
        let made = self.made(&record, &differences, why);
        let next = Next { overlay: &overlay, made, ..Next::again(&record, &after) };
        let outcome = Some(self.swap(&lock, &next, passed)?);
        Ok(Imported { differences, outcome })
    }
}

/// The live changes, with these PSAPs on top. What an entry says takes the place of what one of
/// the same id said, also where the file says it.
fn with(record: &Record, psaps: &[PsapEntry]) -> Overlay {
    let now = SystemTime::now().into();
    let mut overlay = record.overlay.clone();
    for entry in psaps {
        overlay.push(Change::RemovePsap(entry.id.clone()), &record.config, now);
        overlay.push(Change::AddPsap(entry.clone()), &record.config, now);
    }
    // Where nothing changes, nothing is left of both.
    overlay.over(&record.config)
}
