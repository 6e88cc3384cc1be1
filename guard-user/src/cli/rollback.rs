//! `guard rollback`: back to what was live before.

use anyhow::Result;
use guard_user::live::{Back, Live};

use super::table;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many steps of `guard history`
    #[arg(value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(live: &Live, Arguments { steps, reason }: &Arguments) -> Result<()> {
    let steps = usize::try_from(*steps).unwrap_or(usize::MAX);
    let Back { outcome, differences, to } = live.roll_back(steps, reason.as_deref())?;
    match outcome {
        Some(outcome) => {
            println!("generation {} is live, as of {}:", outcome.generation, to.at);
            table::differences(&differences);
            table::findings(&outcome.findings);
        }
        None => {
            println!("nothing is loaded; the next `guard run` starts as of {}:", to.at);
            table::differences(&differences);
        }
    }
    Ok(())
}
