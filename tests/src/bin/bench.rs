//! `cargo xtask bench`: what guard costs, beside the floor, `xdp-filter` and nftables.
//!
//! Owns the order in which things are measured and how they are printed. What is measured is in
//! [`guard_tests::bench`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use guard_tests::bench::calls::Calls;
use guard_tests::bench::configuration::Size;
use guard_tests::bench::figure::Row;
use guard_tests::bench::flow::{self, Plans};
use guard_tests::bench::margins;
use guard_tests::bench::memory::{memory, verified};
use guard_tests::bench::print;
use guard_tests::bench::report::{Earlier, Report, SCHEMA, machine};
use guard_tests::bench::subject::{Subject, subjects};
use guard_tests::bench::target;
use guard_tests::bench::{calls, chart, live};
use guard_tests::demo;
use guard_tests::flood::shape::Shape;
use indicatif::{ProgressBar, ProgressStyle};

/// Seconds for which calls are begun, three times for each flood.
const CALLS: u32 = 10;

/// Measures what guard costs.
#[derive(Parser)]
#[command(name = "cargo xtask bench --", max_term_width = 80)]
struct Arguments {
    /// Few rounds, under two minutes (the default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Many rounds, all floods, and calls during each kind: ten minutes
    #[arg(long)]
    full: bool,
    /// Fail when a ratio, the verifier's work or the maps' memory is out of its margin
    #[arg(long)]
    check: bool,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the change against an earlier JSON
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Draw the charts into this folder
    #[arg(long, value_name = "FOLDER")]
    charts: Option<PathBuf>,
}

fn main() -> ExitCode {
    if let Some(options) = demo_options() {
        return demo::play(&options);
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the demo is told, where [`calls::calls`] runs this program to play it.
fn demo_options() -> Option<demo::options::Options> {
    let mut arguments = std::env::args_os();
    let program = arguments.next()?;
    if arguments.next()? != calls::PLAY {
        return None;
    }
    let options = [program, "--json".into()].into_iter().chain(arguments);
    Some(demo::options::Options::parse_from(options))
}

fn run(arguments: &Arguments) -> Result<()> {
    let earlier = arguments.compare.as_deref().map(Earlier::read).transpose()?;
    let report = measure(arguments.full, arguments.check)?;
    print::print(&report, earlier.as_ref());
    if let Some(path) = &arguments.json {
        report.write(path)?;
    }
    if let Some(folder) = &arguments.charts {
        chart::draw(&report, folder)?;
    }
    if arguments.check {
        check(&report)?;
    }
    let missing = report.missing.join("\n  ");
    ensure!(missing.is_empty(), "not measured, try again on an idle machine:\n  {missing}");
    Ok(())
}

/// Floods and changes have no margins: a check goes without them.
fn measure(full: bool, check: bool) -> Result<Report> {
    let (rounds, milliseconds) = if full { (31, 20) } else { (11, 8) };
    let frames = frames(rounds, Duration::from_millis(milliseconds))?;
    let plans = if full {
        Plans { all: true, rounds: 5, time: Duration::from_millis(400) }
    } else {
        Plans { all: false, rounds: 3, time: Duration::from_millis(200) }
    };
    let (mut floods, mut changes) = (Vec::new(), Vec::new());
    if full || !check {
        eprintln!("... floods over a cable");
        floods = flow::floods(plans)?;
        eprintln!("... changes of a live guard");
        changes = live::latencies(if full { 15 } else { 5 })?;
    }
    let memory = vec![memory("small", Size::SMALL)?, memory("large", Size::LARGE)?];
    let verified = verified()?;
    let (calls, missing) = if full { calls_during_floods() } else { Default::default() };
    let targets = [
        target::of_frames(&frames),
        target::of_floods(&floods),
        target::of_sizes(&memory, &verified),
        target::of_changes(&changes),
        target::of_calls(&calls),
    ];
    let (machine, targets) = (machine(), targets.concat());
    let schema = SCHEMA;
    Ok(Report {
        schema,
        machine,
        frames,
        floods,
        changes,
        memory,
        verified,
        calls,
        missing,
        targets,
    })
}

/// With floods of all shapes, and what went wrong: a busy machine, on which calls fail that nothing
/// disturbs, does not cost what was measured before.
fn calls_during_floods() -> (Vec<Calls>, Vec<String>) {
    let (mut calls, mut missing) = (Vec::new(), Vec::new());
    for shape in Shape::ALL {
        eprintln!("... calls during a flood: {}", shape.name());
        match calls::calls(shape, CALLS) {
            Ok(measured) => calls.push(measured),
            Err(error) => missing.push(format!("calls, {} flood: {error:#}", shape.name())),
        }
    }
    (calls, missing)
}

/// Rounds in which all subjects take turns.
fn frames(rounds: u64, round: Duration) -> Result<Vec<Row>> {
    eprintln!("... frames by test run");
    let mut subjects = subjects()?;
    let progress = ProgressBar::new(rounds + 1).with_message("rounds");
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    for subject in &mut subjects {
        subject.verify(round)?;
    }
    for _ in 0..rounds {
        progress.inc(1);
        for subject in &mut subjects {
            subject.measure()?;
        }
    }
    progress.finish_and_clear();
    subjects.iter().map(Subject::row).collect()
}

/// An error if something is out of its margin, or was not measured though it has one.
fn check(report: &Report) -> Result<()> {
    let failed = margins::broken(&report.targets);
    if failed.is_empty() {
        println!("\nAll within the margins.");
        return Ok(());
    }
    bail!(
        "out of the margins of docs/performance.md:\n  {}\n\
         run `cargo xtask bench -- --compare OLD.json` to see what the change did",
        failed.join("\n  ")
    )
}
