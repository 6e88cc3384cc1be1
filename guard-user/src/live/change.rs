//! Live changes: one at a time, in effect when they return, kept for restarts.

use std::time::SystemTime;

use guard_common::abi::state::switch;

use super::next::Next;
use super::{Live, LiveError, Outcome, clock_pair};
use crate::audit::Took;
use crate::config::{Change, Config};
use crate::diff::{self, Difference};
use crate::gates::{self, Cause, Passed};
use crate::kernel::acl::{AclChange, AclMaps};
use crate::kernel::state::Switches;
use crate::policy::{self, Clock, Inputs, PolicyTables};
use crate::store::{Record, Staged};

impl Live {
    /// Makes one live change. It is in effect when this returns, and kept for restarts.
    /// What a person forces passes the gates that a person may overrule.
    pub fn change(
        &self,
        change: &Change,
        why: Option<&str>,
        force: bool,
    ) -> Result<u64, LiveError> {
        let changed = self.try_change(change, why, force);
        let forced = if force { " --force" } else { "" };
        let what = format!("{change}{forced}");
        // An entry of the lists brings a reason of its own.
        self.tell_timed(&what, why.or(change.reason()), &changed, |(_, took)| *took);
        changed.map(|(generation, _)| generation)
    }

    fn try_change(
        &self,
        change: &Change,
        why: Option<&str>,
        force: bool,
    ) -> Result<(u64, Option<Took>), LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let before = record.effective();
        before.with_change(change)?;
        let mut overlay = record.overlay.clone();
        overlay.push(change.clone(), &record.config, SystemTime::now().into());
        let after = record.config.replayed(&overlay);
        let differences = diff::of(&before, &after, SystemTime::now().into());
        let mut passed = self.pass(Cause::Entry, (&before, &after), &differences, force)?;
        // A change that waits to be confirmed takes this one along, whatever becomes of it.
        let made = self.made(&record, &differences, why.or(change.reason()));
        let next = Next { overlay: &overlay, made, ..Next::again(&record, &after) };
        // Only what is on the interfaces, and is what is written down, can be changed in place.
        if change.is_of_lists()
            && self.is_whole(&record)?
            && let Some(took) = self.change_lists(&next, (&before, &differences), &mut passed)?
        {
            return Ok((record.number, Some(took)));
        }
        let outcome = self.swap(&lock, &next, passed)?;
        Ok((outcome.generation, outcome.took))
    }

    /// Builds the same configuration anew, for this host as it is now.
    pub fn refresh(&self) -> Result<u64, LiveError> {
        let refreshed = self.try_refresh();
        let what = "renewal for this host as it is now";
        self.tell_timed(what, None, &refreshed, |outcome| outcome.took);
        refreshed.map(|outcome| outcome.generation)
    }

    fn try_refresh(&self) -> Result<Outcome, LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let effective = record.effective();
        let passed = self.pass(Cause::Renewal, (&effective, &effective), &[], false)?;
        self.swap(&lock, &Next::again(&record, &effective), passed)
    }

    /// Changes allow and deny entries in the live generation and writes that down; how long that
    /// took, `None` if it needs a new one. If it cannot be written down, it is taken back.
    ///
    /// What takes time comes before the last gate: what was let through is in effect at once.
    fn change_lists(
        &self,
        next: &Next<'_>,
        (before, differences): (&Config, &[Difference]),
        passed: &mut Passed,
    ) -> Result<Option<Took>, LiveError> {
        let Some(live) = next.live else {
            return Ok(None);
        };
        let switches = self.pins.switches()?;
        let now = clock_pair();
        let before_tables = self.tables(before, &switches, live, now)?;
        let after = self.tables(next.effective, &switches, live, now)?;
        if AclMaps::needs_generation(&before_tables, &after) {
            return Ok(None);
        }
        let (overlay, made) = (next.overlay.clone(), next.made.clone());
        let record = Record { overlay, made, ..live.clone() };
        let staged = self.store.stage_record(&record)?;
        // Of no use where the gate refuses, and in nobody's way: history ends before what is live.
        self.keep_history(next)?;
        let mut maps = AclMaps::open(&self.pins.generation(record.number))?;
        let (forth, back) =
            (AclChange::new(&before_tables, &after), AclChange::new(&after, &before_tables));
        self.judge_recorded(live, before, (next.effective, &after, &live.interfaces), passed)?;
        let tightens = diff::tightens(differences).is_some();
        passed.judge(|| {
            let what = (&after, next.effective);
            Ok::<_, LiveError>(gates::canary::check_tables(&self.pins, what, live, tightens))
        })?;
        let made = self.write_lists(&mut maps, (&forth, &back), staged, passed);
        self.store.forget(if matches!(made, Ok(Some(_))) { &record } else { live });
        made
    }

    /// Changes the maps and writes that down, or neither; `None` if the maps have no room. Whoever
    /// is killed in between leaves a word of it, and what is written down is built anew.
    fn write_lists(
        &self,
        maps: &mut AclMaps,
        (forth, back): (&AclChange, &AclChange),
        staged: Staged,
        passed: &Passed,
    ) -> Result<Option<Took>, LiveError> {
        let mut switches = self.pins.switches()?;
        switches.set(switch::CHANGING, 1)?;
        let outcome = match maps.change(forth) {
            Ok(()) => {
                let took = passed.took();
                staged.commit().map(|()| Some(took))
            }
            // No room left: the next generation makes more.
            Err(_) => Ok(None),
        };
        if !matches!(outcome, Ok(Some(_))) {
            maps.change(back)?;
        }
        switches.set(switch::CHANGING, 0)?;
        Ok(outcome?)
    }

    /// Tables of a configuration for the state that is loaded.
    pub(crate) fn tables(
        &self,
        config: &Config,
        switches: &Switches,
        record: &Record,
        clock: Clock,
    ) -> Result<PolicyTables, LiveError> {
        let capacity = u32::try_from(switches.get(switch::SLOTS)?).unwrap_or(0);
        let inputs = Inputs {
            slots: &self.store.slots()?,
            capacity,
            interfaces: &record.interfaces,
            host: &record.host,
            clock,
            generation: record.number,
            hash_key: switches.get(switch::HASH_KEY)?,
        };
        Ok(policy::build(config, &inputs)?)
    }
}
