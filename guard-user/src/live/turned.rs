//! Acting on evidence that turned after a change: back to what was live before, or open.
//!
//! The rules of every way back without a person hold: it never withdraws a peer, a PSAP or an
//! allow entry and never tightens; where it would, or does not work, the guard opens instead.

use guard_common::abi::state::{MODE_ENFORCE, opened, switch};

use super::rollback::{Back, Step};
use super::{Live, LiveError};
use crate::gates::Cause;
use crate::kernel::KernelError;
use crate::kernel::lock::ChangeLock;
use crate::store::Record;

/// A change after which the evidence turned.
#[derive(Clone, Copy, Debug)]
pub struct Suspect<'a> {
    /// The revision that is live with it.
    pub revision: u64,
    /// The one before it; `None` if the way back is not another configuration.
    pub back_to: Option<u64>,
    /// The change, in one line.
    pub change: &'a str,
    /// What turned, in one line.
    pub evidence: &'a str,
}

/// What was done.
#[derive(Debug)]
pub enum Turn {
    /// It was rolled back, to this.
    RolledBack(Step),
    /// It stays, and the guard is open: why.
    Opened(String),
}

impl Live {
    /// Takes a change back, or opens the guard; `None` if that is nobody's business any more:
    /// something else is live by now, or the guard drops nothing.
    pub fn take_back_turned(&self, suspect: &Suspect<'_>) -> Result<Option<Turn>, LiveError> {
        let done = match self.pins.lock() {
            Ok(lock) => {
                let record = self.record();
                // One that cannot be read any more is no reason to let things be.
                let is_other = |record: &Record| record.made.revision != suspect.revision;
                if !self.may_drop()? || record.as_ref().is_ok_and(is_other) {
                    return Ok(None);
                }
                match self.try_take_back(&lock, record, suspect.back_to) {
                    Ok(back) => Turn::RolledBack(back.to),
                    Err(why) => self.open_for_evidence(why)?,
                }
            }
            // Whoever has been at it for so long keeps nobody from opening.
            Err(KernelError::Locked { .. }) => {
                if !self.may_drop()? {
                    return Ok(None);
                }
                self.open_for_evidence("another change is under way and does not end".to_owned())?
            }
            Err(error) => return Err(error.into()),
        };
        let result = match &done {
            Turn::RolledBack(step) => format!("rolled back to revision {}", step.revision),
            Turn::Opened(why) => format!("opened the guard: {why}"),
        };
        let what = format!("evidence turned after: {}", suspect.change);
        self.audit.record(&what, Some(suspect.evidence), &result, self.generation());
        Ok(Some(done))
    }

    fn try_take_back(
        &self,
        lock: &ChangeLock,
        record: Result<Record, LiveError>,
        back_to: Option<u64>,
    ) -> Result<Back, String> {
        let record = record.map_err(|error| error.to_string())?;
        let revision = back_to.ok_or("there is no configuration to go back to")?;
        let target = self.way_back_to(&record, revision)?;
        self.go_back(lock, &record, &target, Cause::RollBack).map_err(|error| error.to_string())
    }

    /// Whether anything can be dropped at all: else nothing is worse by the guard's doing.
    fn may_drop(&self) -> Result<bool, LiveError> {
        let switches = self.pins.switches()?;
        Ok(switches.get(switch::MODE)? == MODE_ENFORCE
            && switches.get(switch::BYPASS)? == 0
            && switches.get(switch::OPENED)? == 0)
    }

    fn open_for_evidence(&self, why: String) -> Result<Turn, LiveError> {
        self.pins.switches()?.open_for(opened::EVIDENCE)?;
        Ok(Turn::Opened(why))
    }
}
