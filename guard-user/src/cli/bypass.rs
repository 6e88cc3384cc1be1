//! `guard bypass`: one map write that lets everything pass.

use std::time::Duration;

use anyhow::Result;
use guard_user::live::{Live, who};

use super::exit::Usage;

/// Longest time that is taken for one with an end.
const LASTING_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Let everything pass; classifying and counting go on
    On {
        /// Why, for those who come after
        #[arg(long, default_value = "not given")]
        reason: String,
        /// For how long, such as 10m; the daemon ends it, unless an alarm is open. For good
        /// unless given
        #[arg(long = "for", value_name = "TIME")]
        lasting: Option<humantime::Duration>,
    },
    /// Go back to what the mode says
    Off,
}

pub fn run(live: &Live, verb: Verb) -> Result<()> {
    let noted = match verb {
        Verb::On { reason, lasting } => {
            let lasting = lasting.map(checked).transpose()?;
            let noted = live.bypass(who(), &reason, lasting)?;
            match lasting {
                None => println!("bypass is ON: everything passes"),
                Some(lasting) => println!(
                    "bypass is ON: everything passes; the daemon ends it in {}",
                    humantime::format_duration(lasting)
                ),
            }
            noted
        }
        Verb::Off => {
            let noted = live.end_bypass()?;
            println!("bypass is off: the mode decides again");
            noted
        }
    };
    if let Err(error) = noted {
        eprintln!("guard: done, but it could not be noted for a reboot: {error}");
    }
    Ok(())
}

fn checked(lasting: humantime::Duration) -> Result<Duration> {
    let time = *lasting;
    if time.is_zero() || time > LASTING_MAX {
        return Err(Usage(format!(
            "--for {lasting}: no time that a bypass can last\n  next: write one such as 10m, up to \
             30 days, or leave --for out for a bypass without end"
        ))
        .into());
    }
    Ok(time)
}
