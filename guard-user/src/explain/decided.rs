//! What of the configuration a frame's fate goes back to.

use guard_common::abi::party::{KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT};
use guard_common::class::Class;
use guard_common::reason::Reason;
use serde::Serialize;

use super::Facts;
use super::entries::{self, Entry};
use crate::config::{KindName, Section, Transit};
use crate::trial::Ground;

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// An entry such as `psap "MA-0001"`, or a section such as `[limits.sip]`; or, where no line of
    /// the configuration has a say, the rule in words.
    pub by: String,
    /// File and line; `None` where nothing is written or the place is not known.
    pub place: Option<String>,
    /// Nothing is written about it: a default, or a rule of the guard.
    pub built_in: bool,
}

fn rule(text: &str) -> Decided {
    Decided { by: text.to_owned(), place: None, built_in: true }
}

/// What decided about a frame.
pub(super) fn by(ground: &Ground, facts: &Facts) -> Decided {
    let reason = facts.reason;
    match reason.class() {
        Class::Limited(kind) => {
            let is_written = ground.config.limits.0.contains_key(&KindName(kind));
            section(ground, Section::Limits, kind.name(), is_written)
        }
        Class::Denied | Class::Allowed => {
            let listed = entries::listing(ground, facts);
            let word = if reason == Reason::ALLOWED { "allow " } else { "deny " };
            let found =
                listed.into_iter().find(|(entry, holds)| *holds && entry.entry.starts_with(word));
            found.map_or_else(
                || rule("an entry that is no longer configured"),
                |(entry, _)| of(entry),
            )
        }
        Class::Protected | Class::Management => of_an_end(ground, facts),
        Class::Infrastructure | Class::Other => other(ground, facts),
    }
}

fn of(entry: Entry) -> Decided {
    Decided { by: entry.entry, place: entry.place, built_in: false }
}

/// The entry of the end that makes a frame what it is.
fn of_an_end(ground: &Ground, facts: &Facts) -> Decided {
    let [source, destination] = facts.ends;
    let serves = |kind| destination.service != kind && source.service == kind;
    let by_source = match facts.reason {
        Reason::ELEMENT_OUT => true,
        Reason::MANAGEMENT => source.roles & MANAGEMENT != 0,
        Reason::SIGNALLING => serves(KIND_SIP),
        Reason::SUPPORT => serves(KIND_SUPPORT),
        Reason::TUNNEL => serves(KIND_TUNNEL),
        _ => false,
    };
    let (address, port) = match by_source {
        true => (facts.source, facts.source_port),
        false => (facts.destination, facts.destination_port),
    };
    let entries = address.map(|address| entries::naming(ground, address, port, facts.protocol));
    match entries.into_iter().flatten().next() {
        Some(entry) => of(entry),
        None => rule("the address is this host's own"),
    }
}

fn other(ground: &Ground, facts: &Facts) -> Decided {
    match facts.reason {
        Reason::OUT_OF_SCOPE => {
            let is_written = ground.config.guard.transit == Transit::Limit;
            section(ground, Section::Guard, "transit", is_written)
        }
        Reason::NOT_IP => rule("what is no IP keeps the network alive: it always passes"),
        Reason::CONTROL => rule("control traffic that proved where it is from always passes"),
        Reason::UNREADABLE => rule("what cannot be read always passes"),
        _ => rule("without a policy everything passes"),
    }
}

/// A section that has no entries, and a key in it.
fn section(ground: &Ground, section: Section, key: &str, is_written: bool) -> Decided {
    let name = match section {
        Section::Limits => format!("[{}.{key}]", section.name()),
        _ => format!("[{}] {key}", section.name()),
    };
    let place = match ground.placeless {
        Some(_) => None,
        None => ground.config.place_of_key(section, key),
    };
    let is_written = is_written || place.is_some();
    let by = if is_written { name } else { format!("the default of {name}") };
    Decided { by, place, built_in: !is_written }
}
