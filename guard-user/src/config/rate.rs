//! Rates: `20/s`, `100/m`, `5/h`, `unlimited`.
//!
//! Knows how these are spelled and compared; must not know what is held to one.

use std::fmt;
use std::str::FromStr;

use super::error::Problem;
use super::text::text_type;

const SECOND: u64 = 1_000_000_000;
/// Largest rate: beyond it, the nanoseconds between two frames would round to none.
const FRAMES_MAX: u64 = SECOND;
/// What a rate may be by, in nanoseconds.
const UNITS: [(&str, u64); 3] = [("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND)];

/// Frames per stretch of time, or no limit: `20/s`, `100/m`, `5/h`, `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// No limit.
    Unlimited,
    /// So many frames, at least one, per so many nanoseconds.
    Limit {
        /// Frames.
        frames: u64,
        /// One second, minute or hour, in nanoseconds.
        per: u64,
    },
}

impl Rate {
    pub(super) const fn per_second(frames: u64) -> Self {
        Self::Limit { frames, per: SECOND }
    }

    /// Nanoseconds between frames; 0 without limit.
    pub(super) const fn interval(self) -> u64 {
        match self {
            Self::Unlimited => 0,
            // Parsing admits no 0; as a rate it would be no limit, which errs on the right side.
            Self::Limit { frames, per } => match per.checked_div(frames) {
                Some(interval) => interval,
                None => 0,
            },
        }
    }

    /// Whether fewer frames pass than by another rate.
    #[must_use]
    pub const fn is_below(self, other: Self) -> bool {
        // A longer interval is a lower rate; 0 is no limit at all.
        let (own, other) = (self.interval(), other.interval());
        own > other
    }

    /// The burst where none is written: two seconds' worth, and at least two frames.
    pub(super) const fn usual_burst(self) -> u64 {
        match (2 * SECOND).checked_div(self.interval()) {
            Some(burst) if burst > 2 => burst,
            _ => 2,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Limit { frames, per } => {
                let unit =
                    UNITS.iter().find(|(_, nanos)| nanos == per).map_or("s", |(unit, _)| unit);
                write!(f, "{frames}/{unit}")
            }
        }
    }
}

impl FromStr for Rate {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let wrong = || {
            Problem::new(format!("{text:?} is no rate"), "write such as 20/s, 100/m or unlimited")
        };
        let (frames, unit) = text.split_once('/').ok_or_else(wrong)?;
        let per = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos);
        match (frames.parse::<u64>(), per) {
            (Ok(0), Some(_)) => Err(Problem::new(
                "a rate of 0 would drop everything of this kind",
                "write the lowest rate you can live with, or unlimited for no limit",
            )),
            (Ok(frames), Some(_)) if frames > FRAMES_MAX => Err(Problem::new(
                format!("{text} is more than a clock of nanoseconds can tell apart"),
                "write unlimited",
            )),
            (Ok(frames), Some(per)) => Ok(Self::Limit { frames, per }),
            _ => Err(wrong()),
        }
    }
}

text_type!(Rate);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn absurd_rates_are_errors() {
        let problem = |text: &str| text.parse::<Rate>().unwrap_err();
        assert!(problem("0/s").next.contains("unlimited"));
        assert!(problem("1000000001/s").next.contains("unlimited"));
        for bad in ["", "20", "20/d", "-1/s", "x/s", "Unlimited"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        for good in ["20/s", "100/m", "5/h", "unlimited"] {
            assert_eq!(good.parse::<Rate>().unwrap().to_string(), good);
        }
    }
}
