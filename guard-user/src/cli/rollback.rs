//! `guard rollback`: back to what was live before.

use anyhow::Result;
use guard_user::control::Request;
use guard_user::kernel::KernelError;
use guard_user::live::{Live, LiveError};

use super::{asked, table};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many steps of `guard history`
    #[arg(value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(live: &Live, Arguments { steps, reason }: &Arguments) -> Result<()> {
    let back = live.roll_back(usize::try_from(*steps).unwrap_or(usize::MAX), reason.as_deref());
    match back {
        Ok(back) => {
            println!("{back}:");
            table::differences(&back.differences);
            if let Some(outcome) = &back.outcome {
                table::findings(&outcome.findings);
            }
        }
        Err(refused @ LiveError::Kernel(KernelError::NotPermitted { .. })) => {
            let request = Request::RollBack { steps: *steps, reason: reason.clone() };
            let done = asked::daemon(live, &request, refused)?;
            println!("{}", done.said.unwrap_or_else(|| "done".to_owned()));
        }
        Err(other) => return Err(other.into()),
    }
    Ok(())
}
