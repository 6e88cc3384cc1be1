//! `guard unload`: explicit removal. Ending the daemon leaves the guard in place.

use anyhow::Result;
use guard_user::kernel::KernelError;
use guard_user::live::Live;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(live: &Live, Arguments { reason }: &Arguments) -> Result<()> {
    if let Some(process) = live.daemon() {
        return Err(KernelError::path(
            live.store.path(),
            format!("the daemon, process {process}, is running"),
            "stop it first: `systemctl stop guard`, or end the process",
        )
        .into());
    }
    let left = live.unload(reason.as_deref())?;
    let left = if left.is_empty() { "no interface".to_owned() } else { left.join(", ") };
    println!("unloaded; {left} had it. Counter slots and live changes are kept on disk");
    Ok(())
}
