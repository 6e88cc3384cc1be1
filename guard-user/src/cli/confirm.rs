//! `guard confirm`: keeps the change that waits for it.

use anyhow::Result;
use guard_user::live::Live;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(live: &Live, Arguments { reason }: &Arguments) -> Result<()> {
    let generation = live.confirm(reason.as_deref())?;
    println!("generation {generation} is confirmed");
    Ok(())
}
