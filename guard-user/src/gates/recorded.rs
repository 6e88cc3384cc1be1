//! The third gate: the traffic of the last day, replayed through what is live and what would be.

use super::{Cause, Finding, Gate, Severity};
use crate::config::Config;
use crate::recorded::{Side, objections};
use crate::store::Store;

/// What recorded traffic has against a change.
#[must_use]
pub fn check(
    store: &Store,
    before: (&Config, Side<'_>),
    after: (&Config, Side<'_>),
    cause: Cause,
) -> Vec<Finding> {
    // What is built anew is the same, and the way back must not hang on what came since.
    let may_stop = match cause {
        Cause::Apply | Cause::Entry | Cause::Enforce | Cause::Start => true,
        Cause::RollBack => false,
        Cause::Renewal => return Vec::new(),
    };
    let found = objections(store.path(), before, after).into_iter();
    found
        .map(|objection| Finding {
            gate: Gate::Recorded,
            severity: if objection.stops && may_stop {
                Severity::Forceable
            } else {
                Severity::Note
            },
            text: objection.text,
            next: objection.next.to_owned(),
        })
        .collect()
}
