//! `cargo xtask bench`: sets up, builds and becomes the measurement.
//!
//! What is measured is in guard-tests; this only gets it started.

use anyhow::Result;

use crate::demo::hand_over;
use crate::project::{Profile, Project};
use crate::setup::Purpose;
use crate::{build, run};

/// Measures guard: `[--quick|--full] [--check] [--json FILE] [--compare OLD] [--charts FOLDER]`.
#[derive(clap::Args)]
pub struct Args {
    /// Measure single pieces on the host instead; what follows is criterion's, such as a filter
    #[arg(long)]
    host: bool,
    /// Passed on; `cargo xtask bench -- --help` lists what it knows.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    if !args.host {
        return hand_over(project, Purpose::Bench, "bench", &args.arguments);
    }
    build::both(project, Profile::Release)?;
    let mut command = project.cargo("bench");
    command.args(["--package", "guard-tests", "--bench", "pieces", "--"]).args(&args.arguments);
    run::become_command(&mut command)
}
