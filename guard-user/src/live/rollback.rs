//! Going back to a configuration that was live before, and telling which there are.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use super::apply::Right;
use super::next::{Deadline, Next};
use super::{Live, LiveError, Outcome};
use crate::diff::{self, Difference};
use crate::gates::Cause;
use crate::kernel::lock::ChangeLock;
use crate::store::{Pending, Record};

/// A configuration, live or of the history.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// How many steps back it is; 0 is live.
    pub steps_back: usize,
    /// Its number.
    pub revision: u64,
    /// When it was made, RFC 3339.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Why, if they said so.
    pub why: Option<String>,
    /// What it changed, on one line.
    pub what: String,
    /// Until when it waits to be confirmed, if it does.
    pub confirm_until: Option<String>,
}

/// A roll-back that worked.
#[derive(Debug)]
pub struct Back {
    /// How the swap went; `None` where nothing was loaded, and the next start takes it.
    pub outcome: Option<Outcome>,
    /// What changed by it.
    pub differences: Vec<Difference>,
    /// The configuration that is live now.
    pub to: Step,
}

impl fmt::Display for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Some(outcome) => {
                write!(f, "generation {} is live, as of {}", outcome.generation, self.to.at)
            }
            None => {
                write!(f, "nothing is loaded; the next `guard run` starts as of {}", self.to.at)
            }
        }
    }
}

impl Step {
    fn of(steps_back: usize, record: &Record) -> Self {
        let made = record.made.clone();
        Self {
            steps_back,
            revision: made.revision,
            at: made.at,
            by: made.by,
            why: made.why,
            what: made.what,
            confirm_until: match steps_back {
                0 => record.pending.as_ref().map(|pending| pending.until.clone()),
                _ => None,
            },
        }
    }
}

impl Live {
    /// What is live, and what was before, newest first.
    pub fn history(&self) -> Result<Vec<Step>, LiveError> {
        let record = self.written()?;
        let mut steps = vec![Step::of(0, &record)];
        for (number, revision) in (1..).zip(self.store.history(record.made.revision)?) {
            steps.push(Step::of(number, &self.store.kept(revision)?));
        }
        Ok(steps)
    }

    /// Goes so many steps back. Nothing but what is wrong in itself refuses that.
    pub fn roll_back(&self, steps: usize, why: Option<&str>) -> Result<Back, LiveError> {
        let back = self.try_roll_back(steps);
        self.tell_timed(&format!("rollback {steps}"), why, &back, |back| {
            back.outcome.as_ref()?.took
        });
        back
    }

    fn try_roll_back(&self, steps: usize) -> Result<Back, LiveError> {
        let lock = self.lock_change()?;
        let record = self.written()?;
        let history = self.store.history(record.made.revision)?;
        let revision = steps.checked_sub(1).and_then(|index| history.get(index)).copied();
        let Some(revision) = revision else {
            return Err(LiveError::Order {
                what: format!("there are {} configurations to go back to", history.len()),
                next: "see `guard history`, or `guard apply` a file",
            });
        };
        let target = self.store.kept(revision)?;
        match &lock {
            Right::Loaded(lock) => self.go_back(lock, &record, &target, Cause::RollBack),
            Right::OnDisk { .. } => self.go_back_on_disk(&record, &target),
        }
    }

    /// Brings a configuration of the history live again. What is abandoned is not kept: going
    /// back twice must not lead to it.
    pub(super) fn go_back(
        &self,
        lock: &ChangeLock,
        record: &Record,
        target: &Record,
        cause: Cause,
    ) -> Result<Back, LiveError> {
        let (before, after) = (record.effective(), target.effective());
        let differences = diff::of(&before, &after, SystemTime::now().into());
        let passed = self.pass(cause, (&before, &after), &differences, false)?;
        let pending = still_pending(record, target);
        let deadline = if pending.is_some() { Deadline::Keep } else { Deadline::Lift };
        let kernel_log = record.kernel_log;
        let live = Some(record);
        let next = Next { live, pending, deadline, kernel_log, ..Next::again(target, &after) };
        let outcome = self.swap(lock, &next, passed)?;
        Ok(Back { outcome: Some(outcome), differences, to: Step::of(0, target) })
    }

    fn go_back_on_disk(&self, record: &Record, target: &Record) -> Result<Back, LiveError> {
        let (before, after) = (record.effective(), target.effective());
        let differences = diff::of(&before, &after, SystemTime::now().into());
        self.pass(Cause::RollBack, (&before, &after), &differences, false)?;
        let pending = still_pending(record, target);
        let next = Next { live: Some(record), pending, ..Next::again(target, &after) };
        self.write_down(&next)?;
        Ok(Back { outcome: None, differences, to: Step::of(0, target) })
    }
}

/// What still waits to be confirmed: a change that reaches further back than this step.
fn still_pending(record: &Record, target: &Record) -> Option<Pending> {
    record.pending.clone().filter(|pending| target.made.revision > pending.back_to)
}
