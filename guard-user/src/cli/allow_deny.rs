//! `guard allow` and `guard deny`: the lists, changed live.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::ArgAction;
use guard_user::config::{AclEntryConfig, AclScope, AclService, Change, Network, Timestamp};
use guard_user::live::Live;
use serde::Serialize;

use super::exit::Usage;
use super::table::{self, short};

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Allow,
    Deny,
}

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Add an entry; it is in effect when this returns
    Add(Add),
    /// Remove an entry
    Remove(Remove),
    /// List the entries
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What an entry applies to.
#[derive(Debug, clap::Args)]
pub struct Scope {
    /// From where: an address or prefix
    source: Network,
    /// To where; everywhere unless given
    #[arg(long, value_name = "PREFIX")]
    destination: Option<Network>,
    /// Which service, such as 5060/udp or icmp; everything unless given
    #[arg(long)]
    service: Option<AclService>,
}

#[derive(Debug, clap::Args)]
pub struct Remove {
    #[command(flatten)]
    scope: Scope,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Do it although the traffic of the last day speaks against it; needs a reason
    #[arg(long, requires = "reason")]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    scope: Scope,
    /// Why
    #[arg(long, required = true)]
    reason: String,
    /// Who answers for it [default: who is calling]
    #[arg(long)]
    owner: Option<String>,
    /// For how long, such as 1h; for ever unless given
    #[arg(long = "for", value_name = "TIME", action = ArgAction::Set)]
    lifetime: Option<humantime::Duration>,
    /// Do it although the traffic of the last day speaks against it
    #[arg(long)]
    force: bool,
}

/// A row of the lists.
#[derive(Serialize)]
struct Row {
    source: String,
    destination: Option<String>,
    service: Option<String>,
    owner: String,
    reason: String,
    expires: Option<String>,
}

pub fn run(live: &Live, list: List, verb: Verb) -> Result<()> {
    let name = match list {
        List::Allow => "allow",
        List::Deny => "deny",
    };
    match verb {
        Verb::Add(add) => {
            let source = add.scope.source;
            let force = add.force;
            let change = addition(list, add, live.audit.by())?;
            let generation = live.change(&change, None, force)?;
            println!("{name} entry for {source} added; in effect in generation {generation}");
        }
        Verb::Remove(Remove { scope: Scope { source, destination, service }, reason, force }) => {
            let scope = AclScope { source, destination, service };
            let change = match list {
                List::Allow => Change::RemoveAllow(scope),
                List::Deny => Change::RemoveDeny(scope),
            };
            let generation = live.change(&change, reason.as_deref(), force)?;
            println!("{name} entry for {source} removed; in effect in generation {generation}");
        }
        Verb::List { json } => print(live, list, json)?,
    }
    Ok(())
}

/// Nobody can write, and so read back, a later time.
fn year_10000() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(253_402_300_800)
}

/// The entry to add, owned by who adds it unless it says otherwise.
fn addition(list: List, add: Add, by: String) -> Result<Change> {
    let Add { scope: Scope { source, destination, service }, reason, owner, lifetime, force: _ } =
        add;
    let new = AclEntryConfig::new(source, owner.unwrap_or(by), reason);
    let expires = match lifetime {
        None => None,
        Some(lifetime) => {
            let end = SystemTime::now().checked_add(*lifetime).filter(|end| *end < year_10000());
            let end = end.filter(|_| !lifetime.is_zero()).ok_or_else(|| {
                Usage(format!(
                    "--for {lifetime}: no time that an entry can last\n  next: write one such as \
                     1h, or leave --for out for an entry without end"
                ))
            })?;
            Some(Timestamp::from(end))
        }
    };
    let entry = AclEntryConfig { destination, service, expires, ..new };
    Ok(match list {
        List::Allow => Change::AddAllow(entry),
        List::Deny => Change::AddDeny(entry),
    })
}

fn print(live: &Live, list: List, json: bool) -> Result<()> {
    let config = live.effective()?;
    let entries = match list {
        List::Allow => &config.allow,
        List::Deny => &config.deny,
    };
    let rows: Vec<Row> = entries
        .iter()
        .map(|entry| Row {
            source: entry.source.to_string(),
            destination: entry.destination.map(|to| to.to_string()),
            service: entry.service.map(|service| service.to_string()),
            owner: entry.owner.clone(),
            reason: entry.reason.clone(),
            expires: entry.expires.map(|end| end.to_string()),
        })
        .collect();
    if json {
        return table::json(&rows);
    }
    let mut printed = table::table(&["SOURCE", "TO", "SERVICE", "OWNER", "REASON", "EXPIRES"], 6);
    for Row { source, destination, service, owner, reason, expires } in &rows {
        let or_any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
        printed.add_row([
            source.clone(),
            or_any(destination),
            or_any(service),
            short(owner, 14),
            short(reason, 20),
            expires.clone().unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table::print(&printed);
    Ok(())
}
