//! What the demo says: before, between and after the phases.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::figures::{CallerFigures, Figures, SetUp, Verdict};
use super::guard::{Guard, Tables};
use super::options::Options;
use super::screen::Screen;
use super::stage::{EAST, SIP, SPOOFED_BITS};

/// Says what will be seen.
pub fn introduce(screen: &Screen, options: &Options, cpu: Option<usize>) {
    let Options { seconds, rate, flood, .. } = options;
    let what = match flood {
        None => "calls that are none and with\njunk, ".to_owned(),
        Some(shape) => format!("{},\n", shape.name()),
    };
    screen.say(&format!(
        "A carrier, which is configured, and a stranger each call two PSAPs through a\n\
         core router, {rate} calls a second for {seconds} seconds, three times. The second and\n\
         third time, {}'s port {SIP} is flooded with {what}from {} made-up\n\
         addresses.",
        EAST.id,
        human(f64::from(SPOOFED_BITS) + 1.0),
    ));
    if cpu.is_none() {
        screen
            .say("This machine has one CPU, which the flood shares with everybody: expect delays.");
    }
    screen.say("");
}

/// Says where the guard is.
///
/// # Errors
///
/// The guard does not say.
pub fn guarded(screen: &Screen, guard: &Guard) -> Result<()> {
    let interfaces = guard.interfaces()?.join(", ");
    screen.say(&format!("                 guard on {interfaces}: enforce"));
    Ok(())
}

/// Says what came of it.
pub fn conclude(screen: &Screen, phases: &[Figures], tables: &Tables, verdict: Verdict) {
    screen.say(&format!("\n{}", lines(&calls(phases))));
    screen.say(
        "Set-up: INVITE to 200, by packet time stamps. Answered: within 4 seconds.\n\
         Flood: frames a second that reached the core. Attacker and core share this\n\
         machine: what the core spends on a frame, the attacker lacks for the next.",
    );
    screen.say(&format!("\n$ guard psaps\n{}", tables.psaps.trim_end()));
    screen.say(&format!("\n$ guard drops\n{}", tables.drops.trim_end()));
    screen.say(&format!("\n{}", verdict_line(phases, verdict)));
}

/// Writes all figures as JSON.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_json(file: &Path, outcome: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(outcome)?;
    fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

fn calls(phases: &[Figures]) -> Table {
    let heading = ["PHASE", "FLOOD/S", "CALLER", "PSAP", "TRIED", "ANSWERED", "MEDIAN", "P99"];
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(heading);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if number == 1 || number >= 4 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for figures in phases {
        let rate = figures.flood_rate.map_or_else(|| "-".to_owned(), human);
        for (number, caller) in figures.callers.iter().enumerate() {
            let (phase, rate) = if number == 0 { (figures.phase.name(), &*rate) } else { ("", "") };
            table.add_row(row(phase, rate, caller));
        }
    }
    table
}

fn row(phase: &str, rate: &str, figures: &CallerFigures) -> [String; 8] {
    let CallerFigures { caller, psap, tried, answered, set_up, .. } = figures;
    let time = |of: fn(&SetUp) -> Duration| {
        set_up.as_ref().map_or_else(|| "-".to_owned(), |set_up| milliseconds(of(set_up)))
    };
    [
        phase.to_owned(),
        rate.to_owned(),
        caller.name().to_owned(),
        (*psap).to_owned(),
        tried.to_string(),
        answered.to_string(),
        time(|set_up| set_up.median),
        time(|set_up| set_up.p99),
    ]
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn verdict_line(phases: &[Figures], verdict: Verdict) -> String {
    let sums: Vec<_> = phases.iter().map(Figures::sum).collect();
    let [_, (tried, answered, _), (guarded, ok, completed)] = *sums else {
        return String::new();
    };
    let failed = tried.saturating_sub(answered);
    match verdict {
        Verdict::Protected => format!(
            "Without the guard {failed} of {tried} calls failed; \
             with it all {guarded} were answered."
        ),
        Verdict::CallFailed => format!(
            "FAILED: with the guard {guarded} calls were tried, {ok} answered, {completed} \
             completed.\nRun it again with --keep and look at guard.log and 3-guarded/."
        ),
        Verdict::FloodTooWeak => format!(
            "WARNING: with the guard all {guarded} calls were answered, but so they were without \
             it.\nThe flood was too weak to show anything; try again on an idle machine."
        ),
    }
}

/// A time in milliseconds, with three figures.
fn milliseconds(time: Duration) -> String {
    let time = time.as_secs_f64() * 1000.0;
    match time {
        ..10.0 => format!("{time:.2} ms"),
        ..100.0 => format!("{time:.1} ms"),
        _ => format!("{time:.0} ms"),
    }
}

/// A rate or number with three figures and a unit.
#[must_use]
pub fn human(number: f64) -> String {
    let (number, unit) = match number {
        ..1e3 => return format!("{number:.0}"),
        ..1e6 => (number / 1e3, "k"),
        ..1e9 => (number / 1e6, "M"),
        _ => (number / 1e9, "G"),
    };
    match number {
        ..10.0 => format!("{number:.2} {unit}"),
        ..100.0 => format!("{number:.1} {unit}"),
        _ => format!("{number:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures() {
        for (number, text) in
            [(0.0, "0"), (999.0, "999"), (1234.0, "1.23 k"), (4.56e6, "4.56 M"), (16.8e6, "16.8 M")]
        {
            assert_eq!(human(number), text);
        }
        assert_eq!(milliseconds(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(milliseconds(Duration::from_millis(503)), "503 ms");
    }
}
