//! Finds the line of an entry, once there is an error to report about it.
//!
//! The types of the configuration carry no spans: this parses the text a second time, and only
//! after something was wrong. Knows TOML and JSON as text; must not know what any key means.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{At, ConfigError, Position, Problem, Section};

/// What a file is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// TOML, the usual one.
    #[default]
    Toml,
    /// JSON with the same keys.
    Json,
}

/// Line and column of a byte offset.
fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
    }
}

/// Where an entry, or a key in it, stands in the text.
pub(super) fn of_entry(text: &str, format: Format, at: At<'_>) -> Option<Position> {
    match format {
        Format::Toml => toml_entry(text, at),
        Format::Json => json_entry(text, at),
    }
}

/// Where a key of a section without entries is written, if it is; what a JSON file says has no
/// place there.
pub(super) fn of_key(text: &str, format: Format, section: Section, key: &str) -> Option<Position> {
    if format != Format::Toml {
        return None;
    }
    let document = DeTable::parse(text).ok()?;
    let table = document.get_ref().get(section.name())?.get_ref().as_table()?;
    key_offset(table, key).map(|offset| position(text, offset))
}

fn toml_entry(text: &str, at: At<'_>) -> Option<Position> {
    let document = DeTable::parse(text).ok()?;
    let section = document.get_ref().get(at.section.name())?;
    let entry = match section.get_ref() {
        DeValue::Array(entries) => entries.get(at.place.number()?)?,
        _ => section,
    };
    let offset = match (at.key, entry.get_ref().as_table()) {
        ("", _) | (_, None) => None,
        (key, Some(table)) => key_offset(table, key),
    };
    Some(position(text, offset.unwrap_or(entry.span().start)))
}

fn key_offset(table: &DeTable<'_>, wanted: &str) -> Option<usize> {
    let found = table.iter().find(|(key, _)| key.get_ref() == wanted);
    found.map(|(key, _)| key.span().start)
}

/// JSON parsers keep no spans, so this looks for the id as text behind the section's name: right
/// unless the same id occurs earlier in the section as something else.
fn json_entry(text: &str, at: At<'_>) -> Option<Position> {
    at.place.number()?;
    let section = text.find(&format!("\"{}\"", at.section.name()))?;
    let id = text.get(section..)?.find(&format!("{:?}", at.id))?;
    Some(position(text, section + id))
}

/// The error a TOML parser reports, with the entry it fell into.
pub(super) fn toml_error(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let base = ConfigError::file(file, Problem::from_message(error.message()));
    let Some(span) = error.span() else {
        return base;
    };
    ConfigError {
        position: Some(position(text, span.start)),
        entry: toml_entry_name(text, span.start),
        ..base
    }
}

/// The error a JSON parser reports.
pub(super) fn json_error(file: &str, error: &serde_json::Error) -> ConfigError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    ConfigError {
        position: Some(Position { line: error.line(), column: error.column() }),
        ..ConfigError::file(file, Problem::from_message(message))
    }
}

/// Names the entry that an offset of a TOML text lies in: the last one that starts before it.
fn toml_entry_name(text: &str, offset: usize) -> Option<String> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut best: Option<(usize, String)> = None;
    for section in Section::LISTS {
        let Some(entries) = document.get_ref().get(section.name()) else {
            continue;
        };
        let Some(entries) = entries.get_ref().as_array() else {
            continue;
        };
        for (number, entry) in entries.iter().enumerate() {
            let start = entry.span().start;
            if start <= offset && best.as_ref().is_none_or(|(best, _)| start > *best) {
                best = Some((start, entry_name(section, number, entry)));
            }
        }
    }
    // A table such as [guard] that starts later is what the offset really lies in.
    let later = document.get_ref().iter().any(|(key, value)| {
        let start = if value.get_ref().is_table() { key.span().start } else { 0 };
        start <= offset && best.as_ref().is_some_and(|(best, _)| start > *best)
    });
    best.filter(|_| !later).map(|(_, name)| name)
}

fn entry_name(section: Section, number: usize, entry: &Spanned<DeValue<'_>>) -> String {
    let id = ["id", "name", "source"]
        .into_iter()
        .find_map(|key| entry.get_ref().as_table()?.get(key)?.get_ref().as_str());
    match id {
        Some(id) => format!("{} {id:?}", section.name()),
        None => format!("{} number {}", section.name(), number + 1),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::error::Place;
    use super::*;

    const TEXT: &str = "[guard]\nmode = 'monitor'\n\n[[psap]]\nid = 'A'\n\n[[peer]]\nid = 'P'\n\
                        [[psap]]\nid = 'B'\nservices = []\n\n[limits]\nx = 1\n";

    fn at(section: Section, place: u32, key: &'static str) -> At<'static> {
        At { section, place: Place(place), id: "B", key }
    }

    #[test]
    fn entries_and_keys_have_lines() {
        let line = |at| toml_entry(TEXT, at).unwrap().line;
        assert_eq!(line(at(Section::Psap, 1, "")), 4);
        assert_eq!(line(at(Section::Psap, 2, "")), 9);
        assert_eq!(line(at(Section::Psap, 2, "services")), 11);
        assert_eq!(line(at(Section::Psap, 2, "media")), 9);
        assert_eq!(line(at(Section::Guard, 0, "mode")), 2);
        assert_eq!(toml_entry(TEXT, at(Section::Psap, 0, "")), None);
        let key = |key| of_key(TEXT, Format::Toml, Section::Limits, key).map(|place| place.line);
        assert_eq!((key("x"), key("y")), (Some(14), None));
    }

    #[test]
    fn offsets_name_their_entry() {
        let name = |needle| toml_entry_name(TEXT, TEXT.find(needle).unwrap());
        assert_eq!(name("services"), Some("psap \"B\"".to_owned()));
        assert_eq!(name("'P'"), Some("peer \"P\"".to_owned()));
        assert_eq!(name("mode"), None);
        assert_eq!(name("x = 1"), None);
    }

    #[test]
    fn json_entries_have_lines() {
        let text = "{\"peer\": [],\n \"psap\": [{\"id\": \"A\"},\n {\"id\": \"B\"}]}";
        assert_eq!(json_entry(text, at(Section::Psap, 2, "")).unwrap().line, 3);
    }
}
