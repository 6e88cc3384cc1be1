//! `guard peer`: carriers and other networks, changed live.

use anyhow::Result;
use guard_user::config::{Bind, Change, Id, MediaSpec, Network, PeerEntry, PortSpec};
use guard_user::live::Live;
use serde::Serialize;

use super::table::{self, short};

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Add a peer; its calls are protected when this returns
    Add(Add),
    /// Remove a peer
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
    /// List peers
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
    /// A signalling address or prefix (repeat)
    #[arg(long = "address", value_name = "PREFIX", required = true)]
    addresses: Vec<Network>,
    /// A SIP port, such as 5060/udp (repeat) [default: 5060 udp, tcp, sctp; 5061 tls]
    #[arg(long = "service", value_name = "PORT/TRANSPORT")]
    services: Vec<PortSpec>,
    /// A media prefix with its ports, such as 203.0.113.32/27:10000-20000 (repeat)
    /// [default: all UDP from 1024 of its addresses]
    #[arg(long = "media", value_name = "PREFIX:PORTS")]
    media: Vec<MediaSpec>,
    /// An interface its addresses may come in by, or "any" (repeat)
    #[arg(long = "bind", value_name = "INTERFACE")]
    bind: Vec<Bind>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

/// A row of `guard peer list`.
#[derive(Serialize)]
struct Row {
    id: String,
    name: Option<String>,
    addresses: Vec<String>,
    bound_to: Vec<String>,
}

pub fn run(live: &Live, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add(add) => {
            let Add { id, name, addresses, services, media, bind, reason } = add;
            let services = (!services.is_empty()).then_some(services);
            let media = (!media.is_empty()).then_some(media);
            let new = PeerEntry::new(id.clone(), addresses);
            let entry = PeerEntry { name, services, media, bind, ..new };
            let generation = live.change(&Change::AddPeer(entry), reason.as_deref(), false)?;
            println!("peer {id} added; generation {generation} is live");
        }
        Verb::Remove { id, reason, force } => {
            let generation =
                live.change(&Change::RemovePeer(id.clone()), reason.as_deref(), force)?;
            println!("peer {id} removed; generation {generation} is live");
        }
        Verb::List { json } => list(live, json)?,
    }
    Ok(())
}

fn list(live: &Live, json: bool) -> Result<()> {
    let config = live.effective()?;
    let texts = |items: &[Network]| items.iter().map(ToString::to_string).collect();
    let rows: Vec<Row> = config
        .peer
        .iter()
        .map(|peer| Row {
            id: peer.id.to_string(),
            name: peer.name.clone(),
            addresses: texts(&peer.addresses),
            bound_to: peer.bind.iter().map(ToString::to_string).collect(),
        })
        .collect();
    if json {
        return table::json(&rows);
    }
    let mut printed = table::table(&["PEER", "NAME", "ADDRESSES", "BOUND TO"], 4);
    for Row { id, name, addresses, bound_to } in &rows {
        let name = short(name.as_deref().unwrap_or("-"), 20);
        printed.add_row([short(id, 16), name, addresses.join(" "), bound_to.join(" ")]);
    }
    table::print(&printed);
    Ok(())
}
