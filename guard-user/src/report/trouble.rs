//! What happens now: rates, and who is in trouble, from the last minutes of counters.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::owners::{Asked, DropRow, PsapRow, drops, psaps};
use super::{Totals, rfc3339};
use crate::counted::{self, Mark};
use crate::live::{Live, LiveError};

/// How far back "now" reaches, as far as something was written down.
const NOW: Duration = Duration::from_secs(60);
/// The longest stretch whose mean is still a rate of now.
const NOW_MAX: Duration = Duration::from_secs(300);
/// Rows of who is in trouble, and why.
const ROWS: usize = 5;

/// The last minute or so.
#[derive(Debug, Default, Serialize)]
pub struct Recent {
    /// Since when, RFC 3339; `None` if nothing was written down just before: then it is of all
    /// that was ever counted.
    pub since: Option<String>,
    /// Frames a second since then; `None` if that is not known.
    pub rates: Option<Rates>,
    /// PSAPs, sites and elements for which something was dropped or would have been, worst first;
    /// at most five.
    pub psaps: Vec<PsapRow>,
    /// By owner and reason, worst first; at most five.
    pub drops: Vec<DropRow>,
}

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Seconds they are the mean of.
    pub seconds: f64,
    /// Frames that passed.
    pub passed: f64,
    /// Of them: those that belong to 911 calls, or may.
    pub protected: f64,
    /// Frames that were dropped.
    pub dropped: f64,
    /// Frames that passed, and that enforcing would have dropped.
    pub over_limit: f64,
}

impl Rates {
    /// Of what was counted in so many seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 have no use for their end")]
    pub fn of(totals: &Totals, seconds: f64) -> Self {
        let per_second = |packets: u64| packets as f64 / seconds.max(1e-3);
        Self {
            seconds,
            passed: per_second(totals.passed_packets),
            protected: per_second(totals.protected_packets),
            dropped: per_second(totals.dropped_packets),
            over_limit: per_second(totals.over_limit_packets),
        }
    }
}

/// What happens now.
///
/// # Errors
///
/// If no guard is loaded, or what is live cannot be read.
pub fn recent(live: &Live) -> Result<Recent, LiveError> {
    let moment = SystemTime::now().checked_sub(NOW).unwrap_or(SystemTime::UNIX_EPOCH);
    let mark = counted::before(live, moment)?.filter(|mark| mark.age() < NOW_MAX);
    of(live, mark)
}

fn of(live: &Live, since: Option<Mark>) -> Result<Recent, LiveError> {
    let asked = Asked { since, ..Asked::default() };
    let mut rows = psaps(live, &asked)?;
    let rates = asked.since.as_ref().map(|mark| {
        let mut totals = Totals::default();
        rows.iter().filter(|row| row.shared_with.is_none()).for_each(|row| totals.join(row.totals));
        Rates::of(&totals, mark.age().as_secs_f64())
    });
    rows.retain(|row| row.shared_with.is_none() && row.totals.trouble() != (0, 0));
    rows.truncate(ROWS);
    let mut drops = drops(live, &asked)?;
    drops.truncate(ROWS);
    let since = asked.since.map(|mark| rfc3339(mark.at));
    Ok(Recent { since, rates, psaps: rows, drops })
}
