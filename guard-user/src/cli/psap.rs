//! `guard psap`: PSAPs, changed live.

mod import;

use anyhow::Result;
use guard_user::config::{Bind, Change, Endpoint, Id, MediaSpec, PsapEntry};
use guard_user::live::Live;
use serde::Serialize;

use super::table::{self, short};

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Add a PSAP; it is protected when this returns
    Add(Add),
    /// Remove a PSAP; its counters stay readable
    Remove {
        /// Its id
        id: Id,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
        /// Remove it although it had traffic today; needs a reason
        #[arg(long, requires = "reason")]
        force: bool,
    },
    /// Add or change the PSAPs of a registry, all as one change
    Import(import::Arguments),
    /// List PSAPs
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// Its id
    id: Id,
    /// Its name for people
    #[arg(long)]
    name: Option<String>,
    /// A SIP service, such as 198.51.100.10:5060/udp (repeat)
    #[arg(long = "service", value_name = "ADDRESS:PORT/TRANSPORT")]
    services: Vec<Endpoint>,
    /// A media range, such as 198.51.100.10:16384-32767 (repeat) [default: all UDP from 1024]
    #[arg(long = "media", value_name = "ADDRESS:PORTS")]
    media: Vec<MediaSpec>,
    /// An interface its address may come in by, or "any" (repeat)
    #[arg(long = "bind", value_name = "INTERFACE")]
    bind: Vec<Bind>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// The site whose addresses it shares
    #[arg(long)]
    site: Option<Id>,
    /// The element through which it is reached
    #[arg(long)]
    via: Option<Id>,
}

/// A row of `guard psap list`. Administrative numbers are not shown.
#[derive(Serialize)]
struct Row {
    id: String,
    name: Option<String>,
    reached: String,
    administrative_numbers: usize,
}

pub fn run(live: &Live, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add(add) => {
            let Add { id, name, services, media, bind, site, via, reason } = add;
            let media = (!media.is_empty()).then_some(media);
            let new = PsapEntry::new(id.clone());
            let entry = PsapEntry { name, services, media, bind, site, via, ..new };
            let generation = live.change(&Change::AddPsap(entry), reason.as_deref(), false)?;
            println!("psap {id} added; generation {generation} is live");
        }
        Verb::Remove { id, reason, force } => {
            let generation =
                live.change(&Change::RemovePsap(id.clone()), reason.as_deref(), force)?;
            println!("psap {id} removed; generation {generation} is live");
        }
        Verb::Import(arguments) => import::run(live, &arguments)?,
        Verb::List { json } => list(live, json)?,
    }
    Ok(())
}

fn list(live: &Live, json: bool) -> Result<()> {
    let config = live.effective()?;
    let rows: Vec<Row> = config.psap.iter().map(row).collect();
    if json {
        return table::json(&rows);
    }
    let mut printed = table::table(&["PSAP", "NAME", "REACHED"], 3);
    for Row { id, name, reached, administrative_numbers: _ } in &rows {
        let name = short(name.as_deref().unwrap_or("-"), 24);
        printed.add_row([short(id, 16), name, reached.clone()]);
    }
    table::print(&printed);
    Ok(())
}

fn row(psap: &PsapEntry) -> Row {
    let services: Vec<String> = psap.services.iter().map(ToString::to_string).collect();
    let reached = match (&psap.site, &psap.via) {
        (Some(site), _) => format!("site {site}"),
        (None, Some(via)) => format!("via {via}"),
        (None, None) => services.join(" "),
    };
    Row {
        id: psap.id.to_string(),
        name: psap.name.clone(),
        reached,
        administrative_numbers: psap.admin.len(),
    }
}
