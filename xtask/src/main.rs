//! `cargo xtask <verb>`: what this project does beyond plain cargo.
//!
//! Owns the list of verbs and nothing else; each verb is a file of its own. This crate
//! stays light (no aya, no async): it is compiled before anything else can be.

mod bench;
mod build;
mod demo;
mod fuzz;
mod lint;
mod package;
mod progress;
mod project;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;

/// Sets up, builds, tests, checks, shows, measures and packs guard.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Setup(setup::Args),
    Build(build::Args),
    Test(test::Args),
    Lint(lint::Args),
    Demo(demo::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Package(package::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Project::locate().and_then(|project| match cli.verb {
        Verb::Setup(args) => setup::run(&project, &args),
        Verb::Build(args) => build::run(&project, &args),
        Verb::Test(args) => test::run(&project, &args),
        Verb::Lint(args) => lint::run(&project, &args),
        Verb::Demo(args) => demo::run(&project, &args),
        Verb::Bench(args) => bench::run(&project, &args),
        Verb::Fuzz(args) => fuzz::run(&project, &args),
        Verb::Package(args) => package::run(&project, &args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
