//! `[limits.<kind>]`: how much of each kind of traffic a source and a PSAP may get.
//!
//! Knows the defaults and turns rates into the arithmetic of the limiter; must not
//! know what belongs to a kind. Emergency traffic is no kind: it has no limit to configure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use guard_common::abi::policy::LimitSpec;
use guard_common::class::Kind;
use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::rate::Rate;
use super::text::{Span, text_type};

/// Least tolerance of a limit: the data plane's clock stands still for up to this long (a tick of
/// a 100 Hz kernel), and frames that come in between must not look like a burst.
const CLOCK_STEP: u64 = 10_000_000;

/// Largest burst: with the longest interval (an hour) its tolerance still fits 64 bits.
const BURST_MAX: u64 = 1_000_000;

/// The key of a `[limits.<kind>]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindName(pub Kind);

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for KindName {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.map(Self).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            let next = format!("write one of {}", names.join(", "));
            Problem::new(format!("unknown kind of traffic {text:?}"), next)
        })
    }
}

text_type!(KindName);

/// What is written about one kind; what is not keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitEntry {
    /// Rate of one source (IPv4 address, IPv6 /64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_source: Option<Rate>,
    /// Frames at once from one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_source_burst: Option<u64>,
    /// Rate of all strangers together towards one PSAP or site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_psap: Option<Rate>,
    /// Frames at once from all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_psap_burst: Option<u64>,
}

/// `[limits]`: what is written, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(pub BTreeMap<KindName, LimitEntry>);

/// A rate and the frames it forgives at once.
pub type Limit = (Rate, u64);

/// Defaults: far above what a person causes, far below what hurts a SIP server.
const fn defaults(kind: Kind) -> (Limit, Limit) {
    let (source, source_burst, psap, psap_burst) = match kind {
        Kind::Sip => (20, 60, 500, 1000),
        Kind::Syn => (20, 40, 1000, 2000),
        Kind::Tcp | Kind::Connected | Kind::Pinned => (2000, 4000, 20_000, 40_000),
        Kind::Udp | Kind::PinnedOther => (200, 400, 5000, 10_000),
        Kind::Amplification | Kind::Invalid => (10, 20, 100, 200),
        Kind::IcmpEcho => (10, 20, 200, 400),
        // A receiver keeps what belongs to nothing for 30 s, and has room for some 800 datagrams
        // (Linux: 4 MiB): with more than this, calls in fragments would find none.
        Kind::Fragment => (10, 20, 15, 30),
        Kind::Tunnel | Kind::OtherIp => (50, 100, 500, 1000),
        Kind::Control => (200, 400, 2000, 4000),
    };
    ((Rate::per_second(source), source_burst), (Rate::per_second(psap), psap_burst))
}

/// `[pins]`: what may be sent to what an element opened for a stranger. What is not written keeps
/// its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pins {
    /// By the stranger it was opened for; no call comes near the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowance: Option<Rate>,
    /// Frames at once from that stranger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowance_burst: Option<u64>,
    /// By everybody else together, to one port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<Rate>,
    /// Frames at once from all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_burst: Option<u64>,
    /// How long media to an element is open for everybody when the guard may have missed what was
    /// negotiated: after its start, and after a lost copy of a configured party's signalling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for: Option<Span>,
}

impl Pins {
    /// A call that is being set up has media by then, which keeps its own way open from there.
    const OPEN_FOR: Duration = Duration::from_secs(60);
    const OPEN_MIN: Duration = Duration::from_secs(1);
    const OPEN_MAX: Duration = Duration::from_secs(3600);

    const ALLOWANCE: Limit = (Rate::per_second(2000), 4000);
    const OTHERS: Limit = (Rate::per_second(500), 1000);

    /// As the data plane reads them: allowance, others.
    #[must_use]
    pub fn specs(&self) -> (LimitSpec, LimitSpec) {
        let (allowance, others) = self.limits();
        (spec(allowance), spec(others))
    }

    /// What holds, written or not: allowance, others.
    #[must_use]
    pub fn limits(&self) -> (Limit, Limit) {
        let Self { allowance, allowance_burst, others, others_burst, open_for: _ } = *self;
        (
            merged(allowance, allowance_burst, Self::ALLOWANCE),
            merged(others, others_burst, Self::OTHERS),
        )
    }

    /// How long media is open.
    #[must_use]
    pub fn open_span(&self) -> Span {
        self.open_for.unwrap_or(Span(Self::OPEN_FOR))
    }

    /// The same in nanoseconds.
    #[must_use]
    pub fn open_for(&self) -> u64 {
        u64::try_from(self.open_span().0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The first setting that makes no sense.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(span) = self.open_for
            && !(Self::OPEN_MIN..=Self::OPEN_MAX).contains(&span.0)
        {
            return Err(Problem::new(
                format!("open-for = {span} is out of range"),
                "write 1s to 1h; 60s is usual",
            ));
        }
        check_burst("pins", "allowance", self.allowance, self.allowance_burst)?;
        check_burst("pins", "others", self.others, self.others_burst)
    }
}

/// `[bursts]`: from when on marked signalling of strangers is counted as a burst. It passes all
/// the same. What is not written keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bursts(pub LimitEntry);

impl Bursts {
    /// A call has a few marked messages, and an average PSAP five calls in its busiest minute.
    const PER_SOURCE: Limit = (Rate::per_second(10), 20);
    const PER_PSAP: Limit = (Rate::per_second(50), 100);

    /// As the data plane reads them: per source, per PSAP.
    #[must_use]
    pub fn specs(&self) -> (LimitSpec, LimitSpec) {
        let (source, psap) = self.limits();
        (spec(source), spec(psap))
    }

