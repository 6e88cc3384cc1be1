//! `guard check`: is this configuration right? Nothing is touched.

use std::path::PathBuf;

use anyhow::Result;
use guard_user::config::{Config, Failsafe};
use guard_user::report::mode_name;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "/etc/guard/guard.toml")]
    file: PathBuf,
}

pub fn run(Arguments { file }: &Arguments) -> Result<()> {
    let config = Config::load(file)?;
    println!(
        "{}: right; mode {}, {} interfaces, {} PSAPs, {} sites and elements, {} peers, \
         {} allow and {} deny entries",
        file.display(),
        mode_name(config.guard.mode),
        config.interface.len(),
        config.psap.len(),
        config.site.len() + config.element.len(),
        config.peer.len(),
        config.allow.len(),
        config.deny.len(),
    );
    if config.guard.failsafe == Failsafe::Hold {
        eprintln!(
            "guard: warning: failsafe = \"hold\": with the controller dead, what is denied or over \
             a limit is dropped until a person says `guard bypass on`"
        );
    }
    Ok(())
}
