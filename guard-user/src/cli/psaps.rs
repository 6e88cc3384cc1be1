//! `guard psaps`: counters by PSAP, those in trouble first.

use anyhow::Result;
use guard_user::live::Live;
use guard_user::report::{self, PsapRow};

use super::selection::{Selection, tell_span, with_span};
use super::table::{self, count, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
}

pub fn run(live: &Live, Arguments { selection }: &Arguments) -> Result<()> {
    selection.print(|| print(live, selection))
}

fn print(live: &Live, selection: &Selection) -> Result<()> {
    let asked = selection.asked(live)?;
    let rows = report::psaps(live, &asked)?;
    if selection.json {
        return table::json(&with_span(&asked, &rows));
    }
    tell_span(&asked);
    table(&rows);
    println!("\nOVER LIMIT: passed, but enforcing would have dropped it.");
    Ok(())
}

/// Prints PSAPs as a table.
pub fn table(rows: &[PsapRow]) {
    let heading = ["PSAP", "NAME", "PROTECTED", "PASSED", "DROPPED", "OVER LIMIT"];
    let mut printed = table::table(&heading, 2);
    for row in rows {
        let PsapRow { id, name, kind, shared_with, totals, outgoing: _ } = row;
        let id = id.as_deref().unwrap_or("(none)");
        let name = match (name, shared_with) {
            (_, Some(other)) => format!("counted under {other}"),
            (Some(name), None) => name.clone(),
            (None, None) if *kind == "none" => "of no PSAP".to_owned(),
            (None, None) => (*kind).to_owned(),
        };
        let figures = if shared_with.is_some() {
            [const { String::new() }; 4]
        } else {
            [
                count(totals.protected_packets),
                count(totals.passed_packets),
                count(totals.dropped_packets),
                count(totals.over_limit_packets),
            ]
        };
        let mut cells = vec![short(id, 16), short(&name, 29)];
        cells.extend(figures);
        printed.add_row(cells);
    }
    table::print(&printed);
}
