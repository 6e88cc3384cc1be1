//! The bypass: one map write, before and without anything else.
//!
//! The word in the kernel says when it ends, so that ending it needs no file and no clock that
//! somebody sets. The note on disk is for people, and for the time after a reboot, when the
//! kernel has forgotten.

use std::time::{Duration, SystemTime};

use guard_common::abi::state::{BYPASS_ENDLESS, switch};

use super::{Live, LiveError};
use crate::config::Timestamp;
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, clock};
use crate::store::BypassNote;

impl Live {
    /// Switches the bypass on, for good or for a while. Whether the note about it could be kept
    /// is told apart.
    pub fn bypass(
        &self,
        reason: &str,
        lasting: Option<Duration>,
    ) -> Result<Result<(), KernelError>, LiveError> {
        let word = lasting.map_or(BYPASS_ENDLESS, end_of);
        // Whatever version the state is of: this word means the same in all of them.
        let what = lasting.map_or_else(
            || "bypass on".to_owned(),
            |lasting| format!("bypass on for {}", humantime::format_duration(lasting)),
        );
        let done = self.begin_bypass(word, reason, lasting);
        self.tell(&what, Some(reason), &done);
        done
    }

    fn begin_bypass(
        &self,
        word: u64,
        reason: &str,
        lasting: Option<Duration>,
    ) -> Result<Result<(), KernelError>, LiveError> {
        let mut switches = self.switch_bypass(word)?;
        // On already, whatever this has to wait for. The daemon may be ending another one at the
        // same moment.
        let _lock = self.pins.lock_bypass();
        if switches.get(switch::BYPASS)? == 0 {
            switches.set(switch::BYPASS, word)?;
        }
        let now = SystemTime::now();
        let until = lasting.and_then(|lasting| now.checked_add(lasting));
        Ok(self.store.set_bypass(Some(&BypassNote {
            since: Timestamp::from(now).to_string(),
            by: self.audit.by(),
            reason: reason.to_owned(),
            until: until.map(|until| Timestamp::from(until).to_string()),
        })))
    }

    /// Switches it off. Whether the note could be removed is told apart.
    pub fn end_bypass(&self) -> Result<Result<(), KernelError>, LiveError> {
        let lock = self.pins.lock_bypass();
        let done = self.switch_bypass(0).map(|_| self.store.set_bypass(None));
        drop(lock);
        self.tell("bypass off", None, &done);
        done
    }

    /// The same for one that is past its end, unless another was begun meanwhile; whether it was
    /// ended. Where somebody else is switching, the next look is soon enough.
    pub fn expire_bypass(&self, word: u64) -> Result<Option<Result<(), KernelError>>, LiveError> {
        let Some(lock) = self.pins.lock_bypass() else { return Ok(None) };
        if self.pins.any_switches()?.get(switch::BYPASS)? != word {
            return Ok(None);
        }
        let done = self.switch_bypass(0).map(|_| self.store.set_bypass(None));
        drop(lock);
        self.tell("bypass off", None, &done);
        done.map(Some)
    }

    fn switch_bypass(&self, word: u64) -> Result<Switches, LiveError> {
        let mut switches = self.pins.any_switches()?;
        switches.set(switch::BYPASS, word)?;
        Ok(switches)
    }

    /// A bypass that was on when the machine went down is on again, for the rest of its time.
    pub(super) fn restore_bypass(&self, switches: &mut Switches) -> Result<(), LiveError> {
        if let Some(note) = self.store.bypass()? {
            let left = remainder(&note, SystemTime::now());
            switches.set(switch::BYPASS, left.map_or(BYPASS_ENDLESS, end_of))?;
        }
        Ok(())
    }
}

/// The word of a bypass that ends after this time.
fn end_of(lasting: Duration) -> u64 {
    let time = u64::try_from(lasting.as_nanos()).unwrap_or(u64::MAX);
    clock::now().saturating_add(time).max(BYPASS_ENDLESS + 1)
}

/// What is left of a bypass by the clock on the wall; `None` if it has no end, or none that can
/// be read. A clock that went back, or was never set, gives it its whole time again and no more.
fn remainder(note: &BypassNote, now: SystemTime) -> Option<Duration> {
    let moment = |text: &str| text.parse().ok().map(Timestamp::seconds);
    let (since, until) = (moment(&note.since)?, moment(note.until.as_deref()?)?);
    let now = Timestamp::from(now).seconds();
    Some(Duration::from_secs(until.saturating_sub(now.max(since))))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// G7: no jump of the wall clock makes a bypass longer than it was meant to be.
    #[test]
    fn a_reboot_with_any_clock_gives_no_more_than_the_whole_time() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let note = BypassNote {
            since: Timestamp::from(at(10_000)).to_string(),
            by: String::new(),
            reason: String::new(),
            until: Some(Timestamp::from(at(10_600)).to_string()),
        };
        for (now, left) in [(0, 600), (9_000, 600), (10_000, 600), (10_500, 100), (99_999, 0)] {
            assert_eq!(remainder(&note, at(now)), Some(Duration::from_secs(left)), "{now}");
        }
        assert_eq!(remainder(&BypassNote { until: None, ..note.clone() }, at(0)), None);
        let broken = BypassNote { until: Some("soon".to_owned()), ..note };
        assert_eq!(remainder(&broken, at(0)), None, "endless: a person ends it");
    }

    #[test]
    fn an_end_is_never_taken_for_endless() {
        assert!(end_of(Duration::ZERO) > BYPASS_ENDLESS);
        assert_eq!(end_of(Duration::MAX), u64::MAX);
    }
}
