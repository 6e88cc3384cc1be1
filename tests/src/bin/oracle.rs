//! Sends made-up messages through the guard and holds its answers against the oracle's: tens of
//! millions on the host, a million in the kernel, and the same ones again by their seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use guard_tests::fixtures::network::real;
use guard_tests::oracle::{Campaign, Failure, Kept, Tally, seeds};

/// Holds the guard against the oracle.
#[derive(Parser)]
#[command(name = "oracle")]
struct Arguments {
    /// Frames to send
    #[arg(long, default_value_t = 2_000_000)]
    frames: u64,
    /// Frames in each made-up network
    #[arg(long, default_value_t = 20_000)]
    each: u64,
    /// What makes them
    #[arg(long, default_value_t = 911)]
    seed: u64,
    /// Only the network with this number
    #[arg(long)]
    network: Option<u64>,
    /// Through the program in the kernel, too (as root)
    #[arg(long)]
    kernel: bool,
    /// Threads, for the host
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Ask for a part of the promise that is not kept yet, too, or for all
    #[arg(long, value_name = "PART")]
    promised: Vec<String>,
    /// Only write inputs for the fuzzer to begin with
    #[arg(long, value_name = "DIRECTORY")]
    seeds: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oracle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(directory) = &arguments.seeds {
        return write_seeds(directory);
    }
    let Arguments { frames, each, seed, network, kernel, threads, .. } = *arguments;
    if kernel && threads > 1 {
        bail!("each thread would need a network namespace of its own: leave --threads out");
    }
    let kept = arguments.promised.iter().try_fold(Kept::TODAY, |kept, part| {
        kept.and(part).with_context(|| format!("nobody promised {part:?}; see oracle/kept.rs"))
    })?;
    let campaign = Campaign { seed, kept, frames: each };
    let (first, end) = match network {
        Some(number) => (number, number + 1),
        None => (0, frames.div_ceil(each.max(1))),
    };
    let begin = Instant::now();
    let interfaces = kernel.then(real);
    let outcomes: Vec<Result<Tally, Box<Failure>>> = std::thread::scope(|scope| {
        if let Some(interfaces) = &interfaces {
            return vec![campaign.run(first..end, Some(interfaces))];
        }
        let part = |thread| (first..end).filter(move |number| number % threads == thread);
        let started: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || campaign.run(part(thread), None)))
            .collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let whole = if kernel { 1 } else { threads };
    if outcomes.len() as u64 != whole {
        bail!("a thread panicked");
    }
    let mut tally = Tally::default();
    for outcome in outcomes {
        match outcome {
            Ok(part) => tally.add(&part),
            Err(failure) => bail!("{failure}"),
        }
    }
    println!("{tally}");
    println!("seed {seed}, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn write_seeds(directory: &Path) -> Result<()> {
    let wrong = || format!("cannot write to {}; is it yours?", directory.display());
    fs::create_dir_all(directory).with_context(wrong)?;
    for (number, seed) in seeds().iter().enumerate() {
        fs::write(directory.join(format!("{number:04}")), seed).with_context(wrong)?;
    }
    Ok(())
}
