//! What a change takes away: a list of the wrong place, or a half-written one, looks like a
//! removal of many at once (AT&T 2017, an allow-list pushed by an unrelated job).

use super::{Cause, Finding, Gate, Severity, Trial};
use crate::config::{Config, Section};

/// Of so many entries of a kind, one or more at once is a fourth or more.
const SHARE: usize = 4;

pub(super) fn check(trial: &Trial<'_>) -> Vec<Finding> {
    if let Some(found) = everything(trial) {
        return vec![found];
    }
    let (Cause::Apply, Some(before)) = (trial.cause, trial.before) else {
        return Vec::new();
    };
    [
        (Section::Psap, before.psap.len()),
        (Section::Site, before.site.len()),
        (Section::Element, before.element.len()),
        (Section::Peer, before.peer.len()),
    ]
    .into_iter()
    .filter_map(|(section, of)| many(trial, section, of))
    .chain(no_peers(before, trial.after))
    .collect()
}

/// An empty file takes the guard off everywhere at once. That is no configuration, and has a verb.
fn everything(trial: &Trial<'_>) -> Option<Finding> {
    let before = trial.before?;
    (trial.after.is_nothing() && !before.is_nothing()).then(|| Finding {
        severity: Severity::Final,
        ..finding(
            "it names no interface, nobody and nothing: the guard would be off everywhere"
                .to_owned(),
            "see whether it is the right file, and whole; `guard unload` is what takes it away",
        )
    })
}

/// More than one, and a fourth or more of what there is.
fn many(trial: &Trial<'_>, section: Section, of: usize) -> Option<Finding> {
    let name = section.name();
    let gone = trial.differences.iter().filter(|found| found.removed && found.section == name);
    let gone = gone.count();
    if gone < 2 || gone.saturating_mul(SHARE) < of {
        return None;
    }
    Some(finding(
        format!("it removes {gone} of {of} {name} entries at once"),
        "see `guard diff` whether it is the right file, and whole",
    ))
}

fn no_peers(before: &Config, after: &Config) -> Option<Finding> {
    if before.peer.is_empty() || !after.peer.is_empty() {
        return None;
    }
    Some(finding("it leaves no peer at all".to_owned(), "see `guard diff` whether it is whole"))
}

fn finding(text: String, next: &str) -> Finding {
    let (gate, severity) = (Gate::Withdrawal, Severity::Forceable);
    Finding { gate, severity, text, next: next.to_owned() }
}
