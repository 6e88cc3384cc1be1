//! How long changes take: the `guard` binary, asked as an operator asks it, with a daemon at work.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::configuration::Size;
use super::figure::Row;
use crate::guard_process::{Answer, Site, WAN};

/// An entry of the lists comes.
pub const DENY_ADD: &str = "deny add";
/// An entry of the lists goes.
pub const DENY_REMOVE: &str = "deny remove";
const APPLY_SMALL: &str = "apply one change, small";
/// From the small configuration to the large one.
pub const APPLY_LARGE: &str = "apply, large";
const APPLY_TO_LARGE: &str = "apply one change, large";

/// The row of what a verb's gates take.
#[must_use]
pub fn gates(verb: &str) -> String {
    format!("{verb}: its gates")
}

/// The row of the time from a verb's last gate until frames are decided by it.
#[must_use]
pub fn effect(verb: &str) -> String {
    format!("{verb}: then in effect")
}

/// Milliseconds that verbs take, start and end of the process included, and of these the gates and
/// what follows them, as the audit log says.
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
    let stopwatch = |name| Stopwatch::new(&site, name);
    let mut idle =
        Stopwatch { is_change: false, ..stopwatch("guard --version (the process alone)") };
    let [mut add, mut remove] = [DENY_ADD, DENY_REMOVE].map(stopwatch);
    let [mut apply, mut first, mut change] =
        [APPLY_SMALL, APPLY_LARGE, APPLY_TO_LARGE].map(stopwatch);
    for round in 0..rounds {
        idle.take(&["--version"])?;
        site.configure(&small.replace("'carrier'", &format!("'carrier-{round}'")));
        apply.take(&["apply", &file])?;
        let source = format!("192.0.2.{round}");
        add.take(&["deny", "add", &source, "--reason", "bench"])?;
        remove.take(&["deny", "remove", &source])?;
    }
    let large = configuration(&site, Size::LARGE)?;
    for round in 0..rounds.div_ceil(2) {
        site.configure(&large);
        first.take(&["apply", &file])?;
        site.configure(&large.replace("'carrier'", &format!("'carrier-{round}'")));
        change.take(&["apply", &file])?;
        site.configure(&small);
        // So many PSAPs at once go only by force.
        succeeded(&site.guard(&["apply", &file, "--force", "--reason", "bench"]))?;
    }
    drop(daemon);
    let all = [idle, add, remove, apply, first, change];
    Ok(all.into_iter().map(Stopwatch::rows).collect::<Result<Vec<_>>>()?.concat())
}

fn configuration(site: &Site, size: Size) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "[guard]\nmode = 'enforce'\ncapacity = 8192\nwatchdog = '60s'")?;
    let (pins, state) = (site.pins(), site.state());
    writeln!(text, "pin-dir = '{}'\nstate-dir = '{}'", pins.display(), state.display())?;
    writeln!(text, "[[interface]]\nname = '{WAN}'\nrole = 'trusted'")?;
    Ok(text + &size.parties()?)
}

/// Times of a verb, in milliseconds.
struct Stopwatch<'a> {
    site: &'a Site,
    name: &'static str,
    /// Whether the audit log says how long its gates took.
    is_change: bool,
    whole: Vec<f64>,
    gates: Vec<f64>,
    effect: Vec<f64>,
}

impl<'a> Stopwatch<'a> {
    const fn new(site: &'a Site, name: &'static str) -> Self {
        Self {
            site,
            name,
            is_change: true,
            whole: Vec::new(),
            gates: Vec::new(),
            effect: Vec::new(),
        }
    }

    fn take(&mut self, verb: &[&str]) -> Result<()> {
        let started = Instant::now();
        let answer = self.site.guard(verb);
        self.whole.push(started.elapsed().as_secs_f64() * 1e3);
        succeeded(&answer)?;
        if self.is_change {
            let log = self.site.guard(&["audit", "--last", "1", "--json"]);
            succeeded(&log)?;
            let log: Value = serde_json::from_str(&log.out)?;
            let last = |field: &str| {
                let time = log.pointer(&format!("/rows/0/{field}")).and_then(Value::as_f64);
                time.with_context(|| format!("the audit log says no {field} of {}", self.name))
            };
            self.gates.push(last("gates_ms")?);
            self.effect.push(last("effect_ms")?);
        }
        Ok(())
    }

    fn rows(self) -> Result<Vec<Row>> {
        let mut rows = vec![Row::of(self.name, &self.whole)?];
        if self.is_change {
            rows.push(Row::of(gates(self.name), &self.gates)?);
            rows.push(Row::of(effect(self.name), &self.effect)?);
        }
        Ok(rows)
    }
}

fn succeeded(answer: &Answer) -> Result<()> {
    ensure!(answer.code == Some(0), "a verb failed: {}", answer.err);
    Ok(())
}
