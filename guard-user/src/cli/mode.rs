//! `guard mode`: monitor or enforce.

use anyhow::Result;
use clap::ValueEnum;
use guard_user::config::Mode;
use guard_user::live::Live;

use super::table::findings;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// Decide and count, drop nothing
    Monitor,
    /// Decide, count and drop
    Enforce,
}

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The mode
    mode: Word,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Enforce in spite of what a gate leaves to a person's judgement; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
}

pub fn run(live: &Live, Arguments { mode, reason, force }: &Arguments) -> Result<()> {
    let (mode, effect) = match mode {
        Word::Monitor => (Mode::Monitor, "mode is monitor: counts, drops nothing"),
        Word::Enforce => (Mode::Enforce, "mode is enforce: drops what is denied or over a limit"),
    };
    findings(&live.set_mode(mode, reason.as_deref(), *force)?);
    println!("{effect}");
    Ok(())
}
