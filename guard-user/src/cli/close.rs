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
    match canary::close(live, reason)? {
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
                "the guard stays open: frames that must pass are not protected\n  next step: mend \
                 the configuration and start the daemon anew, or `guard unload` and `guard run`; \
                 then close again"
            )
        }
        Closing::Unknown(blind) => bail!("the guard stays open: {blind}"),
    }
}
