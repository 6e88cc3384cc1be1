//! `guard doctor`: what there is about this host that the guard needs, or that makes it slow, blind
//! or deaf, and what to do about it.
//!
//! Nothing is changed, nothing is attached, and nothing has to be there: no root, no
//! configuration, no guard. What cannot be looked at is said to be unknown. One file per
//! topic; each gives [`Finding`]s and knows nothing of the others.

mod clock;
mod interfaces;
mod kernel;
mod places;
mod rights;

use std::path::Path;

use serde::Serialize;

use crate::config::Config;
use crate::live::Live;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// The guard works, but not as well as it could, or not for long.
    Warn,
    /// The guard does not work, or does not guard.
    Fail,
}

impl Mark {
    /// The word in the first column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "?",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub mark: Mark,
    /// What it is about: "kernel", "rights", "interface", "clock", "places", "configuration".
    pub topic: &'static str,
    /// Which of them: a word for scripts, such as "jit" or the name of an interface.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// What to do about it, unless all is well.
    pub next: Option<String>,
}

impl Finding {
    fn ok(topic: &'static str, subject: &str, text: impl Into<String>) -> Self {
        let subject = subject.to_owned();
        Self { mark: Mark::Ok, topic, subject, text: text.into(), next: None }
    }

    fn of(
        mark: Mark,
        topic: &'static str,
        subject: &str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { mark, next: Some(next.into()), ..Self::ok(topic, subject, text) }
    }

    fn warn(
        topic: &'static str,
        subject: &str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::of(Mark::Warn, topic, subject, text, next)
    }

    fn fail(
        topic: &'static str,
        subject: &str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::of(Mark::Fail, topic, subject, text, next)
    }

    fn unknown(
        topic: &'static str,
        subject: &str,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::of(Mark::Unknown, topic, subject, text, next)
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of all marks.
    pub worst: Mark,
    /// The findings, by topic.
    pub findings: Vec<Finding>,
}

/// Looks at everything: this host, the guard of these directories, and a configuration file.
#[must_use]
pub fn examine(live: &Live, file: &Path) -> Report {
    let config = Config::load(file);
    let mut findings = kernel::look(config.as_ref().ok());
    findings.extend(rights::look());
    findings.extend(places::look(live, file, config.as_ref()));
    findings.extend(clock::look());
    findings.extend(interfaces::look(live, config.as_ref().ok()));
    let worst = findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Unknown);
    Report { worst, findings }
}
