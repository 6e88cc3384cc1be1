//! `cargo xtask demo`: sets up, builds and becomes the demonstration.
//!
//! What is shown is in guard-tests; this only gets it started.

use std::process::Command;

use anyhow::Result;

use crate::project::{Profile, Project};
use crate::setup::{self, Purpose};
use crate::{build, run};

/// Shows guard at work: a 911 core under attack, in network namespaces on this machine.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on; `cargo xtask demo -- --help` lists what it knows.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    hand_over(project, Purpose::Demo, "demo", &args.arguments)
}

/// Sets up for a purpose, builds guard and a binary of guard-tests, and becomes that binary.
pub fn hand_over(
    project: &Project,
    purpose: Purpose,
    binary: &str,
    arguments: &[String],
) -> Result<()> {
    setup::programs(purpose)?;
    build::both(project, Profile::Release)?;
    let what = ["--package", "guard-tests", "--bin", binary];
    build::user(project, Profile::Release, &what, binary)?;
    let mut command = Command::new(project.binary(Profile::Release, binary));
    project.dress(&mut command);
    command.args(arguments).env("GUARD_BIN", project.binary(Profile::Release, "guard"));
    // The current directory stays the caller's: arguments may name files.
    run::become_command(&mut command)
}
