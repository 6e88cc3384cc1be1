//! `guard audit`: who did what.

use anyhow::Result;
use guard_user::audit::Entry;
use guard_user::live::Live;

use super::table::{self, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many records, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { last, json }: &Arguments) -> Result<()> {
    let log = live.audit.read(*last)?;
    if *json {
        return table::json(&log.entries);
    }
    let mut printed = table::table(&["TIME", "WHO", "WHAT", "WHY", "RESULT"], 5);
    for Entry { time, who, sudo_user, what, why, result, .. } in &log.entries {
        // To the second.
        let time = time.split('.').next().unwrap_or(time);
        let who = sudo_user.as_ref().unwrap_or(who);
        let why = short(why.as_deref().unwrap_or("-"), 20);
        printed.add_row([time, &short(who, 10), &short(what, 40), &why, &short(result, 40)]);
    }
    table::print(&printed);
    if log.broken > 0 {
        eprintln!("note: {} lines are no records: cut off by a power loss, or changed", log.broken);
    }
    Ok(())
}
