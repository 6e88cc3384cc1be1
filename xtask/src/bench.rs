//! `cargo xtask bench`: sets up, builds and becomes the measurement.
//!
//! What is measured is in guard-tests; this only gets it started.

use anyhow::Result;

use crate::demo::hand_over;
use crate::project::Project;
use crate::setup::Purpose;

/// Measures guard: `[--quick|--full] [--json FILE] [--compare OLD]`.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on; `cargo xtask bench -- --help` lists what it knows.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    hand_over(project, Purpose::Bench, "bench", &args.arguments)
}
