//! How long changes take: the `guard` binary, asked as an operator asks it, with a daemon at work.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::configuration::Size;
use super::figure::Row;
use crate::guard_process::{Answer, Site, WAN};

/// Milliseconds that verbs take, start and end of the process included.
///
/// # Errors
///
/// A verb does not succeed.
pub fn latencies(rounds: usize) -> Result<Vec<Row>> {
    let site = Site::new();
    let small = configuration(&site, Size::SMALL)?;
    site.configure(&small);
    let daemon = site.start();
    let file = site.file().to_string_lossy().into_owned();
    let mut apply = Stopwatch::new("apply one change, 10 PSAPs and prefixes");
    let mut add = Stopwatch::new("deny add");
    let mut remove = Stopwatch::new("deny remove");
    let mut idle = Stopwatch::new("guard --version (the process alone)");
    let mut first = Stopwatch::new("apply 6,000 PSAPs and 100,000 prefixes");
    let mut change = Stopwatch::new("apply one change to these");
    for round in 0..rounds {
        idle.take(|| site.guard(&["--version"]))?;
        site.configure(&small.replace("'carrier'", &format!("'carrier-{round}'")));
        apply.take(|| site.guard(&["apply", &file]))?;
        let source = format!("192.0.2.{round}");
        add.take(|| site.guard(&["deny", "add", &source, "--reason", "bench"]))?;
        remove.take(|| site.guard(&["deny", "remove", &source]))?;
    }
    let large = configuration(&site, Size::LARGE)?;
    for round in 0..rounds.div_ceil(3) {
        site.configure(&large);
        first.take(|| site.guard(&["apply", &file]))?;
        site.configure(&large.replace("'carrier'", &format!("'carrier-{round}'")));
        change.take(|| site.guard(&["apply", &file]))?;
        site.configure(&small);
        // So many PSAPs at once go only by force.
        succeeded(&site.guard(&["apply", &file, "--force", "--reason", "bench"]))?;
    }
    drop(daemon);
    [idle, add, remove, apply, first, change].into_iter().map(Stopwatch::row).collect()
}

fn configuration(site: &Site, size: Size) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "[guard]\nmode = 'enforce'\ncapacity = 8192\nwatchdog = '60s'")?;
    let (pins, state) = (site.pins(), site.state());
    writeln!(text, "pin-dir = '{}'\nstate-dir = '{}'", pins.display(), state.display())?;
    writeln!(text, "[[interface]]\nname = '{WAN}'\nrole = 'trusted'")?;
    Ok(text + &size.parties()?)
}

/// Times of a verb.
struct Stopwatch {
    name: &'static str,
    rounds: Vec<f64>,
}

impl Stopwatch {
    const fn new(name: &'static str) -> Self {
        Self { name, rounds: Vec::new() }
    }

    fn take(&mut self, verb: impl FnOnce() -> Answer) -> Result<()> {
        let started = Instant::now();
        let answer = verb();
        self.rounds.push(started.elapsed().as_secs_f64() * 1e3);
        succeeded(&answer)
    }

    fn row(self) -> Result<Row> {
        Row::of(self.name, &self.rounds)
    }
}

fn succeeded(answer: &Answer) -> Result<()> {
    ensure!(answer.code == Some(0), "a verb failed: {}", answer.err);
    Ok(())
}
