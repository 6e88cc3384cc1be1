//! All frames of a capture, counted.

use std::collections::BTreeMap;

use guard_common::class::Class;
use serde::Serialize;

use super::{Changes, FrameLine, Side};
use crate::trial::Difference;

/// Frames of one PSAP and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Id of the PSAP, site or element; `None` for none.
    pub psap: Option<String>,
    /// Class of the reason.
    pub class: &'static str,
    /// Reason.
    pub reason: &'static str,
    /// Frames that pass.
    pub passed: u64,
    /// Frames that are dropped, as if enforcing.
    pub dropped: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Where kernel and memory said otherwise, which must not be.
#[derive(Clone, Debug, Serialize)]
pub struct Disagreement {
    /// The first frame that it may be in.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// What each says.
    pub text: String,
}

/// What ran the frames of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The policy.
    pub policy: String,
    /// Frames that the private copy in the kernel ran, too.
    pub by_kernel: u64,
    /// Why it did not run all, if it did not.
    pub without_kernel: Option<String>,
    /// The program on the interfaces is of another build than the copy.
    pub other_build: bool,
    /// Where kernel and memory said otherwise.
    pub disagreements: Vec<Disagreement>,
}

/// What a capture came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Frames that were read.
    pub frames: u64,
    /// Frames that were judged.
    pub judged: u64,
    /// Of them: frames that are dropped, as if enforcing.
    pub dropped: u64,
    /// Of them: protected ones.
    pub protected: u64,
    /// Frames that left the host they were captured on, and were not judged.
    pub leaving: u64,
    /// Frames whose link type carries no IP that could be found.
    pub no_ip: u64,
    /// Frames of which the capture left out something, which was taken as zero.
    pub cut: u64,
    /// Time stamp of the first frame that has one, RFC 3339.
    pub first: Option<String>,
    /// Of the last.
    pub last: Option<String>,
    /// Frames by the interface they came in by.
    pub interfaces: BTreeMap<String, u64>,
    /// By PSAP, class and reason: drops first, then the most frames.
    pub rows: Vec<Row>,
    /// The policy, and what ran its frames; the second one is the change.
    pub ran: Vec<Ran>,
    /// What a change would make of them.
    pub changes: Option<Changes>,
    #[serde(skip)]
    counts: BTreeMap<(Option<String>, &'static str), Row>,
    #[serde(skip)]
    by_kernel: [u64; 2],
}

impl Summary {
    /// Of no frame yet; `compares` says whether a change is tried, too.
    pub(super) fn new(compares: bool) -> Self {
        Self { changes: compares.then(Changes::default), ..Self::default() }
    }

    pub(super) fn count(&mut self, line: &FrameLine<'_>) {
        self.frames += 1;
        match line.not_judged {
            Some("leaving") => self.leaving += 1,
            Some(_) => self.no_ip += 1,
            None => {}
        }
        self.cut += u64::from(line.left_out != 0);
        if let Some(time) = &line.time {
            self.first.get_or_insert_with(|| time.clone());
            self.last = Some(time.clone());
        }
        if let Some(interface) = line.interface {
            match self.interfaces.get_mut(interface) {
                Some(frames) => *frames += 1,
                None => drop(self.interfaces.insert(interface.to_owned(), 1)),
            }
        }
        if let Some(judged) = &line.judged {
            self.judged += 1;
            self.dropped += u64::from(judged.drops());
            self.protected += u64::from(judged.class == Class::Protected.name());
            let key = (judged.psap.map(str::to_owned), judged.reason);
            let row = self.counts.entry(key).or_insert_with_key(|(psap, reason)| Row {
                psap: psap.clone(),
                class: judged.class,
                reason,
                passed: 0,
                dropped: 0,
                bytes: 0,
            });
            row.passed += u64::from(!judged.drops());
            row.dropped += u64::from(judged.drops());
            row.bytes += u64::try_from(line.bytes).unwrap_or(0);
        }
        for (count, judged) in self.by_kernel.iter_mut().zip([line.judged, line.after]) {
            *count += u64::from(judged.is_some_and(|judged| judged.by_kernel));
        }
        if let Some(changes) = &mut self.changes {
            changes.count(line);
        }
    }

    pub(super) fn close(&mut self, one: Side<'_>, other: Option<Side<'_>>) {
        self.rows = std::mem::take(&mut self.counts).into_values().collect();
        self.rows.sort_by_key(|row| std::cmp::Reverse((row.dropped, row.passed)));
        if let Some(changes) = &mut self.changes {
            changes.close();
        }
        let [first, second] = self.by_kernel;
        self.ran.push(ran(one, first));
        self.ran.extend(other.map(|side| ran(side, second)));
    }

    /// Whether kernel and memory said otherwise anywhere.
    #[must_use]
    pub fn disagrees(&self) -> bool {
        self.ran.iter().any(|ran| !ran.disagreements.is_empty())
    }
}

fn ran(side: Side<'_>, by_kernel: u64) -> Ran {
    let Side { ground, mut trial } = side;
    let disagreements = trial.differences().iter().map(|difference| {
        let Difference { frames: (first, last), text } = difference.clone();
        Disagreement { first, last, text }
    });
    let disagreements = disagreements.collect();
    Ran {
        policy: ground.name.clone(),
        by_kernel,
        without_kernel: trial.without_kernel().map(str::to_owned),
        other_build: trial.other_build().is_some(),
        disagreements,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// No test can have kernel and memory disagree: docs/json.md is held against this.
    #[test]
    fn a_disagreement_is_told_by_names() {
        let told = Disagreement { first: 1, last: 64, text: "x".to_owned() };
        let value = serde_json::to_value(told).ok();
        assert_eq!(value, Some(json!({"first": 1, "last": 64, "text": "x"})));
    }
}
