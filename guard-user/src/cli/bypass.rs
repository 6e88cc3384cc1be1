//! `guard bypass`: one map write that lets everything pass.

use anyhow::Result;
use guard_user::live::Live;

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Let everything pass; classifying and counting go on
    On {
        /// Why, for those who come after
        #[arg(long, default_value = "not given")]
        reason: String,
    },
    /// Go back to what the mode says
    Off,
}

pub fn run(live: &Live, verb: Verb) -> Result<()> {
    let (on, reason) = match verb {
        Verb::On { reason } => (true, reason),
        Verb::Off => (false, String::new()),
    };
    let noted = live.set_bypass(on, &reason)?;
    if on {
        println!("bypass is ON: everything passes");
    } else {
        println!("bypass is off: the mode decides again");
    }
    if let Err(error) = noted {
        eprintln!("guard: done, but it could not be noted for a reboot: {error}");
    }
    Ok(())
}
