//! Changes that somebody has to confirm, or they are taken back.
//!
//! The data plane opens at the deadline whether or not anybody is there to take the change back.
//! Going back by itself never withdraws a peer, a PSAP or an allow entry and never tightens: where
//! it would, the guard stays open instead, until a person confirms or rolls back.

use std::time::{Duration, SystemTime};

use guard_common::abi::state::{opened, switch};

use super::next::Deadline;
use super::rollback::Step;
use super::{Live, LiveError};
use crate::config::Config;
use crate::diff::{self, Difference};
use crate::gates::{self, Cause, Trial};
use crate::kernel::clock;
use crate::kernel::lock::ChangeLock;
use crate::store::{Pending, Record};

/// In place of the deadline: it has passed, and whether to go back is a person's to say.
const DECIDED: u64 = 1;
/// Longest time that a change may wait for its confirmation.
pub const CONFIRM_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What was done about a change that nobody confirmed in time.
#[derive(Debug)]
pub enum Overdue {
    /// There was none: a deadline that a broken-off change left behind was lifted.
    Lifted,
    /// It was rolled back, to this.
    RolledBack(Step),
    /// It stays, and the guard is open: why.
    Opened(String),
}

/// What is to go on after a look at what was left half done.
pub(super) struct Settled {
    pub(super) record: Record,
    /// Nothing is loaded, and what will be is to be open.
    pub(super) open: bool,
    /// What becomes of the deadline, once what goes on is on the interfaces.
    pub(super) deadline: Deadline,
}

/// The deadline that far ahead, on both clocks.
pub(super) fn deadline(within: Duration, back_to: u64) -> (Pending, Deadline) {
    let within = within.min(CONFIRM_MAX);
    let until = SystemTime::now().checked_add(within).unwrap_or(SystemTime::UNIX_EPOCH);
    let until = humantime::format_rfc3339_seconds(until).to_string();
    let ahead = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
    let deadline = clock::now().saturating_add(ahead).max(DECIDED + 1);
    (Pending { until, back_to }, Deadline::At(deadline))
}

impl Live {
    /// Confirms the change that waits for it. What the guard was opened for is closed with it.
    pub fn confirm(&self, why: Option<&str>) -> Result<u64, LiveError> {
        let confirmed = self.try_confirm();
        self.tell("confirm", why, &confirmed);
        confirmed
    }

    fn try_confirm(&self) -> Result<u64, LiveError> {
        let _lock = self.pins.lock()?;
        let record = self.record()?;
        if record.pending.is_none() {
            return Err(LiveError::Order {
                what: "no change waits to be confirmed".to_owned(),
                next: "see `guard history` for what is live",
            });
        }
        let record = Record { pending: None, ..record };
        self.store.stage_record(&record)?.commit()?;
        self.lift_deadline()?;
        Ok(record.number)
    }

    /// Lifts the deadline for a confirmation, and closes what was opened for want of one.
    pub(super) fn lift_deadline(&self) -> Result<(), LiveError> {
        let mut switches = self.pins.switches()?;
        if switches.get(switch::OPENED)? == opened::UNCONFIRMED {
            switches.set(switch::OPENED, 0)?;
        }
        Ok(switches.set(switch::CONFIRM_BY, 0)?)
    }

    /// Whether the deadline for a confirmation has passed and nothing has been done about it.
    pub fn is_overdue(&self) -> Result<bool, LiveError> {
        let switches = self.pins.switches()?;
        let deadline = switches.get(switch::CONFIRM_BY)?;
        Ok(deadline > DECIDED && clock::now() >= deadline)
    }

    /// Takes back a change that nobody confirmed in time, or opens the guard where that is not
    /// for the guard to decide; `None` if there is nothing to do after all.
    pub fn take_back_overdue(&self) -> Result<Option<Overdue>, LiveError> {
        let lock = self.pins.lock()?;
        if !self.is_overdue()? {
            return Ok(None);
        }
        let done = match self.record() {
            Ok(record) => self.act_on_overdue(&lock, &record),
            Err(error) => self.stay_open(error.to_string()),
        };
        let (what, result) = match &done {
            Ok(Overdue::Lifted) => ("deadline of an unfinished change", "lifted".to_owned()),
            Ok(Overdue::RolledBack(_)) => ("unconfirmed change", "rolled back".to_owned()),
            Ok(Overdue::Opened(why)) => ("unconfirmed change", format!("opened the guard: {why}")),
            Err(error) => ("unconfirmed change", error.to_string()),
        };
        self.audit.record(what, None, &result, self.generation());
        done.map(Some)
    }

    fn act_on_overdue(&self, lock: &ChangeLock, record: &Record) -> Result<Overdue, LiveError> {
        let Some(pending) = &record.pending else {
            self.lift_deadline()?;
            return Ok(Overdue::Lifted);
        };
        let why_not = match self.way_back(record, pending) {
            Ok(target) => match self.go_back(lock, record, &target, Cause::RollBack) {
                Ok(back) => return Ok(Overdue::RolledBack(back.to)),
                Err(error) => error.to_string(),
            },
            Err(why_not) => why_not,
        };
        self.stay_open(why_not)
    }

