//! What is wrong with a configuration, said so that a person can mend it at three in the morning.
//!
//! Every error names the place, the reason and the next step. [`Problem`] is the half that a
//! parser of one value knows; [`At`] names an entry; [`ConfigError`] is the whole, with file and
//! line. Nothing here knows which rules exist.

use std::fmt;

/// Separates reason and next step where an error has to travel through serde as one string.
const NEXT: &str = "\n  next: ";

/// Why a value is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub reason: String,
    /// What to do about it, in one line.
    pub next: String,
}

impl Problem {
    /// A problem from its two halves. Line breaks, which only quoted input can bring, become spaces.
    #[must_use]
    pub fn new(reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self { reason: one_line(reason.into()), next: one_line(next.into()) }
    }

    /// The problem inside a message of serde, `toml` or `serde_json`.
    #[must_use]
    pub(super) fn from_message(message: &str) -> Self {
        if let Some((reason, next)) = message.split_once(NEXT) {
            return Self::new(reason, next);
        }
        if let Some((reason, wanted)) = message.split_once(", expected ") {
            return Self::new(
                reason.replace("unknown field", "unknown key"),
                format!("write {wanted}"),
            );
        }
        if let Some(key) = message.strip_prefix("missing field ") {
            return Self::new(
                format!("the key {key} is missing"),
                format!("add {key} to this entry; docs/guard.example.toml shows one"),
            );
        }
        Self::new(message, "correct this place; docs/guard.example.toml shows every key")
    }
}

fn one_line(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, next } = self;
        write!(f, "{reason}{NEXT}{next}")
    }
}

impl std::error::Error for Problem {}

/// The sections of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `[guard]`.
    Guard,
    /// `[[interface]]`.
    Interface,
    /// `[[psap]]`.
    Psap,
    /// `[[site]]`.
    Site,
    /// `[[element]]`.
    Element,
    /// `[[peer]]`.
    Peer,
    /// `[[support]]`.
    Support,
    /// `[[tunnel]]`.
    Tunnel,
    /// `[[management]]`.
    Management,
    /// `[[neighbour]]`.
    Neighbour,
    /// `[[allow]]`.
    Allow,
    /// `[[deny]]`.
    Deny,
    /// `[limits]`.
    Limits,
    /// `[pins]`.
    Pins,
    /// `[bursts]`.
    Bursts,
    /// `[labels]`.
    Labels,
    /// `[samples]`.
    Samples,
    /// `[gates]`.
    Gates,
    /// `[metrics]`.
    Metrics,
}

impl Section {
    /// Every section that is a list of entries.
    pub(super) const LISTS: [Self; 11] = [
        Self::Interface,
        Self::Psap,
        Self::Site,
        Self::Element,
        Self::Peer,
        Self::Support,
        Self::Tunnel,
        Self::Management,
        Self::Neighbour,
        Self::Allow,
        Self::Deny,
    ];

    /// The word in the file, in errors and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Interface => "interface",
            Self::Psap => "psap",
            Self::Site => "site",
            Self::Element => "element",
            Self::Peer => "peer",
            Self::Support => "support",
            Self::Tunnel => "tunnel",
            Self::Management => "management",
            Self::Neighbour => "neighbour",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Limits => "limits",
            Self::Pins => "pins",
            Self::Bursts => "bursts",
            Self::Labels => "labels",
            Self::Samples => "samples",
            Self::Gates => "gates",
            Self::Metrics => "metrics",
        }
    }
}

/// Where an entry came from: its number in its section of the file, or a live change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub(super) u32);

impl Place {
    /// Made by a live change: no line of the file holds it.
    pub const LIVE: Self = Self(0);

    /// The entry's number in its section, from 0; `None` for a live change.
    pub(super) fn number(self) -> Option<usize> {
        self.0.checked_sub(1).and_then(|number| usize::try_from(number).ok())
    }
}

/// Names an entry and the key in it that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<'a> {
    /// Section of the entry.
    pub section: Section,
    /// Where the entry stands.
    pub place: Place,
    /// Its id, name or source; empty where the section has no entries.
    pub id: &'a str,
    /// The key; empty for the entry as a whole.
    pub key: &'static str,
}

impl<'a> At<'a> {
    /// An entry as a whole.
    #[must_use]
    pub const fn new(section: Section, place: Place, id: &'a str) -> Self {
        let key = "";
        Self { section, place, id, key }
    }

    /// The same entry, at this key.
    #[must_use]
    pub const fn key(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// An error at this entry; file and line come later.
    pub(super) fn fault(self, reason: impl Into<String>, next: impl Into<String>) -> Fault {
        let Self { section, place, id, key } = self;
        let id = id.to_owned();
        Fault { section, place, id, key, problem: Problem::new(reason, next) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.is_empty() {
            write!(f, "[{}]", self.section.name())
        } else {
            write!(f, "{} {:?}", self.section.name(), self.id)
        }
    }
}

/// An error that knows its entry but not yet its line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) section: Section,
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) key: &'static str,
    pub(super) problem: Problem,
}

impl Fault {
    pub(super) fn at(&self) -> At<'_> {
        At { section: self.section, place: self.place, id: &self.id, key: self.key }
    }
}

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// An error of the configuration: place, reason, next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or "live change".
    pub file: String,
    /// Where in the file, if the entry stands in one.
    pub position: Option<Position>,
    /// The entry, such as `psap "MA-0001"`, if the error is about one.
    pub entry: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub next: String,
}

impl ConfigError {
    /// An error that validation should have found, or that the guard itself made.
    pub(crate) fn internal(problem: Problem) -> Self {
        Self::file("configuration", problem)
    }

    /// An error about a file as a whole.
    pub(crate) fn file(file: impl Into<String>, problem: Problem) -> Self {
        let Problem { reason, next } = problem;
        Self { file: file.into(), position: None, entry: None, reason, next }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(entry) = &self.entry {
            write!(f, ": {entry}")?;
        }
        write!(f, ":\n  {}{NEXT}{}", self.reason, self.next)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_the_way_through_one_string() {
        let problem = Problem::new("port 0 does not exist", "write 1 to 65535");
        assert_eq!(Problem::from_message(&problem.to_string()), problem);
    }

    #[test]
    fn messages_of_serde_get_a_next_step() {
        let problem = Problem::from_message("unknown field `sevices`, expected `services`");
        assert_eq!(problem.reason, "unknown key `sevices`");
        assert_eq!(problem.next, "write `services`");
        assert!(Problem::from_message("missing field `id`").next.starts_with("add `id`"));
        assert!(!Problem::from_message("anything").next.is_empty());
    }

    #[test]
    fn an_error_has_three_lines_whatever_the_input_was() {
        let error = ConfigError {
            position: Some(Position { line: 12, column: 3 }),
            entry: Some("psap \"MA-0001\"".to_owned()),
            ..ConfigError::file("guard.toml", Problem::new("a\nb", "c\r\nd"))
        };
        let text = error.to_string();
        assert_eq!(text, "guard.toml:12:3: psap \"MA-0001\":\n  a b\n  next: c  d");
    }
}
