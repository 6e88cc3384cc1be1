//! Values that are written as text: the glue to serde, and the smallest of them.
//!
//! A value is parsed once, by its `FromStr`, and from then on is right by type; TOML, JSON and
//! the command line all come through here and so report the same [`Problem`].

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::error::Problem;

/// Longest id: fits a column of a table and a metric label.
const ID_MAX: usize = 64;

/// Takes a string and parses it.
pub(super) struct TextVisitor<T>(PhantomData<T>);

impl<T> TextVisitor<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: FromStr<Err = Problem>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Gives a type that has `FromStr` and `Display` the same form in TOML and JSON.
macro_rules! text_type {
    ($($type:ty),+ $(,)?) => {
        $(
            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    to.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    from.deserialize_str($crate::config::text::TextVisitor::new())
                }
            }
        )+
    };
}
pub(super) use text_type;

/// The name of an entry: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
///
/// It becomes a metric label, a JSON key and a word on the command line, hence the alphabet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

impl Id {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Id {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let next = "write 1 to 64 of the characters A-Z a-z 0-9 . _ : -";
        if text.is_empty() {
            return Err(Problem::new("the id is empty", next));
        }
        if text.len() > ID_MAX {
            return Err(Problem::new(
                format!("the id {text:?} has {} characters", text.len()),
                next,
            ));
        }
        let stray = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-'));
        match text.chars().find(stray) {
            Some(c) => Err(Problem::new(format!("the id {text:?} contains {c:?}"), next)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// An administrative telephone number. Personal enough to be masked wherever it is printed;
/// serialised in full, because that is how configurations are stored.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(String);

impl Number {
    /// The digits. For places that were asked for them in so many words.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    /// All but the last two digits hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.len().saturating_sub(2);
        write!(f, "{}{}", "*".repeat(hidden), self.0.get(hidden..).unwrap_or_default())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

impl FromStr for Number {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        // E.164 allows 15 digits; three are the shortest numbers anybody dials.
        if (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "this is not a telephone number",
            "write digits only, with country code, such as +16175550100",
        ))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor::new())
    }
}

/// A stretch of time, such as `30s` or `1m 30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Span {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            Problem::new(format!("{text:?} is not a stretch of time"), "write such as 30s or 2m")
        })
    }
}

text_type!(Id, Span);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn ids_are_short_words() {
        for good in ["MA-0001", "a", "10.1.2.3:5060", "x_y"] {
            assert_eq!(good.parse::<Id>().unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in ["", "two words", "ä", "a/b", "a\"b", &long] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_masked_in_print_and_whole_in_storage() {
        let number: Number = "+16175550100".parse().unwrap();
        assert_eq!(format!("{number} {number:?}"), "**********00 Number(**********00)");
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"+16175550100\"");
        for bad in ["", "+", "12", "617-555-0100", "+1234567890123456"] {
            assert!(bad.parse::<Number>().is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_read_and_print() {
        assert_eq!("1m 30s".parse::<Span>().unwrap(), Span(Duration::from_secs(90)));
        assert!("soon".parse::<Span>().is_err());
        assert_eq!(Span(Duration::from_secs(30)).to_string(), "30s");
    }
}
