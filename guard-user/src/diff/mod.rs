//! What changes from one configuration to another, in people's words.
//!
//! Pure. Every difference also says which way it goes: whether something that passed or was
//! protected before may be dropped after it ([`Effect::Tightens`]), or the other way round. That
//! is what decides whether the guard may go back by itself. Knows every key of a configuration;
//! a key that is not told here still shows as [`of`]'s last resort.

mod lists;
mod parties;
mod settings;

use serde::Serialize;

use crate::config::{Config, Section, Timestamp};

/// Which way a difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// More may be dropped, or less is protected, than before.
    Tightens,
    /// Less may be dropped, or more is protected, than before.
    Opens,
    /// No frame is treated otherwise.
    Neither,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Section of the configuration.
    pub section: &'static str,
    /// Id, name or source of the entry; empty where the section has no entries.
    pub id: String,
    /// Whether the entry as a whole goes away.
    pub removed: bool,
    /// Which way it goes.
    pub effect: Effect,
    /// What a person reads: one line.
    pub text: String,
}

impl Difference {
    fn new(section: Section, id: &str, effect: Effect, text: String) -> Self {
        Self { section: section.name(), id: id.to_owned(), removed: false, effect, text }
    }
}

/// All differences, in the order of sections. `now` tells entries that have ended.
#[must_use]
pub fn of(before: &Config, after: &Config, now: Timestamp) -> Vec<Difference> {
    let mut found = Vec::new();
    settings::compare(before, after, &mut found);
    parties::compare(before, after, &mut found);
    lists::compare(before, after, now, &mut found);
    settings::compare_limits(before, after, &mut found);
    if found.is_empty() && !before.says_the_same(after) {
        found.push(Difference::new(
            Section::Guard,
            "",
            Effect::Tightens,
            "the same is written in another way or order".to_owned(),
        ));
    }
    found
}

/// Whether going from one configuration to the other may have anything dropped that passes now.
#[must_use]
pub fn tightens(differences: &[Difference]) -> Option<&Difference> {
    differences.iter().find(|difference| difference.effect == Effect::Tightens)
}

/// Differences on one line: the first, and how many more.
#[must_use]
pub fn summary(differences: &[Difference]) -> String {
    match differences {
        [] => "nothing".to_owned(),
        [one] => one.text.clone(),
        [first, rest @ ..] => format!("{}, and {} more", first.text, rest.len()),
    }
}

/// A number with its noun.
fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count if noun.ends_with("ss") => format!("{count} {noun}es"),
        count => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
