//! What was measured, and what it proves.
//!
//! A call is *tried* when its INVITE left, *answered* when a 200 came back while the caller still
//! waited, both by what was on the wire, and *completed* when sipp went through the whole of it.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Serialize, Serializer};

use super::phase::{Caller, Phase};
use super::stage::Psap;
use crate::sip::ear::Log;
use crate::sip::{Tally, call_ids_end};

/// A phase.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which.
    pub phase: Phase,
    /// Frames a second that the core received from the attacker's side, if it was flooded.
    pub flood_rate: Option<f64>,
    /// One for each caller and PSAP.
    pub callers: Vec<CallerFigures>,
}

/// Calls of one caller to one PSAP.
#[derive(Clone, Debug, Serialize)]
pub struct CallerFigures {
    /// Who called.
    pub caller: Caller,
    /// Whom.
    pub psap: &'static str,
    /// INVITEs sent, retransmissions not counted.
    pub tried: usize,
    /// Answered in time.
    pub answered: usize,
    /// Answered, held and hung up.
    pub completed: u64,
    /// Set-up times of the answered ones.
    pub set_up: Option<SetUp>,
}

/// From INVITE to 200.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SetUp {
    /// Half were faster.
    #[serde(rename = "median_ms", serialize_with = "milliseconds")]
    pub median: Duration,
    /// Of a hundred, ninety-nine were faster.
    #[serde(rename = "p99_ms", serialize_with = "milliseconds")]
    pub p99: Duration,
    /// None was slower.
    #[serde(rename = "max_ms", serialize_with = "milliseconds")]
    pub max: Duration,
}

impl CallerFigures {
    /// What the wire and sipp say of the calls of a caller, whose Call-IDs have its name.
    #[must_use]
    pub fn of(
        caller: Caller,
        psap: &Psap,
        name: &str,
        tally: Tally,
        log: &Log,
        patience: Duration,
    ) -> Self {
        let end = call_ids_end(name);
        let own = log.iter().filter(|(call, _)| call.ends_with(end.as_bytes()));
        let times: Vec<_> = own.map(|(_, heard)| heard.answered_within(patience)).collect();
        let tried = times.len();
        let times: Vec<Duration> = times.into_iter().flatten().collect();
        Self {
            caller,
            psap: psap.id,
            tried,
            answered: times.len(),
            completed: tally.completed,
            set_up: SetUp::of(times),
        }
    }

    /// Whether every call was tried, answered and completed.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        let Self { tried, answered, completed, .. } = self;
        tried == answered && u64::try_from(*tried) == Ok(*completed)
    }
}

impl SetUp {
    /// `None` of no times at all.
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        // The least time that so many per cent of all do not exceed.
        let percentile = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(place).copied()
        };
        Some(Self { median: percentile(50)?, p99: percentile(99)?, max: percentile(100)? })
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1000.0)
}

impl Figures {
    /// Calls tried, answered in time and completed, of all callers.
    #[must_use]
    pub fn sum(&self) -> (usize, usize, u64) {
        self.callers.iter().fold((0, 0, 0), |(tried, answered, completed), caller| {
            (tried + caller.tried, answered + caller.answered, completed + caller.completed)
        })
    }

    /// An error if calls failed in this phase, in which nothing disturbed them: there is no
    /// point in going on.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn require_calm(&self) -> Result<()> {
        if !self.is_perfect() {
            let (tried, answered, completed) = self.sum();
            bail!(
                "of {tried} calls that nothing disturbed, {answered} were answered and \
                 {completed} completed; try again on an idle machine"
            );
        }
        Ok(())
    }

    fn is_perfect(&self) -> bool {
        self.callers.iter().all(CallerFigures::is_perfect)
    }
}

/// What the demo showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Without the guard calls failed, with it none did.
    Protected,
    /// With the guard a call failed.
    CallFailed,
    /// No call failed, but without the guard none did either.
    FloodTooWeak,
}

