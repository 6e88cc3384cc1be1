//! The second gate: the canary, through a copy of what is about to go live.

use super::{Cause, Finding, Gate, Severity};
use crate::canary::{Blind, Proof, prove, prove_tables};
use crate::config::Config;
use crate::kernel::pins::PinDir;
use crate::policy::PolicyTables;
use crate::store::Record;

/// Failed frames that are told one by one.
const TOLD: usize = 3;

/// What the canary finds about a generation that is pinned.
pub fn check(pins: &PinDir, record: &Record, effective: &Config, cause: Cause) -> Vec<Finding> {
    findings(prove(pins, record, effective, None), cause)
}

/// What it finds about tables that the live generation is about to have. It stops what `tightens`
/// and nothing else: what opens something may be what helps, if not with all that is wrong.
pub fn check_tables(
    pins: &PinDir,
    (tables, effective): (&PolicyTables, &Config),
    record: &Record,
    tightens: bool,
) -> Vec<Finding> {
    let mut found = findings(prove_tables(pins, tables, record, effective), Cause::Entry);
    if !tightens {
        found.iter_mut().for_each(|finding| finding.severity = Severity::Note);
    }
    found
}

fn findings(proof: Result<Proof, Blind>, cause: Cause) -> Vec<Finding> {
    match proof {
        Ok(proof) => {
            let failures = proof.failures.iter().take(TOLD);
            failures
                .map(|failure| Finding {
                    gate: Gate::Canary,
                    severity: Severity::Final,
                    text: format!("911 would not pass, {} frames failed: {failure}", proof.failed),
                    next: "correct the entries of its two ends; if none is wrong, report this"
                        .to_owned(),
                })
                .collect()
        }
        Err(blind) => vec![Finding {
            gate: Gate::Canary,
            severity: weight(&blind, cause),
            text: format!("nobody knows whether 911 would pass: {}", first_line(&blind)),
            next: "mend that, then `guard canary` proves what is live".to_owned(),
        }],
    }
}

/// What a proof that could not be made weighs: a start, and the way back, must not hang on it.
const fn weight(blind: &Blind, cause: Cause) -> Severity {
    match (blind, cause) {
        (Blind::NoTarget, _) | (_, Cause::Start | Cause::RollBack | Cause::Renewal) => {
            Severity::Note
        }
        (_, Cause::Apply | Cause::Entry) => Severity::Forceable,
        (_, Cause::Enforce) => Severity::Final,
    }
}

fn first_line(blind: &Blind) -> String {
    blind.to_string().lines().next().unwrap_or_default().to_owned()
}
