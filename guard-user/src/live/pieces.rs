//! What a change leaves behind that is killed in the middle: pins of two generations, of which
//! some interfaces may have the one and some the other. Each is whole; what was live before, or
//! what was written down as live by then, goes on. Or lists of the live generation that were
//! changed by half: what is written down is built anew.

use guard_common::abi::state::switch;

use super::{Live, LiveError};
use crate::config::Config;
use crate::kernel::KernelError;
use crate::store::Record;

impl Live {
    /// Whether more than one generation is pinned, or another than is named live, or lists that may
    /// not be what is written down: while a change is under way, and after one was killed.
    pub fn is_in_pieces(&self) -> Result<bool, KernelError> {
        let switches = self.pins.switches()?;
        let live = switches.get(switch::GENERATION)?;
        Ok(switches.get(switch::CHANGING)? != 0 || self.pins.generations()? != [live])
    }

    /// Whether what is on the interfaces is what is written down.
    pub(super) fn is_whole(&self, record: &Record) -> Result<bool, LiveError> {
        let switches = self.pins.switches()?;
        let named = switches.get(switch::GENERATION)? == record.number;
        Ok(named && switches.get(switch::CHANGING)? == 0 && self.holds_all(record))
    }

    /// Puts together what a killed change left; what was done about it.
    pub fn put_together(&self) -> Result<Vec<String>, LiveError> {
        let lock = self.pins.lock()?;
        if !self.is_in_pieces()? {
            return Ok(Vec::new());
        }
        let record = self.record()?;
        let (log, mut notes) = (record.kernel_log, Vec::new());
        let done = self.go_on(&lock, record, log, &mut notes);
        self.tell("what a killed change left", None, &done);
        done.map(|_| notes)
    }

    /// What a killed change left on the interfaces, in words; `None` if nothing.
    pub(super) fn pieces(&self, record: &Record) -> Result<Option<String>, LiveError> {
        if !self.pins.is_loaded() || self.is_whole(record)? || !self.is_in_pieces()? {
            return Ok(None);
        }
        Ok(Some(format!(
            "a change was killed before it was written down; generation {}, live before it, \
             goes on, built anew",
            record.number
        )))
    }

    /// Removes what is pinned of generations that are not live, and says so.
    pub(super) fn clean(&self, record: &Record, effective: &Config, notes: &mut Vec<String>) {
        if !self.is_in_pieces().unwrap_or(false) {
            return;
        }
        self.store.forget(record);
        notes.push(match self.leave_others(effective, record.number) {
            Ok(()) => "what a killed change had left pinned is removed".to_owned(),
            Err(error) => format!("something old could not be removed: {error}"),
        });
    }
}
