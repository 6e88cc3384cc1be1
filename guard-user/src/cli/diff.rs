//! `guard diff`: what applying a file would change.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use guard_user::live::Live;

use super::{exit, table};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = super::run::CONFIG)]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { file, json }: &Arguments) -> Result<ExitCode> {
    let differences = live.diff(file)?;
    if *json {
        table::json(&differences)?;
    } else if differences.is_empty() {
        println!("{} says what is live", file.display());
    }
    if !*json {
        for difference in &differences {
            println!("{}", difference.text);
        }
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERS) })
}
