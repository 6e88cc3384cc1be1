//! `guard bypass`: one map write that lets everything pass.

use std::time::Duration;

use anyhow::{Result, anyhow};
use guard_user::control::{self, Answer, Request};
use guard_user::kernel::KernelError;
use guard_user::live::{Live, LiveError, who};

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
    let (request, said) = match verb {
        Verb::On { reason, lasting } => {
            let lasting = lasting.map(checked).transpose()?;
            let said = lasting.map_or_else(String::new, |lasting| {
                format!("; the daemon ends it in {}", humantime::format_duration(lasting))
            });
            let seconds = lasting.map(|lasting| lasting.as_secs().max(1));
            let request = Request::BypassOn { reason, seconds };
            (request, format!("bypass is ON: everything passes{said}"))
        }
        Verb::Off => (Request::BypassOff {}, "bypass is off: the mode decides again".to_owned()),
    };
    let unnoted = match by_hand(live, &request) {
        Ok(noted) => noted.err().map(|error| error.to_string()),
        Err(refused @ LiveError::Kernel(KernelError::NotPermitted { .. })) => {
            by_daemon(live, &request, refused)?
        }
        Err(other) => return Err(other.into()),
    };
    println!("{said}");
    if let Some(error) = unnoted {
        eprintln!("guard: done, but it could not be noted for a reboot: {error}");
    }
    Ok(())
}

/// The way that needs nothing but the right to.
fn by_hand(live: &Live, request: &Request) -> Result<Result<(), KernelError>, LiveError> {
    match request {
        Request::BypassOn { reason, seconds } => {
            live.bypass(who(), reason, seconds.map(Duration::from_secs))
        }
        Request::BypassOff {} => live.end_bypass(),
    }
}

/// The way of those who are on call: the daemon does it for them. What could not be noted.
fn by_daemon(live: &Live, request: &Request, refused: LiveError) -> Result<Option<String>> {
    match control::ask(&control::socket(live.store.path()), request) {
        Ok(Answer::Done { unnoted }) => Ok(unnoted),
        Ok(Answer::Refused { error }) => Err(anyhow!(
            "the daemon refuses: {error}\n  next step: run as root, or ask for what it allows"
        )),
        // No socket, no daemon, or not in the group: what the kernel said is what counts.
        Err(_) => Err(refused.into()),
    }
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
