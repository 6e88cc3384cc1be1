//! `guard drops`: what was dropped, or would have been, and why.

use anyhow::Result;
use guard_user::live::Live;
use guard_user::report::{self, DropRow};

use super::table::{self, bytes, count, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this PSAP, site or element
    #[arg(long, value_name = "ID")]
    psap: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { psap, json }: &Arguments) -> Result<()> {
    let rows = report::drops(live, psap.as_deref())?;
    if *json {
        return table::json(&rows);
    }
    if rows.is_empty() {
        println!("Nothing was dropped, and enforcing would have dropped nothing.");
        return Ok(());
    }
    let heading = ["PSAP", "REASON", "DROPPED", "BYTES", "WOULD DROP"];
    let mut printed = table::table(&heading, 2);
    for row in &rows {
        let DropRow { id, reason, dropped_packets, dropped_bytes, would_drop_packets, .. } = row;
        printed.add_row([
            short(id.as_deref().unwrap_or("(none)"), 20),
            (*reason).to_owned(),
            count(*dropped_packets),
            bytes(*dropped_bytes),
            count(*would_drop_packets),
        ]);
    }
    table::print(&printed);
    Ok(())
}
