//! `cargo xtask bench`: what a frame costs, beside the floor and beside `xdp-filter`.
//!
//! Every row is measured by the kernel's own test run, in rounds that take turns, so that what
//! else the machine does hits all of them alike. Ratios within one run mean something, absolute
//! times on a shared machine little.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use guard_tests::bench::{Row, Subject, subjects};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Measures what a frame costs.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Few rounds, under a minute (the default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Many rounds
    #[arg(long)]
    full: bool,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the change against an earlier JSON
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let (rounds, repeat) = if arguments.full { (31, 500_000) } else { (9, 200_000) };
    let before = arguments.compare.as_ref().map(read).transpose()?;
    let mut subjects = subjects()?;
    measure(&mut subjects, rounds, repeat)?;
    let rows: Vec<Row> = subjects.iter().map(Subject::row).collect::<Result<_>>()?;
    print(&rows, before.as_ref())?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&rows)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no bench JSON", path.display()))
}

/// Rounds in which all subjects take turns.
fn measure(subjects: &mut [Subject], rounds: u64, repeat: u32) -> Result<()> {
    let progress = ProgressBar::new(rounds).with_message("rounds");
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    for _ in 0..rounds {
        for subject in &mut *subjects {
            subject.measure(repeat)?;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(())
}

fn print(rows: &[Row], before: Option<&Value>) -> Result<()> {
    let find = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.median);
    let Some(floor) = find("floor: pass") else { bail!("the floor was not measured") };
    let filter = find("xdp-filter: drop by address");
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let mut heading = vec!["FRAME", "NS", "MIN-MAX", "OVER FLOOR", "x XDP-FILTER"];
    if before.is_some() {
        heading.push("BEFORE");
    }
    table.set_header(heading);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        let mut cells = vec![
            row.name.clone(),
            format!("{:.1}", row.median),
            format!("{:.0}-{:.0}", row.min, row.max),
            format!("{:.1}", row.median - floor),
            filter.map_or_else(|| "-".to_owned(), |filter| format!("{:.2}", row.median / filter)),
        ];
        if let Some(before) = before {
            cells.push(earlier(before, &row.name));
        }
        table.add_row(cells);
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
    println!("\nNanoseconds for a frame by test run, median of the rounds. Large: 6,000 PSAPs");
    println!("and 100,000 denied prefixes. {}.", machine());
    if filter.is_none() {
        println!("xdp-filter is not installed (package xdp-tools): no ratio to it.");
    }
    Ok(())
}

fn earlier(before: &Value, name: &str) -> String {
    let rows = before.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter()
        .find(|row| row.get("name").and_then(Value::as_str) == Some(name))
        .and_then(|row| row.get("median").and_then(Value::as_f64))
        .map_or_else(|| "-".to_owned(), |median| format!("{median:.1}"))
}

/// The machine the figures are from.
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cpus} CPUs, Linux {}", release.trim())
}
