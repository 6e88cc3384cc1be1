//! `guard close`: a person's decision, after the controller opened the guard.

use anyhow::{Result, bail};
use guard_user::canary::{self, Closing};
use guard_user::live::Live;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Why it may be closed; kept with what the controller saw
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub fn run(live: &Live, Arguments { reason }: &Arguments) -> Result<()> {
    live.nothing_is_overdue()?;
    let closing = canary::close(live, reason);
    let (result, generation) = match &closing {
        Ok(Closing::Closed(proof, _)) => ("done".to_owned(), Some(proof.generation)),
        Ok(Closing::WasClosed) => ("was closed".to_owned(), None),
        Ok(Closing::Refused(_) | Closing::Unknown(_)) => ("stays open".to_owned(), None),
        Err(error) => (error.to_string(), None),
    };
    live.audit.record("close", Some(reason), &result, generation);
    match closing? {
        Closing::WasClosed => {
            println!("The controller has not opened the guard: nothing to close.");
            Ok(())
        }
        Closing::Closed(proof, kept) => {
            println!("Closed: {} frames that must pass did.", proof.frames);
            if let Err(error) = kept {
                eprintln!("guard: what the controller saw could not be set aside: {error}");
            }
            Ok(())
        }
        Closing::Refused(proof) => {
            super::canary::print(&proof);
            bail!(
                "the guard stays open: frames that must pass are not protected\n  next: mend \
                 the configuration and start the daemon anew, or `guard unload` and `guard run`; \
                 then close again"
            )
        }
        Closing::Unknown(blind) => bail!("the guard stays open: {blind}"),
    }
}
