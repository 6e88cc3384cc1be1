//! `guard mode`: monitor or enforce.

use anyhow::Result;
use clap::ValueEnum;
use guard_user::config::Mode;
use guard_user::live::Live;

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
}

pub fn run(live: &Live, Arguments { mode }: &Arguments) -> Result<()> {
    let (mode, effect) = match mode {
        Word::Monitor => (Mode::Monitor, "mode is monitor: counts, drops nothing"),
        Word::Enforce => (Mode::Enforce, "mode is enforce: drops what is denied or over a limit"),
    };
    live.set_mode(mode)?;
    println!("{effect}");
    Ok(())
}
