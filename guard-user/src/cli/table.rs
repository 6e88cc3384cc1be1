//! Tables that fit 80 columns, and numbers that people can read.

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use guard_user::diff::Difference;
use guard_user::gates::Finding;
use guard_user::report::answer;
use serde::Serialize;

/// Widest a table may be.
const WIDTH: u16 = 80;
/// Differences that a verb tells beside what it did.
const LINES: usize = 20;

/// A table with this heading; columns from `numbers_from` on are right-aligned.
pub fn table(heading: &[&str], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(heading);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if number >= numbers_from {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Prints a table without trailing spaces.
pub fn print(table: &Table) {
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// Prints a text behind a label, in lines that fit.
pub fn labelled(label: &str, text: &str) {
    const INDENT: usize = 12;
    let width = usize::from(WIDTH) - INDENT - 1;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let long = |line: &String| line.chars().count() + 1 + word.chars().count() > width;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if !long(line) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        println!("{}", format!("{label:INDENT$} {line}").trim_end());
    }
}

/// Prints JSON, as docs/json.md has it.
pub fn json<T: Serialize>(value: &T) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&answer(value)?)?);
    Ok(())
}

/// Prints JSON on a line of its own.
pub fn json_line<T: Serialize>(value: &T) -> Result<()> {
    println!("{}", answer(value)?);
    Ok(())
}

/// Prints, on standard error, what gates found and let pass.
pub fn findings(findings: &[Finding]) {
    for Finding { text, next, .. } in findings {
        eprintln!("note: {text}\n  {next}");
    }
}

/// Prints differences, at most as many as a screen has lines.
pub fn differences(differences: &[Difference]) {
    for Difference { text, .. } in differences.iter().take(LINES) {
        println!("  {text}");
    }
    if let Some(more @ 1..) = differences.len().checked_sub(LINES) {
        println!("  and {more} more");
    }
}

/// A count with three figures and a unit: 999, 1.25 k, 12.5 M.
pub fn count(number: u64) -> String {
    scaled(number, &["", " k", " M", " G", " T", " P", " E"])
}

/// A rate likewise: 0.25, 12, 1.25 k.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is no number of frames is none"
)]
pub fn rate(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.2}") } else { count(rate as u64) }
}

/// Bytes likewise: 999 B, 1.25 kB.
pub fn bytes(number: u64) -> String {
    scaled(number, &[" B", " kB", " MB", " GB", " TB", " PB", " EB"])
}

fn scaled(number: u64, units: &[&str]) -> String {
    // Whole thousandths of the unit, so that no floating point is needed.
    let mut rest = number;
    let mut fraction = 0;
    for (step, unit) in units.iter().enumerate() {
        if rest < 1000 {
            return match (step, rest) {
                (0, _) => format!("{rest}{unit}"),
                (_, 0..10) => format!("{rest}.{:02}{unit}", fraction / 10),
                (_, 10..100) => format!("{rest}.{}{unit}", fraction / 100),
                _ => format!("{rest}{unit}"),
            };
        }
        fraction = rest % 1000;
        rest /= 1000;
    }
    number.to_string()
}

/// At most `width` characters of a text.
pub fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_figures() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (1259, "1.25 k"),
            (12_599, "12.5 k"),
            (125_999, "125 k"),
            (6_700_000, "6.70 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(bytes(1_500), "1.50 kB");
    }

    #[test]
    fn short_texts_keep_their_letters() {
        assert_eq!(short("Boston", 6), "Boston");
        assert_eq!(short("Boston Police", 6), "Bosto…");
    }
}
