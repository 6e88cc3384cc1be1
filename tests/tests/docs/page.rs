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

/// The words of an output without what differs from run to run: numbers, times and their units.
pub fn loosely(output: &str) -> Vec<&str> {
    let moves = |word: &&str| {
        let word = word.trim_matches(|c: char| ",;:()%".contains(c));
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        let unit = ["ns", "µs", "ms", "s", "m", "h", "k", "M", "B", "kB", "MB"].contains(&word);
        let tag = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        number || unit || tag
    };
    output.split_whitespace().filter(|word| !moves(word)).collect()
}

#[test]
fn a_page_comes_back_as_it_was_and_words_count() {
    let text = "# A\n<!-- run: true -->\n```console\n$ guard status\nGuard  open\n\n$ id\n```\nB\n";
    let page = Page::parse(text);
    assert_eq!(page.to_string(), text);
    let shown = page.steps.iter().filter(|step| matches!(step, Step::Shown { .. })).count();
    assert_eq!(shown, 2);
    assert_eq!(loosely("Canary 1 s ago: 911 passes"), loosely("Canary   23 s ago: 911\npasses"));
    assert_ne!(loosely("guard monitoring"), loosely("guard enforcing"));
}