    /// What holds, written or not: per source, per PSAP.
    #[must_use]
    pub fn limits(&self) -> (Limit, Limit) {
        let LimitEntry { per_source, per_source_burst, per_psap, per_psap_burst } = self.0;
        (
            merged(per_source, per_source_burst, Self::PER_SOURCE),
            merged(per_psap, per_psap_burst, Self::PER_PSAP),
        )
    }

    /// The first setting that makes no sense.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let LimitEntry { per_source, per_source_burst, per_psap, per_psap_burst } = self.0;
        check_burst("bursts", "per-source", per_source, per_source_burst)?;
        check_burst("bursts", "per-psap", per_psap, per_psap_burst)
    }
}

/// What is written, over the default: a rate without a burst brings its usual one.
fn merged(rate: Option<Rate>, burst: Option<u64>, default: Limit) -> Limit {
    match (rate, burst) {
        (None, burst) => (default.0, burst.unwrap_or(default.1)),
        (Some(rate), burst) => (rate, burst.unwrap_or_else(|| rate.usual_burst())),
    }
}

fn spec((rate, burst): Limit) -> LimitSpec {
    match rate.interval() {
        0 => LimitSpec::default(),
        interval => {
            let ahead = burst.saturating_sub(1).saturating_mul(interval);
            LimitSpec { interval, tolerance: ahead.max(CLOCK_STEP) }
        }
    }
}

impl Limits {
    /// What holds for a kind, written or not: per source, per PSAP.
    #[must_use]
    pub fn of(&self, kind: Kind) -> (Limit, Limit) {
        let entry = self.0.get(&KindName(kind)).copied().unwrap_or_default();
        let LimitEntry { per_source, per_source_burst, per_psap, per_psap_burst } = entry;
        let (source, psap) = defaults(kind);
        (merged(per_source, per_source_burst, source), merged(per_psap, per_psap_burst, psap))
    }

    /// The limits of a kind as the data plane reads them: per source, per PSAP.
    #[must_use]
    pub fn specs(&self, kind: Kind) -> (LimitSpec, LimitSpec) {
        let (source, psap) = self.of(kind);
        (spec(source), spec(psap))
    }

    /// The first limit that makes no sense.
    pub(super) fn check(&self) -> Result<(), Problem> {
        for (kind, entry) in &self.0 {
            for (name, rate, burst) in [
                ("per-source", entry.per_source, entry.per_source_burst),
                ("per-psap", entry.per_psap, entry.per_psap_burst),
            ] {
                check_burst(kind.0.name(), name, rate, burst)?;
            }
            let (source, psap) = self.of(kind.0);
            if source.0 != Rate::Unlimited && psap.0.is_below(source.0) {
                return Err(Problem::new(
                    format!("{kind}: per-psap {} is below per-source {}", psap.0, source.0),
                    "raise per-psap: else one source alone uses up what all of them share",
                ));
            }
        }
        Ok(())
    }
}

fn check_burst(
    kind: &str,
    name: &str,
    rate: Option<Rate>,
    burst: Option<u64>,
) -> Result<(), Problem> {
    match (rate, burst) {
        (_, Some(0)) => Err(Problem::new(
            format!("{kind}: {name}-burst = 0 would drop everything of this kind"),
            format!("write 1 or more, or {name} = \"unlimited\""),
        )),
        (_, Some(burst)) if burst > BURST_MAX => Err(Problem::new(
            format!("{kind}: {name}-burst = {burst} is more than {BURST_MAX}"),
            format!("write less, or {name} = \"unlimited\""),
        )),
        (Some(Rate::Unlimited), Some(_)) => Err(Problem::new(
            format!("{kind}: {name}-burst says nothing where {name} is unlimited"),
            format!("remove {name}-burst"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn limits(text: &str) -> Limits {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let (source, psap) = Limits::default().specs(Kind::Sip);
        assert_eq!(source, LimitSpec { interval: 50_000_000, tolerance: 59 * 50_000_000 });
        assert_eq!(psap, LimitSpec { interval: 2_000_000, tolerance: 999 * 2_000_000 });
        for kind in Kind::ALL {
            let (source, psap) = Limits::default().specs(kind);
            assert!(source.interval > psap.interval && psap.interval > 0, "{kind:?}");
            assert!(source.tolerance >= CLOCK_STEP && psap.tolerance >= CLOCK_STEP);
        }
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn what_is_written_replaces_only_itself() {
        let limits = limits(
            "[sip]\nper-source = '100/m'\n[syn]\nper-psap-burst = 1\n[udp]\nper-source = 'unlimited'",
        );
        let (source, psap) = limits.specs(Kind::Sip);
        assert_eq!(source, LimitSpec { interval: 600_000_000, tolerance: 2 * 600_000_000 });
        assert_eq!(psap, Limits::default().specs(Kind::Sip).1);
        // The tolerance never falls below a step of the clock.
        assert_eq!(limits.specs(Kind::Syn).1.tolerance, CLOCK_STEP);
        assert_eq!(limits.specs(Kind::Udp).0, LimitSpec::default());
        assert_eq!(limits.check(), Ok(()));
    }

    #[test]
    fn absurd_combinations_are_errors() {
        for (text, reason) in [
            ("[sip]\nper-psap = '5/s'", "below per-source"),
            ("[sip]\nper-source-burst = 0", "drop everything"),
            ("[sip]\nper-psap-burst = 1000001", "more than"),
            ("[sip]\nper-psap = 'unlimited'\nper-psap-burst = 5", "says nothing"),
        ] {
            let problem = limits(text).check().unwrap_err();
            assert!(problem.reason.contains(reason), "{}", problem.reason);
        }
        assert!(toml::from_str::<Limits>("[emergency]\nper-source = '1/s'").is_err());
    }
}
