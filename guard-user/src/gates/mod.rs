//! The gates that every change passes before it goes live.
//!
//! In this order: the fail-safe set (`fail_safe`), what a change takes away (`withdrawal`), the
//! traffic of the last day through its tables ([`recorded`]), and the canary through its program
//! and tables ([`canary`]). Each gate only looks; what runs is untouched until all have been passed.
//! Nothing overrides [`Severity::Final`]; [`Severity::Forceable`] a person may, by `--force` with
//! a reason, which the audit log keeps. Rules about a configuration in itself are not here but in
//! `config/validate`: the first gate asks for them. Nothing that opens the guard comes this way.

pub mod canary;
mod fail_safe;
mod operator;
pub mod recorded;
mod withdrawal;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

use crate::audit::Took;
use crate::config::{Config, ConfigError, Mode};
use crate::diff::Difference;

/// Which gate found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The fail-safe set: nothing may be denied or limited that calls or their keepers need.
    FailSafe,
    /// What goes away.
    Withdrawal,
    /// The traffic of the last day.
    Recorded,
    /// The canary.
    Canary,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look, and no reason to stop.
    Note,
    /// The change stops here unless a person forces it and says why.
    Forceable,
    /// The change stops here.
    Final,
}

/// What a gate found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The gate.
    pub gate: Gate,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found, in one line.
    pub text: String,
    /// What to do about it, in one line.
    pub next: String,
}

/// How a change came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A first start, with a configuration that never ran here.
    Start,
    /// A whole configuration, by `guard apply`.
    Apply,
    /// One entry, by a live verb.
    Entry,
    /// `guard mode enforce`.
    Enforce,
    /// Back to a configuration that ran here, by a person or by the daemon.
    RollBack,
    /// The same configuration, built anew: this host changed, or the guard's program.
    Renewal,
}

/// A change that wants to go live.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// How it came in.
    pub cause: Cause,
    /// What it does to the configuration; all of it where nothing is live.
    pub differences: &'a [Difference],
    /// What is live, if anything is.
    pub before: Option<&'a Config>,
    /// What would be.
    pub after: &'a Config,
    /// The mode it would be live in.
    pub mode: Mode,
    /// Whether a person forces it; why, the audit log is told.
    pub force: bool,
}

/// Why a change did not pass.
#[derive(Debug, Error)]
pub enum GateError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A gate refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What a change did not pass for.
#[derive(Debug, Error)]
pub struct Refused {
    /// All findings, the reasons first.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the change is refused; what runs was left alone")?;
        for Finding { text, next, severity, .. } in &self.findings {
            match severity {
                Severity::Note => {}
                Severity::Final => write!(f, "\n  {text}\n  next: {next}")?,
                Severity::Forceable => {
                    write!(f, "\n  {text}\n  next: {next}; or --force with a --reason")?;
                }
            }
        }
        Ok(())
    }
}

/// Says that a change has passed: nothing goes live without one, and only [`pass`] makes one.
#[derive(Debug)]
pub struct Passed {
    /// How the change came in.
    pub cause: Cause,
    force: bool,
    findings: Vec<Finding>,
    /// How long the gates took so far.
    spent: Duration,
    /// When the last one was passed.
    last: Instant,
}

impl Passed {
    /// Nothing has been found yet.
    fn new(cause: Cause, force: bool) -> Self {
        let (findings, spent, last) = (Vec::new(), Duration::ZERO, Instant::now());
        Self { cause, force, findings, spent, last }
    }

    /// Has another gate look, and takes in what it found.
    ///
    /// # Errors
    ///
    /// It stops the change, or could not look.
    pub fn judge<E: From<Refused>>(
        &mut self,
        look: impl FnOnce() -> Result<Vec<Finding>, E>,
    ) -> Result<(), E> {
        let begun = Instant::now();
        let found = look()?;
        self.take(found)?;
        self.last = Instant::now();
        self.spent += self.last.duration_since(begun);
        Ok(())
    }

    fn take(&mut self, mut found: Vec<Finding>) -> Result<(), Refused> {
        let stops = |finding: &Finding| match finding.severity {
            Severity::Note => false,
            Severity::Forceable => !self.force,
            Severity::Final => true,
        };
        if found.iter().any(stops) {
            found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            return Err(Refused { findings: found });
        }
        self.findings.append(&mut found);
        Ok(())
    }

    /// How long the gates took, and what followed them until now, when the change is in effect.
    #[must_use]
    pub fn took(&self) -> Took {
        Took { gates: self.spent, effect: self.last.elapsed() }
    }

    /// What was found and did not stop it.
    #[must_use]
    pub fn findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// Passes a change through the gates that need nothing but the configurations. Those that need
/// its tables, or its program, take the outcome on from here.
///
/// # Errors
///
/// The configuration is wrong for the mode, or a gate refuses it.
pub fn pass(trial: &Trial<'_>) -> Result<Passed, GateError> {
    let mut passed = Passed::new(trial.cause, trial.force);
    passed.judge(|| fail_safe::check(trial))?;
    passed.judge(|| Ok::<_, GateError>(withdrawal::check(trial)))?;
    Ok(passed)
}

#[cfg(test)]
mod tests;
