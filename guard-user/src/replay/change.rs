//! What would become of a capture's frames after a change, against what becomes of them now.

use std::collections::BTreeMap;

use guard_common::class::Class;
use guard_common::verdict::Verdict;
use serde::Serialize;

use super::{FrameLine, Judgement};
use crate::report::Parties;

/// Frames that are told one by one.
const FIRST_MAX: usize = 20;

/// Frames of one PSAP that fare otherwise, in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Id of the PSAP, site or element; `None` for none.
    pub psap: Option<String>,
    /// Verdict before.
    pub verdict: &'static str,
    /// Reason before.
    pub reason: &'static str,
    /// Verdict after.
    pub verdict_after: &'static str,
    /// Reason after.
    pub reason_after: &'static str,
    /// How many frames.
    pub frames: u64,
    /// The first of them.
    pub first: u64,
    /// Who speaks to whom in that.
    pub example: Parties,
}

/// All differences that a change makes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Changes {
    /// Frames that pass and would be dropped.
    pub would_drop: u64,
    /// Of them: protected ones.
    pub would_drop_protected: u64,
    /// Frames that are dropped and would pass.
    pub would_pass: u64,
    /// Frames that fare alike for another reason or another PSAP.
    pub otherwise: u64,
    /// By PSAP and reasons: drops first, then the most frames.
    pub rows: Vec<Change>,
    /// Numbers of the first frames that would be dropped.
    pub first_dropped: Vec<u64>,
    #[serde(skip)]
    counts: BTreeMap<(Option<String>, [&'static str; 4]), Change>,
}

impl Changes {
    /// Whether no frame fares otherwise.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.would_drop == 0 && self.would_pass == 0 && self.otherwise == 0
    }

    pub(super) fn count(&mut self, line: &FrameLine<'_>) {
        // An interface that one of the two does not have: its frames pass unseen.
        let unseen = Judgement {
            verdict: Verdict::Pass.name(),
            class: Class::Other.name(),
            reason: "no_such_interface",
            psap: None,
            by_kernel: false,
        };
        let (before, after) = match (line.judged, line.after) {
            (None, None) => return,
            (before, after) => (before.unwrap_or(unseen), after.unwrap_or(unseen)),
        };
        if (before.verdict, before.reason, before.psap) == (after.verdict, after.reason, after.psap)
        {
            return;
        }
        match (before.drops(), after.drops()) {
            (false, true) => {
                self.would_drop += 1;
                self.would_drop_protected += u64::from(before.class == Class::Protected.name());
                if self.first_dropped.len() < FIRST_MAX {
                    self.first_dropped.push(line.frame);
                }
            }
            (true, false) => self.would_pass += 1,
            _ => self.otherwise += 1,
        }
        let psap = before.psap.or(after.psap).map(str::to_owned);
        let kind = [before.verdict, before.reason, after.verdict, after.reason];
        let [verdict, reason, verdict_after, reason_after] = kind;
        let row = self.counts.entry((psap, kind)).or_insert_with_key(|(psap, _)| Change {
            psap: psap.clone(),
            verdict,
            reason,
            verdict_after,
            reason_after,
            frames: 0,
            first: line.frame,
            example: line.parties,
        });
        row.frames += 1;
    }

    pub(super) fn close(&mut self) {
        self.rows = std::mem::take(&mut self.counts).into_values().collect();
        let drops = |row: &Change| {
            row.verdict != row.verdict_after && row.verdict_after == Verdict::Drop.name()
        };
        self.rows.sort_by_key(|row| (!drops(row), std::cmp::Reverse(row.frames), row.first));
    }
}
