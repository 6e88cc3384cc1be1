//! Live changes: one at a time, in effect when they return, kept for restarts.

use std::time::SystemTime;

use guard_common::abi::state::{MODE_ENFORCE, switch};

use super::swap::Next;
use super::{Live, LiveError, clock_pair};
use crate::config::{Change, Config, Mode};
use crate::kernel::acl::AclMaps;
use crate::kernel::state::Switches;
use crate::policy::{self, Clock, Inputs, PolicyTables};
use crate::store::Record;

impl Live {
    /// Makes one live change. It is in effect when this returns, and kept for restarts.
    pub fn change(&self, change: &Change) -> Result<u64, LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let before = record.config.with_overlay(&record.overlay)?;
        before.with_change(change)?;
        let mut overlay = record.overlay.clone();
        overlay.push(change.clone(), &record.config, SystemTime::now().into());
        let after = record.config.with_overlay(&overlay)?;
        self.fits_the_mode(&after)?;
        let in_place = matches!(
            change,
            Change::AddAllow(_)
                | Change::RemoveAllow(_)
                | Change::AddDeny(_)
                | Change::RemoveDeny(_)
        );
        // Only what really is on the interfaces can be changed in place.
        if in_place && self.holds_all(&record) {
            let next = Record { overlay: overlay.clone(), ..record.clone() };
            if self.change_lists(&next, &before, &after)? {
                return Ok(record.number);
            }
        }
        let outcome = self.swap(&lock, &Next::of(&record, &overlay, &after))?;
        Ok(outcome.generation)
    }

    /// Builds the same configuration anew, for this host as it is now.
    pub fn refresh(&self) -> Result<u64, LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let effective = record.config.with_overlay(&record.overlay)?;
        let outcome = self.swap(&lock, &Next::of(&record, &record.overlay, &effective))?;
        Ok(outcome.generation)
    }

    /// Refuses a configuration that is not complete enough for the mode that is on.
    pub(super) fn fits_the_mode(&self, config: &Config) -> Result<(), LiveError> {
        if self.pins.switches()?.get(switch::MODE)? == MODE_ENFORCE {
            config.validate_as(Mode::Enforce)?;
        }
        Ok(())
    }

    /// Changes allow and deny entries in the live generation and writes that down; false if it
    /// needs a new one. If it cannot be written down, it is taken back.
    fn change_lists(
        &self,
        next: &Record,
        before: &Config,
        after: &Config,
    ) -> Result<bool, LiveError> {
        let switches = self.pins.switches()?;
        let now = clock_pair();
        let before = self.tables(before, &switches, next, now)?;
        let after = self.tables(after, &switches, next, now)?;
        if AclMaps::needs_generation(&before, &after) {
            return Ok(false);
        }
        let staged = self.store.stage_record(next)?;
        let mut maps = AclMaps::open(&self.pins.generation(next.number))?;
        if maps.change(&before, &after).is_err() {
            // No room left: the next generation makes more.
            maps.change(&after, &before)?;
            return Ok(false);
        }
        if let Err(error) = staged.commit() {
            maps.change(&after, &before)?;
            return Err(error.into());
        }
        Ok(true)
    }

    /// Tables of a configuration for the state that is loaded.
    fn tables(
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
