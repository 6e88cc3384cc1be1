//! Bar charts as SVG, for the README.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::figure::{Row, find};
use super::report::Report;
use super::subject::{FLOOR, XDP_FILTER};
use crate::svg::escaped;

const WIDTH: f64 = 760.0;
/// Where bars begin.
const LEFT: f64 = 250.0;
/// Room for the number behind the longest bar.
const RIGHT: f64 = 90.0;
const BAR: f64 = 18.0;
const STEP: f64 = 27.0;
/// Room for the title.
const TOP: f64 = 44.0;
/// Room for the line below.
const BOTTOM: f64 = 34.0;

/// Whose bar it is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Floor,
    Guard,
    Other,
}

impl Whose {
    const fn colour(self) -> &'static str {
        match self {
            Self::Floor => "#9aa5b1",
            Self::Guard => "#0b6e99",
            Self::Other => "#d08b3c",
        }
    }
}

struct Bar {
    label: String,
    value: f64,
    text: String,
    whose: Whose,
}

/// Writes the charts into a folder: what a frame costs, and what comes through a cable.
///
/// # Errors
///
/// A file cannot be written.
pub fn draw(report: &Report, folder: &Path) -> Result<()> {
    let below = &report.machine;
    let cost = bars("Nanoseconds for a frame (less is better)", below, &cost(&report.frames));
    write(&folder.join("bench-cost.svg"), &cost)?;
    if !report.floods.is_empty() {
        let title = "Million frames a second, one core making and dropping them (more is better)";
        write(&folder.join("bench-flood.svg"), &bars(title, below, &floods(&report.floods)))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn cost(rows: &[Row]) -> Vec<Bar> {
    let shown = [
        (FLOOR, "empty XDP program", Whose::Floor),
        (XDP_FILTER, "xdp-filter, drop by address", Whose::Other),
        ("UDP flood", "guard: UDP flood, dropped", Whose::Guard),
        ("UDP flood, IPv6", "guard: the same by IPv6", Whose::Guard),
        ("SYN flood", "guard: SYN flood, dropped", Whose::Guard),
        ("peer's TCP segment", "guard: TCP segment of a peer", Whose::Guard),
        ("peer's RTP", "guard: RTP of a peer", Whose::Guard),
        ("pinned stranger's RTP", "guard: RTP of a stranger's call", Whose::Guard),
        ("peer's INVITE, copied", "guard: INVITE of a peer, copied", Whose::Guard),
        ("stranger's 911, copied", "guard: 911 call of a stranger, copied", Whose::Guard),
        ("transit", "guard: transit", Whose::Guard),
    ];
    let bar = |(name, label, whose): (&str, &str, Whose)| {
        let value = find(rows, name)?.median;
        Some(Bar { label: label.to_owned(), value, text: format!("{value:.0}"), whose })
    };
    shown.into_iter().filter_map(bar).collect()
}

fn floods(rows: &[Row]) -> Vec<Bar> {
    let mut all = Vec::new();
    for sources in ["1 source", "a million sources"] {
        for decider in ["floor", "xdp-filter", "guard", "nftables raw", "nftables ingress"] {
            let name = format!("64-byte UDP, {sources}, 1 core: {decider}");
            let Some(row) = find(rows, &name) else { continue };
            let (value, label) = (row.median / 1e6, format!("{decider}, {sources}"));
            let whose = match decider {
                "floor" => Whose::Floor,
                "guard" => Whose::Guard,
                _ => Whose::Other,
            };
            all.push(Bar { label, value, text: format!("{value:.2}"), whose });
        }
    }
    all
}

/// A chart of horizontal bars.
fn bars(title: &str, below: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + STEP * bars.len() as f64 + BOTTOM;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' \
         font-family='sans-serif' font-size='13' role='img'>\n\
         <title>{title}</title>\n\
         <rect width='{WIDTH}' height='{height}' rx='6' fill='#ffffff'/>\n\
         <text x='14' y='26' font-size='15' font-weight='bold' fill='#1f2933'>{title}</text>\n",
        title = escaped(title),
    );
    let mut top = TOP;
    for Bar { label, value, text, whose } in bars {
        let (length, middle) = (value / longest * (WIDTH - LEFT - RIGHT), top + 14.0);
        let (label, text, colour) = (escaped(label), escaped(text), whose.colour());
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<text x='{}' y='{middle}' text-anchor='end' fill='#1f2933'>{label}</text>\n\
             <rect x='{LEFT}' y='{top}' width='{length:.1}' height='{BAR}' rx='2' fill='{colour}'/>\n\
             <text x='{:.1}' y='{middle}' fill='#1f2933'>{text}</text>\n",
            LEFT - 8.0,
            LEFT + length + 6.0,
        );
        top += STEP;
    }
    let _ = write!(
        svg,
        "<text x='14' y='{}' font-size='11' fill='#52606d'>{}; medians of one run</text>\n</svg>\n",
        height - 12.0,
        escaped(below),
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_as_long_as_there_is_room() {
        let bar = |value| Bar {
            label: "a & b".to_owned(),
            value,
            text: String::new(),
            whose: Whose::Guard,
        };
        let svg = bars("t", "m", &[bar(1.0), bar(2.0)]);
        let room = WIDTH - LEFT - RIGHT;
        assert!(svg.contains(&format!("width='{room:.1}'")), "{svg}");
        assert!(svg.contains(&format!("width='{:.1}'", room / 2.0)), "{svg}");
        assert!(svg.contains("a &amp; b"), "{svg}");
    }
}
