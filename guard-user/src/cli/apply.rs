//! `guard apply`: a whole configuration, live as one change or not at all.

use std::path::PathBuf;

use anyhow::Result;
use guard_user::live::{Applied, CONFIRM_MAX, Live, Missing, Request};

use super::exit::Usage;
use super::table;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = super::run::CONFIG)]
    file: PathBuf,
    /// Why, for the history and the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Take it back unless `guard confirm` is said within this time, such as 5m
    #[arg(long, value_name = "TIME")]
    confirm_within: Option<humantime::Duration>,
    /// Apply it in spite of what a gate leaves to a person's judgement; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
}

pub fn run(live: &Live, arguments: &Arguments) -> Result<()> {
    let Arguments { file, reason, confirm_within, force } = arguments;
    if let Some(within) = confirm_within.filter(|it| it.is_zero() || **it > CONFIRM_MAX) {
        return Err(Usage(format!(
            "--confirm-within {within}: no time to wait for anybody\n  next: write one such as 5m, \
             at most 7days"
        ))
        .into());
    }
    let request = Request {
        file,
        why: reason.as_deref(),
        confirm_within: confirm_within.map(Into::into),
        force: *force,
    };
    match live.apply(&request)? {
        Applied::Same => println!("{} says what is live: nothing to change", file.display()),
        Applied::AtNextStart { differences } => {
            println!("nothing is loaded; the next `guard run` starts with:");
            table::differences(&differences);
        }
        Applied::Live { outcome, differences, confirm_until } => {
            println!("generation {} is live:", outcome.generation);
            table::differences(&differences);
            table::findings(&outcome.findings);
            for Missing { interface, side, reason } in &outcome.missing {
                eprintln!("note: {interface}: {}: {reason}", side.lost());
            }
            if let Some(until) = confirm_until {
                println!("`guard confirm` it until {until}, or it is taken back");
            }
        }
    }
    Ok(())
}
