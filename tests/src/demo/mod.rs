//! `cargo xtask demo`: real SIP calls to 911 through a routing core, quiet, then flooded without
//! the guard, then flooded with it.
//!
//! Owns the order of events and what comes of it. Everything runs in network namespaces, a mount
//! namespace and a directory of its own, so that nothing is left behind, however it ends.

mod figures;
mod guard;
pub mod options;
mod phase;
mod picture;
mod report;
mod screen;
pub mod stage;
mod stop;
mod workplace;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;

use self::figures::{Figures, Verdict};
use self::guard::{Guard, Tables};
use self::options::{Options, Tools};
use self::phase::{Company, Phase};
use self::screen::Screen;
use self::stage::{EAST, Stage, UPLINK};
use self::stop::{Interrupted, Stop};
use self::workplace::Workplace;
use crate::flood;
use crate::netns::bpffs::PrivateBpffs;

/// The demo could not be shown.
const NOT_SHOWN: u8 = 2;
/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the demo with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    play(&Options::parse())
}

/// Shows the demo with these options.
#[must_use]
pub fn play(options: &Options) -> ExitCode {
    // Before any thread is started, so that all leave the signals to the one that waits for them.
    let outcome = Stop::on_signals().and_then(|stop| show(options, &stop));
    match outcome {
        Ok(verdict) => ExitCode::from(verdict.exit_code()),
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("\ninterrupted; everything of the demo is removed");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("\nerror: the demo could not be shown: {error:#}");
            ExitCode::from(NOT_SHOWN)
        }
    }
}

/// All that was measured, as `--json` writes it.
#[derive(Debug, Serialize)]
struct Outcome {
    schema: u32,
    verdict: Verdict,
    phases: Vec<Figures>,
    guard: Tables,
}

fn show(options: &Options, stop: &Stop) -> Result<Verdict> {
    let tools = options.tools()?;
    let workplace = Workplace::create(options.keep)?;
    let bpffs = PrivateBpffs::mount(&workplace.folder("bpf")?)?;
    let cpu = share_cpus()?;
    let stage = Stage::set().context("setting the stage")?;
    let screen = Screen::new();
    report::introduce(&screen, options, cpu);

    let buffer = buffer(&stage, &tools)?;
    let (workplace, tools) = (&workplace, &tools);
    let company = Company { stage: &stage, workplace, tools, options, cpu, buffer };
    let quiet = company.play(Phase::Quiet, &screen, stop)?;
    quiet.require_calm()?;
    let mut phases = vec![quiet, company.play(Phase::Unguarded, &screen, stop)?];
    let guard = Guard::start(&stage, workplace, &tools.guard, bpffs.path(), stop)?;
    report::guarded(&screen, &guard)?;
    phases.push(company.play(Phase::Guarded, &screen, stop)?);
    let tables = guard.tables()?;
    guard.unload()?;

    let verdict = Verdict::of(&phases)?;
    report::conclude(&screen, &phases, &tables, verdict);
    let outcome = Outcome { schema: 1, verdict, phases, guard: tables };
    if let Some(file) = &options.json {
        report::write_json(file, &outcome)?;
    }
    if let Some(file) = &options.picture {
        picture::write(file, &screen.lines())?;
    }
    if let Some(kept) = workplace.kept() {
        println!("Kept: {}", kept.display());
    }
    Ok(verdict)
}

/// The size of the PSAPs' receive buffers: about sipp's usual 128 KiB, and a whole number of
/// frames of the flood, so that these and real ones fare alike.
fn buffer(stage: &Stage, tools: &Tools) -> Result<usize> {
    const USUAL: usize = 128 << 10;
    let (sender, path) = ((&stage.internet, UPLINK), stage.attack(&EAST)?);
    let frame = flood::footprint(&tools.generator, sender, &path, &stage.east)?;
    Ok((USUAL / frame).max(1) * frame)
}

/// Gives the flood the last CPU for itself and everybody else the others; where there is one
/// only, all share it. Returns the flood's.
fn share_cpus() -> Result<Option<usize>> {
    let cpus = flood::cpus()?;
    match cpus.split_last() {
        Some((last, others)) if !others.is_empty() => {
            flood::pin(others)?;
            Ok(Some(*last))
        }
        _ => Ok(None),
    }
}