impl Verdict {
    /// The verdict on all phases.
    ///
    /// # Errors
    ///
    /// Nothing can be concluded: a phase is missing, nobody called, or calls failed when
    /// nothing disturbed them.
    pub fn of(phases: &[Figures]) -> Result<Self> {
        let [quiet, unguarded, guarded] = phases else {
            bail!("of three phases {} were played", phases.len());
        };
        for figures in phases {
            if figures.callers.iter().any(|caller| caller.tried == 0) {
                bail!("in the phase '{}' somebody made no call", figures.phase.name());
            }
        }
        quiet.require_calm()?;
        Ok(if !guarded.is_perfect() {
            Self::CallFailed
        } else if unguarded.is_perfect() {
            Self::FloodTooWeak
        } else {
            Self::Protected
        })
    }

    /// The exit code of the demo.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Protected => 0,
            Self::CallFailed => 1,
            Self::FloodTooWeak => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::demo::stage::EAST;
    use crate::sip::ear::Heard;

    fn figures(phase: Phase, tried: usize, answered: usize) -> Figures {
        let caller = CallerFigures {
            caller: Caller::Carrier,
            psap: EAST.id,
            tried,
            answered,
            completed: answered as u64,
            set_up: None,
        };
        Figures { phase, flood_rate: None, callers: vec![caller] }
    }

    fn verdict(quiet: usize, unguarded: usize, guarded: usize) -> Result<Verdict> {
        Verdict::of(&[
            figures(Phase::Quiet, 10, quiet),
            figures(Phase::Unguarded, 10, unguarded),
            figures(Phase::Guarded, 10, guarded),
        ])
    }

    #[test]
    fn one_failed_call_with_the_guard_is_a_failure() {
        assert_eq!(verdict(10, 3, 10).unwrap(), Verdict::Protected);
        assert_eq!(verdict(10, 3, 9).unwrap(), Verdict::CallFailed);
        assert_eq!(verdict(10, 10, 9).unwrap(), Verdict::CallFailed);
        assert_eq!(verdict(10, 10, 10).unwrap(), Verdict::FloodTooWeak);
        assert!(verdict(9, 3, 10).is_err());
        assert!(Verdict::of(&[]).is_err());
        let silent = [Phase::Quiet, Phase::Unguarded, Phase::Guarded].map(|p| figures(p, 0, 0));
        assert!(Verdict::of(&silent).is_err());
    }

    #[test]
    fn a_call_counts_for_its_caller_and_only_in_time() {
        let second = Duration::from_secs(1);
        let heard = |answered: Option<u32>| Heard {
            invited: second,
            answered: answered.map(|after| second + second * after),
        };
        let log = Log::from([
            (b"1@carrier.example".as_slice().into(), heard(Some(2))),
            (b"2@carrier.example".as_slice().into(), heard(Some(9))),
            (b"3@carrier.example".as_slice().into(), heard(None)),
            (b"1@stranger.example".as_slice().into(), heard(Some(1))),
        ]);
        let tally = Tally { begun: 3, completed: 3, failed: 0 };
        let caller = Caller::Carrier;
        let figures = CallerFigures::of(caller, &EAST, "carrier", tally, &log, second * 4);
        assert_eq!((figures.tried, figures.answered), (3, 1));
        assert_eq!(figures.set_up.unwrap().median, second * 2);
        assert!(!figures.is_perfect());
    }

    #[test]
    fn percentiles_are_measured_values() {
        let times = |count: u64| (1..=count).map(Duration::from_millis).collect();
        let of = |count| SetUp::of(times(count)).map(|s| (s.median, s.p99, s.max));
        let ms = Duration::from_millis;
        assert_eq!(of(0), None);
        assert_eq!(of(1), Some((ms(1), ms(1), ms(1))));
        assert_eq!(of(200), Some((ms(100), ms(198), ms(200))));
    }
}
