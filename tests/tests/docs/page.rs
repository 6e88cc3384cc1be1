//! A page of documentation as steps: text, commands with what they print, and commands that the
//! page does not show (`<!-- run: ... -->`).

use std::fmt;

/// Opens a block whose commands are run.
const BLOCK: &str = "```console";

/// A page.
pub struct Page {
    pub steps: Vec<Step>,
}

/// What a page consists of.
pub enum Step {
    /// A line that is not run.
    Text(String),
    /// A command that readers do not see.
    Hidden(String),
    /// A command that they see, and what it prints.
    Shown { line: String, output: String },
}

impl Page {
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            let hidden = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->"));
            if inside && line == "```" || line == BLOCK {
                inside = !inside;
                steps.push(Step::Text(line.to_owned()));
            } else if let (true, Some(line)) = (inside, line.strip_prefix("$ ")) {
                steps.push(Step::Shown { line: line.to_owned(), output: String::new() });
            } else if let (true, Some(Step::Shown { output, .. })) = (inside, steps.last_mut()) {
                output.push_str(line);
                output.push('\n');
            } else if let Some(line) = hidden {
                steps.push(Step::Hidden(line.to_owned()));
            } else {
                steps.push(Step::Text(line.to_owned()));
            }
        }
        Self { steps }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            match step {
                Step::Text(line) => writeln!(f, "{line}")?,
                Step::Hidden(line) => writeln!(f, "<!-- run: {line} -->")?,
                Step::Shown { line, output } => write!(f, "$ {line}\n{output}")?,
            }
        }
        Ok(())
    }
}

/// Units of time behind a number.
const TIMES: [&str; 6] = ["ns", "µs", "ms", "s", "m", "h"];
/// Units of counts and bytes.
const UNITS: [&str; 8] = ["k", "M", "G", "B", "kB", "MB", "GB", "TB"];
/// Behind these, numbers are the same in each run.
const EXACT: [&str; 3] = ["generation", "Generation", "code"];
/// Before these are counts of frames that hosts also send by themselves, and estimates.
const LOOSE: [&str; 2] = ["passed", "over"];

/// The words of an output without what differs from run to run: times, ages, rates, and how many
/// there were. Whether there were any counts; addresses, ports and words do.
pub fn loosely(output: &str) -> Vec<&str> {
    let words: Vec<&str> = output.split_whitespace().collect();
    let trimmed = |at: usize| {
        let word = words.get(at).copied().unwrap_or_default();
        word.trim_matches(|c: char| ",;:()%".contains(c))
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let (number, next) = (trimmed(at), trimmed(at + 1));
        at += 1;
        if is_moment(number) {
            continue;
        }
        if number.strip_suffix("/s").is_some_and(is_number) {
            kept.push("/s");
            continue;
        }
        if !is_number(number) {
            kept.push(if is_tag(number) { "TAG" } else { word });
            continue;
        }
        let before = at.checked_sub(2).map(trimmed).unwrap_or_default();
        // Units go with their numbers.
        if TIMES.contains(&next) || ["k/s", "M/s"].contains(&next) {
            at += 1;
            kept.push(if next.ends_with("/s") { "/s" } else { "TIME" });
        } else {
            at += usize::from(UNITS.contains(&next));
            kept.push(match number {
                number if EXACT.contains(&before) => number,
                _ if LOOSE.contains(&trimmed(at)) => "ANY",
                "0" => "0",
                _ => "SOME",
            });
        }
    }
    kept
}

/// Digits, of which one may be behind a point or more.
fn is_number(word: &str) -> bool {
    let (whole, rest) = word.split_once('.').unwrap_or((word, "0"));
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    digits(whole) && digits(rest)
}

/// A date, with or without a time of day.
fn is_moment(word: &str) -> bool {
    let mut parts = word.splitn(3, '-');
    parts.next().is_some_and(|year| year.len() == 4 && is_number(year))
        && parts.next().is_some_and(|month| month.len() == 2 && is_number(month))
}

/// A hash of a program.
fn is_tag(word: &str) -> bool {
    word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit())
}

#[test]
fn a_page_comes_back_as_it_was_and_words_count() {
    let text = "# A\n<!-- run: true -->\n```console\n$ guard status\nGuard  open\n\n$ id\n```\nB\n";
    let page = Page::parse(text);
    assert_eq!(page.to_string(), text);
    let shown = page.steps.iter().filter(|step| matches!(step, Step::Shown { .. })).count();
    assert_eq!(shown, 2);
}

#[test]
fn what_differs_from_run_to_run_is_let_go_and_nothing_else() {
    for (one, other) in [
        ("Canary 1 s ago: 911 passes", "Canary   23 s ago: 911\npasses"),
        ("Canary 0 s ago", "Canary 3 s ago"),
        ("since 2026-11-21T21:48:39Z by", "since 2027-01-01T00:00:00.123Z by"),
        ("27/s passed (0/s protected)", "1.25 k/s passed (3/s protected)"),
        ("All frames 1 passed", "All frames 0 passed"),
        ("tag 911fe7efc0d6ec3d", "tag 011fe7efc0d6ec3e"),
        ("P-1 340 3.55 kB", "P-1 1.20 k 12 B"),
    ] {
        assert_eq!(loosely(one), loosely(other));
    }
    for (one, other) in [
        ("guard monitoring", "guard enforcing"),
        ("0 failed, 2 warnings", "3 failed, 2 warnings"),
        ("exit code 3", "exit code 4"),
        ("generation 2 is live", "generation 3 is live"),
        ("deny 198.51.100.250 any", "deny 198.51.100.251 any"),
        ("203.0.113.10:5060/udp", "203.0.113.10:5061/udp"),
        ("192.0.2.16/28", "192.0.2.16/29"),
        ("P-1 0 B", "P-1 12 B"),
        ("ends it in 30m", "ends it in 10m"),
        ("90001,Alder Falls", "90002,Alder Falls"),
        ("passes", "passes 911"),
    ] {
        assert_ne!(loosely(one), loosely(other));
    }
}
