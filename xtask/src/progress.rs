//! How a step shows itself: a spinner with the elapsed time on a terminal, plain lines
//! with a sign of life every half minute anywhere else. Writes to stderr only.
//!
//! Knows nothing of commands; `run` feeds it.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines of one step: seldom enough for a log, often enough to see a hang.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// One running step.
pub struct Progress {
    name: String,
    started: Instant,
    heard: Instant,
    last: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Announces the step.
    pub fn start(name: &str) -> Self {
        let bar = terminal().then(|| spinner(name));
        if bar.is_none() {
            eprintln!("... {name}");
        }
        let now = Instant::now();
        Self { name: name.to_owned(), started: now, heard: now, last: String::new(), bar }
    }

    /// Shows the latest line the step wrote.
    pub fn note(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        line.clone_into(&mut self.last);
        if let Some(bar) = &self.bar {
            bar.set_message(self.last.clone());
        }
    }

    /// To be called often: writes the sign of life when one is due.
    pub fn tick(&mut self) {
        if self.bar.is_none() && self.heard.elapsed() >= HEARTBEAT {
            self.heard = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            eprintln!("... {}: {seconds} s, {}", self.name, self.last);
        }
    }

    /// Replaces the spinner by the result and the time it took.
    pub fn finish(self, succeeded: bool) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let mark = if succeeded { "ok " } else { "FAILED " };
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{mark} {} ({seconds:.1} s)", self.name);
    }
}

/// Whether a person is watching.
pub fn terminal() -> bool {
    io::stderr().is_terminal()
}

fn spinner(name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(name.to_owned());
    // The template is a constant; were it ever wrong, indicatif's own style will do.
    if let Ok(style) =
        ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.yellow} {wide_msg:.dim}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
