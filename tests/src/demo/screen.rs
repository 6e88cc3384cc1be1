//! How a phase shows itself while it plays: a bar on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::figures::Figures;
use super::report;

/// What lines go to.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    /// What stays on a terminal.
    lines: RefCell<Vec<String>>,
}

/// A phase on the screen.
#[derive(Debug)]
pub struct Show<'a> {
    screen: &'a Screen,
    name: &'static str,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// The terminal, if standard output is one.
    #[must_use]
    pub fn new() -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        Self { terminal, lines: RefCell::default() }
    }

    /// Lines before, between and after phases.
    pub fn say(&self, text: &str) {
        println!("{text}");
        self.lines.borrow_mut().extend(text.split('\n').map(str::to_owned));
    }

    /// All that was said, without what was there only while a phase played.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Announces a phase that takes at most so long.
    #[must_use]
    pub fn begin(&self, name: &'static str, longest: Duration) -> Show<'_> {
        if !self.terminal {
            println!("... {name}");
            return Show { screen: self, name, bar: None };
        }
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(longest), ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{prefix:16} [{bar:20}] {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name);
        Show { screen: self, name, bar: Some(bar) }
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Show<'_> {
    /// Shows how far it is: calls tried and answered, frames a second.
    pub fn update(&self, passed: Duration, heard: (usize, usize), rate: Option<f64>) {
        let Some(bar) = &self.bar else {
            return;
        };
        bar.set_position(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        let (tried, answered) = heard;
        let calls = format!("{tried} calls, {answered} answered");
        bar.set_message(match rate {
            Some(rate) => format!("{calls}, {} frames/s", report::human(rate)),
            None => calls,
        });
    }

    /// Replaces the bar by what came of it.
    pub fn end(self, figures: &Figures) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let (tried, answered, _) = figures.sum();
        let flood = figures
            .flood_rate
            .map_or_else(String::new, |rate| format!(" under {} frames/s", report::human(rate)));
        let line = format!("{:16} {tried} calls, {answered} answered{flood}", self.name);
        self.screen.say(&line);
    }
}
