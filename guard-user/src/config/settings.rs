//! `[guard]`, `[labels]` and `[samples]`: how the guard runs, how marked frames look afterwards, and
//! what is kept of any.
//!
//! Knows spellings and defaults; which combinations make sense is the business of `validate`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::text::Span;

/// What the guard does with frames over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide and count, drop nothing.
    #[default]
    Monitor,
    /// Decide, count and drop.
    Enforce,
}

/// What happens to traffic that is neither for an element nor for this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transit {
    /// Counted and passed.
    #[default]
    Pass,
    /// Limited like traffic to elements.
    Limit,
}

/// What happens to frames over their limit once the controller is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failsafe {
    /// They pass when the watchdog has run out.
    #[default]
    Open,
    /// They are dropped for as long as nobody says otherwise.
    Hold,
}

/// What happens to frames with MPLS labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mpls {
    /// They pass, like everything that is not IP.
    #[default]
    Opaque,
    /// What is behind the labels is held to what an unlabelled frame would be.
    Inside,
}

/// How the daemon writes its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, to the journal where its socket is standard error, else JSON.
    #[default]
    Auto,
    /// Lines for people.
    Human,
    /// A JSON object a line.
    Json,
    /// To the journal, with fields.
    Journald,
}

/// `[guard]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Mode at the first start; later `guard mode` decides.
    pub mode: Mode,
    /// How long the controller may be silent before the data plane opens.
    pub watchdog: Span,
    /// Whether it opens at all.
    pub failsafe: Failsafe,
    /// Stable time before the guard closes again after the watchdog opened it; doubled each time.
    pub close_after: Span,
    /// Group that may read what is pinned and kept, and change nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_group: Option<String>,
    /// Group that may bypass and roll back, through the daemon's socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oncall_group: Option<String>,
    /// Where maps and links are pinned.
    pub pin_dir: PathBuf,
    /// Where the controller keeps what must survive a restart.
    pub state_dir: PathBuf,
    /// What happens to transit.
    pub transit: Transit,
    /// What happens to frames with MPLS labels.
    pub mpls: Mpls,
    /// Counter slots to make room for; absent: see [`crate::policy::slots::capacity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// How the daemon writes its log.
    pub log_format: LogFormat,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Monitor,
            watchdog: Span(Duration::from_secs(30)),
            failsafe: Failsafe::Open,
            close_after: Span(Duration::from_secs(60)),
            read_group: None,
            oncall_group: None,
            pin_dir: PathBuf::from("/sys/fs/bpf/guard"),
            state_dir: PathBuf::from("/var/lib/guard"),
            transit: Transit::Pass,
            mpls: Mpls::Opaque,
            capacity: None,
            log_format: LogFormat::Auto,
        }
    }
}

/// `[labels]`: what tells marked messages of strangers apart, once they have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Labels {
    /// Their mark, for nftables and tc filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// Their priority, for queueing disciplines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}

impl Labels {
    /// Whether anything is to be labelled.
    #[must_use]
    pub const fn are_wanted(self) -> bool {
        self.mark.is_some() || self.priority.is_some()
    }

    /// Refuses values that every other frame has, too.
    pub(super) fn check(self) -> Result<(), (&'static str, Problem)> {
        for (key, value) in [("mark", self.mark), ("priority", self.priority)] {
            if value == Some(0) {
                return Err((
                    key,
                    Problem::new(
                        format!("a {key} of 0 is what every frame has"),
                        format!("write another number, or leave {key} out"),
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// `[samples]`: the headers that are kept of a few frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Samples {
    /// Whether any are.
    pub enabled: bool,
    /// How long they are kept.
    pub keep: Span,
    /// How many frames that are over a limit or denied are shown a second, for each CPU; 0 for
    /// none.
    pub drops: u32,
    /// Whether of those what is behind the headers is kept, too: what people said, and who.
    pub bodies: bool,
}

impl Default for Samples {
    fn default() -> Self {
        Self { enabled: true, keep: Span(Self::KEEP_MAX), drops: 20, bodies: false }
    }
}

impl Samples {
    /// The longest that samples are kept, which are personal data as far as addresses are.
    pub const KEEP_MAX: Duration = Duration::from_secs(24 * 60 * 60);
    /// The shortest: an hour.
    pub const KEEP_MIN: Duration = Duration::from_secs(60 * 60);

    /// The most drops that are shown a second, for each CPU.
    pub const DROPS_MAX: u32 = 1000;

    /// Nanoseconds between two drops that are shown, on a CPU; 0 for none.
    #[must_use]
    pub fn drop_interval(self) -> u64 {
        1_000_000_000_u64.checked_div(u64::from(self.drops)).unwrap_or(0)
    }

    /// Refuses times and rates beyond those.
    pub(super) fn check(self) -> Result<(), (&'static str, Problem)> {
        if self.drops > Self::DROPS_MAX {
            return Err((
                "drops",
                Problem::new(
                    format!("{} drops are shown a second", self.drops),
                    format!("write 0 (none) to {}", Self::DROPS_MAX),
                ),
            ));
        }
        if (Self::KEEP_MIN..=Self::KEEP_MAX).contains(&self.keep.0) {
            return Ok(());
        }
        Err((
            "keep",
            Problem::new(
                format!("samples are kept for {}", self.keep),
                "write 1h to 24h, or enabled = false",
            ),
        ))
    }
}
