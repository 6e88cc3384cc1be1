//! `guard bypass`: one map write that lets everything pass.

use std::time::Duration;

use anyhow::Result;
use guard_user::control::Request;
use guard_user::kernel::KernelError;
use guard_user::live::{Live, LiveError};

use super::asked;
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
    let (switched, request, said) = match verb {
        Verb::On { reason, lasting } => {
            let lasting = lasting.map(checked).transpose()?;
            let said = lasting.map_or_else(String::new, |lasting| {
                format!("; the daemon ends it in {}", humantime::format_duration(lasting))
            });
            let switched = live.bypass(&reason, lasting);
            let seconds = lasting.map(|lasting| lasting.as_secs().max(1));
            let said = format!("bypass is ON: everything passes{said}");
            (switched, Request::BypassOn { reason, seconds }, said)
        }
        Verb::Off => {
            let said = "bypass is off: the mode decides again".to_owned();
            (live.end_bypass(), Request::BypassOff {}, said)
        }
    };
    let unnoted = match switched {
        Ok(noted) => noted.err().map(|error| error.to_string()),
        Err(refused @ LiveError::Kernel(KernelError::NotPermitted { .. })) => {
            asked::daemon(live, &request, refused)?.unnoted
        }
        Err(other) => return Err(other.into()),
    };
    println!("{said}");
    if let Some(error) = unnoted {
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