    /// Leaves it to a person: the data plane is open already, and says from now on why.
    fn stay_open(&self, why: String) -> Result<Overdue, LiveError> {
        let mut switches = self.pins.switches()?;
        switches.open_for(opened::UNCONFIRMED)?;
        switches.set(switch::CONFIRM_BY, DECIDED)?;
        Ok(Overdue::Opened(why))
    }

    /// The configuration to go back to without asking anybody, or why there is none.
    fn way_back(&self, record: &Record, pending: &Pending) -> Result<Record, String> {
        self.way_back_to(record, pending.back_to)
    }

    /// The same, for a revision of the history.
    pub(super) fn way_back_to(&self, record: &Record, revision: u64) -> Result<Record, String> {
        let target = self.store.kept(revision).map_err(|error| error.to_string())?;
        let now = SystemTime::now().into();
        let differences = diff::of(&record.effective(), &target.effective(), now);
        match diff::tightens(&differences) {
            None => Ok(target),
            Some(Difference { text, .. }) => Err(format!("going back would tighten: {text}")),
        }
    }

    /// Looks, at a start, for what was left half done.
    pub(super) fn settle(
        &self,
        lock: &ChangeLock,
        record: Record,
        notes: &mut Vec<String>,
    ) -> Result<Settled, LiveError> {
        let Some(pending) = record.pending.clone() else {
            let mut deadline = Deadline::Keep;
            if self.pins.is_loaded() && self.pins.switches()?.get(switch::CONFIRM_BY)? != 0 {
                notes.push("a change that broke off had left a deadline; it is lifted".to_owned());
                deadline = Deadline::Lift;
            }
            return Ok(Settled { record, open: false, deadline });
        };
        if self.pins.is_loaded() {
            self.settle_loaded(lock, record, notes)
        } else {
            Ok(self.settle_on_disk(record, &pending, notes))
        }
    }

    fn settle_loaded(
        &self,
        lock: &ChangeLock,
        record: Record,
        notes: &mut Vec<String>,
    ) -> Result<Settled, LiveError> {
        if self.is_overdue()? {
            match self.act_on_overdue(lock, &record)? {
                Overdue::Lifted => {}
                Overdue::RolledBack(_) => {
                    notes.push("nobody confirmed the change in time: rolled back".to_owned());
                }
                Overdue::Opened(why) => {
                    notes.push(format!("nobody confirmed the change in time; OPEN, because {why}"));
                }
            }
        }
        let record = self.store.record()?.unwrap_or(record);
        Ok(Settled { record, open: false, deadline: Deadline::Keep })
    }

    /// After a reboot nobody can say any more how the change did: what was confirmed last goes
    /// on, or, where that would tighten, the change itself, open.
    fn settle_on_disk(
        &self,
        record: Record,
        pending: &Pending,
        notes: &mut Vec<String>,
    ) -> Settled {
        match self.way_back(&record, pending) {
            Ok(target) => {
                notes.push(
                    "nobody had confirmed the last change before the reboot: rolled back"
                        .to_owned(),
                );
                let number = record.number;
                let record = Record { number, pending: None, ..target };
                Settled { record, open: false, deadline: Deadline::Keep }
            }
            Err(why) => {
                notes.push(format!(
                    "nobody had confirmed the last change before the reboot; it goes on, OPEN, because {why}"
                ));
                Settled { record, open: true, deadline: Deadline::At(DECIDED) }
            }
        }
    }

    /// Refuses where closing would not close: the deadline of a change that waits has passed.
    pub fn nothing_is_overdue(&self) -> Result<(), LiveError> {
        let deadline = self.pins.switches()?.get(switch::CONFIRM_BY)?;
        if deadline == 0 || clock::now() < deadline {
            return Ok(());
        }
        Err(LiveError::Order {
            what: "the guard is open because nobody confirmed the change that is live".to_owned(),
            next: "`guard confirm` it or `guard rollback`, which closes",
        })
    }

    /// Refuses what would bury a change that waits to be confirmed.
    pub(super) fn nothing_pends(&self, record: &Record) -> Result<(), LiveError> {
        match &record.pending {
            None => Ok(()),
            Some(Pending { until, .. }) => Err(LiveError::Order {
                what: format!("the change that is live waits to be confirmed until {until}"),
                next: "`guard confirm` it or `guard rollback` first",
            }),
        }
    }

    /// The gates, for a change of what is live.
    pub(super) fn pass(
        &self,
        cause: Cause,
        (before, after): (&Config, &Config),
        differences: &[Difference],
        force: bool,
    ) -> Result<gates::Passed, LiveError> {
        let mode = if self.pins.is_loaded() { self.mode()? } else { after.guard.mode };
        let before = Some(before);
        Ok(gates::pass(&Trial { cause, differences, before, after, mode, force })?)
    }
}
