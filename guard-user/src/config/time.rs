//! When an entry ends: a point in time, written as RFC 3339 in quotes or as a TOML date.
//!
//! Knows the calendar; must not know the clock of the data plane.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};
use toml::value::{Datetime, Offset};

use super::error::Problem;

/// A point in time, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Seconds since 1970, UTC.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// The last second of the year 9999: later ones cannot be written in RFC 3339.
const LAST: u64 = 253_402_300_799;

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        Self(seconds.min(LAST))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH.checked_add(Duration::from_secs(time.0)).unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds((*self).into()).fmt(f)
    }
}

fn problem(text: &str) -> Problem {
    Problem::new(
        format!("{text} is no point in time"),
        "write date, time and offset such as 2026-11-30T12:00:00-05:00 or 2026-11-30T17:00:00Z",
    )
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, "days_from_civil").
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl TryFrom<Datetime> for Timestamp {
    type Error = Problem;

    fn try_from(value: Datetime) -> Result<Self, Problem> {
        let fail = || problem(&value.to_string());
        let (Some(date), Some(time), Some(offset)) = (value.date, value.time, value.offset) else {
            return Err(fail());
        };
        let minutes = match offset {
            Offset::Z => 0,
            Offset::Custom { minutes } => i64::from(minutes),
        };
        let days = days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
        let of_day =
            i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second);
        match u64::try_from(days * 86_400 + of_day - minutes * 60) {
            Ok(seconds) if seconds <= LAST => Ok(Self(seconds)),
            _ => Err(fail()),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        text.parse::<Datetime>().map_err(|_| problem(&format!("{text:?}")))?.try_into()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

struct TimestampVisitor;

impl<'de> Visitor<'de> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a point in time such as 2026-11-30T17:00:00Z")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }

    // The toml crate hands its own dates over as a map of one entry.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Timestamp, A::Error> {
        let value = Datetime::deserialize(MapAccessDeserializer::new(map))?;
        value.try_into().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TimestampVisitor)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[derive(Deserialize)]
    struct Holder {
        at: Timestamp,
    }

    #[test]
    fn quoted_and_bare_dates_are_the_same() {
        let quoted: Holder = toml::from_str("at = \"2024-06-18T13:15:00-04:00\"").unwrap();
        let bare: Holder = toml::from_str("at = 2024-06-18T17:15:00Z").unwrap();
        assert_eq!(quoted.at, bare.at);
        assert_eq!(quoted.at.seconds(), 1_718_730_900);
        assert_eq!(quoted.at.to_string(), "2024-06-18T17:15:00Z");
    }

    #[test]
    fn a_time_needs_its_offset() {
        for bad in ["2024-06-18", "2024-06-18T13:15:00", "tomorrow", "1969-12-31T23:59:59Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        assert!(toml::from_str::<Holder>("at = 2024-06-18").is_err());
        assert!(toml::from_str::<Holder>("at = 5").is_err());
    }

    proptest! {
        #[test]
        fn every_second_reads_back(seconds in 0u64..200_000_000_000) {
            let time = Timestamp(seconds);
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }
}
