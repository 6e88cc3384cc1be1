//! What the demo printed as a picture of a terminal, for the README.
//!
//! SVG with the reader's own monospace font, no scripts and nothing from elsewhere.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::svg::escaped;

/// What was typed to see it.
const COMMAND: &str = "$ cargo xtask demo";
const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, &quot;DejaVu Sans Mono&quot;, \
                    &quot;Liberation Mono&quot;, monospace";
const SIZE: f64 = 13.0;
/// No usual monospace font is wider, in parts of its size.
const ADVANCE: f64 = 0.61;
const LINE: f64 = 18.0;
/// The bar of the window.
const BAR: f64 = 30.0;
const MARGIN: f64 = 16.0;

/// Writes a picture of lines; the last one is what it comes to.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(file: &Path, lines: &[String]) -> Result<()> {
    fs::write(file, draw(lines)).with_context(|| format!("cannot write {}", file.display()))
}

fn draw(lines: &[String]) -> String {
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = (columns as f64 * SIZE * ADVANCE + 2.0 * MARGIN).ceil();
    let height = BAR + LINE * (lines.len() + 1) as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' \
         width='{width}' height='{height}' font-family='{FONT}' font-size='{SIZE}' role='img'>\n\
         <title>{title}</title>\n\
         <rect width='{width}' height='{height}' rx='8' fill='#0d1117'/>\n\
         <circle cx='18' cy='16' r='5' fill='#ff5f57'/>\n\
         <circle cx='36' cy='16' r='5' fill='#febc2e'/>\n\
         <circle cx='54' cy='16' r='5' fill='#28c840'/>\n\
         <g fill='#c9d1d9' xml:space='preserve'>\n",
        title = escaped(COMMAND),
    );
    let mut baseline = BAR + LINE - 4.0;
    let last = lines.len();
    for (number, line) in
        (0..).zip(std::iter::once(COMMAND).chain(lines.iter().map(String::as_str)))
    {
        let look = match line.starts_with("$ ") {
            true => " fill='#79c0ff'",
            false if number == last => " fill='#ffffff' font-weight='bold'",
            false => "",
        };
        if !line.is_empty() {
            // Writing to a string does not fail.
            let text = escaped(line);
            let _ = writeln!(svg, "<text x='{MARGIN}' y='{baseline}'{look}>{text}</text>");
        }
        baseline += LINE;
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_place_and_none_is_a_tag() {
        let lines = ["PSAP   TRIED", "", "<east> & 'west'", "all were answered"];
        let svg = draw(&lines.map(str::to_owned));
        // The command and all lines but the empty one.
        assert_eq!(svg.matches("<text ").count(), 4, "{svg}");
        assert!(svg.contains(">&lt;east&gt; &amp; &#39;west&#39;</text>"), "{svg}");
        assert!(svg.contains(">PSAP   TRIED</text>"), "columns stay: {svg}");
        let last = BAR + LINE * 5.0 - 4.0;
        assert!(svg.contains(&format!("y='{last}' fill='#ffffff'")), "{svg}");
        for elsewhere in ["<script", "href", "url(", "<image"] {
            assert!(!svg.contains(elsewhere), "{elsewhere}");
        }
    }
}
