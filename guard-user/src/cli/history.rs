//! `guard history`: the configurations that `guard rollback` can go back to.

use anyhow::Result;
use guard_user::live::{Live, Step};

use super::table::{self, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { json }: &Arguments) -> Result<()> {
    let steps = live.history()?;
    if *json {
        return table::json(&steps);
    }
    let mut printed = table::table(&["STEPS", "SINCE", "BY", "WHY", "WHAT CHANGED"], 5);
    for Step { steps_back, revision: _, at, by, why, what, confirm_until } in &steps {
        let back = match steps_back {
            0 => "live".to_owned(),
            back => back.to_string(),
        };
        let why = short(why.as_deref().unwrap_or("-"), 16);
        let what = match confirm_until {
            Some(until) => format!("NOT CONFIRMED, until {until}: {what}"),
            None => what.clone(),
        };
        printed.add_row([back, at.clone(), short(by, 12), why, short(&what, 60)]);
    }
    table::print(&printed);
    Ok(())
}
