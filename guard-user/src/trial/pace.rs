//! The clock of a trial: a capture comes in from now on, at its own pace.

use std::time::Duration;

use crate::kernel::clock;

/// Turns time stamps into the data plane's clock, which never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    begin: u64,
    first: Option<Duration>,
    now: u64,
}

impl Pace {
    /// A capture whose first frame comes in now: entries that have ended by now have ended, and
    /// limits and pins see what lies between frames.
    #[must_use]
    pub fn from_now() -> Self {
        Self::from(clock::now())
    }

    /// The same from another moment on, in monotonic nanoseconds.
    #[must_use]
    pub const fn from(begin: u64) -> Self {
        Self { begin, first: None, now: begin }
    }

    /// The moment of a frame. Without a time stamp, or with one that goes back, it comes in right
    /// behind the one before.
    pub fn at(&mut self, stamp: Option<Duration>) -> u64 {
        if let Some(stamp) = stamp {
            let first = *self.first.get_or_insert(stamp);
            let since = u64::try_from(stamp.saturating_sub(first).as_nanos()).unwrap_or(u64::MAX);
            // Short of the end of the clock, which means "for ever".
            self.now = self.now.max(self.begin.saturating_add(since).min(u64::MAX >> 1));
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_keeps_its_pace_and_never_goes_back() {
        let mut pace = Pace::from(1000);
        let stamps = [Some(50), Some(53), None, Some(51), Some(60)];
        let at = stamps.map(|stamp| pace.at(stamp.map(Duration::from_nanos)));
        assert_eq!(at, [1000, 1003, 1003, 1003, 1010]);
        assert_eq!(pace.at(Some(Duration::MAX)), u64::MAX >> 1);
    }
}
