//! Rules about names and what they refer to: unique ids, sites and gateways that exist, lists
//! that hold something, texts fit for a terminal.

use std::collections::BTreeMap;

use super::super::claims::Named;
use super::super::entry::PsapEntry;
use super::super::error::{At, Fault, Section};
use super::super::text::Id;
use super::{Config, reached};

/// Longest name, owner or reason: a line of a report.
const TEXT_MAX: usize = 200;

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    unique(config)?;
    for psap in &config.psap {
        reach(config, psap)?;
    }
    for (at, services, _) in reached(config) {
        if services.is_empty() && at.section != Section::Psap {
            let shared_by = config.psap.iter().find(|psap| refers(psap, at.id));
            let users = shared_by.map_or(String::new(), |psap| {
                format!(", and {:?} depends on it", psap.id.as_str())
            });
            return Err(at.key("services").fault(
                format!("nothing reaches it: it has no services{users}"),
                "write services = [\"198.51.100.10:5060/udp\"] with its own addresses",
            ));
        }
    }
    lists(config)?;
    names(config)
}

fn refers(psap: &PsapEntry, id: &str) -> bool {
    let is = |reference: &Option<Id>| reference.as_ref().is_some_and(|it| it.as_str() == id);
    is(&psap.site) || is(&psap.via)
}

/// An id names one thing: reports and counters know entries by it.
fn unique(config: &Config) -> Result<(), Fault> {
    let mut seen: BTreeMap<&str, Section> = BTreeMap::new();
    for Named { at, .. } in config.named() {
        match seen.insert(at.id, at.section) {
            Some(first) if first == at.section => {
                return Err(at.key("id").fault(
                    format!("there is more than one {} with this id", first.name()),
                    "join the entries, or give one of them another id",
                ));
            }
            Some(first) => {
                return Err(at.key("id").fault(
                    format!("there is a {} with this id, too", first.name()),
                    format!("give one another id, such as {}-{}", at.id, at.section.name()),
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// A PSAP has services of its own, or shares a site's, or lies behind a gateway.
fn reach(config: &Config, psap: &PsapEntry) -> Result<(), Fault> {
    let at = At::new(Section::Psap, psap.place, psap.id.as_str());
    let choose = "keep one of services, site and via";
    match (psap.services.is_empty(), &psap.site, &psap.via) {
        (true, None, None) => Err(at.fault(
            "nothing reaches this PSAP: it has neither services nor site nor via",
            "write its services, or the site whose addresses it shares, or the element it lies behind",
        )),
        (false, None, None) => Ok(()),
        (true, Some(site), None) => {
            let exists = config.site.iter().any(|entry| entry.id == *site);
            reference(at.key("site"), exists, site, Section::Site)?;
            nothing_of_its_own(at, psap, "site")
        }
        (true, None, Some(via)) => {
            let exists = config.element.iter().any(|entry| entry.id == *via);
            reference(at.key("via"), exists, via, Section::Element)?;
            nothing_of_its_own(at, psap, "via")
        }
        (false, Some(_), _) => Err(at.key("site").fault("services and site contradict each other", choose)),
        (false, None, Some(_)) => Err(at.key("via").fault("services and via contradict each other", choose)),
        (true, Some(_), Some(_)) => Err(at.key("via").fault("site and via contradict each other", choose)),
    }
}

fn reference(at: At<'_>, exists: bool, id: &Id, section: Section) -> Result<(), Fault> {
    if exists {
        return Ok(());
    }
    let name = section.name();
    Err(at.fault(
        format!("there is no {name} {:?}", id.as_str()),
        format!("add a [[{name}]] with this id and its services, or correct the id"),
    ))
}

/// Who shares addresses has none to bind or to give media ranges.
fn nothing_of_its_own(at: At<'_>, psap: &PsapEntry, key: &str) -> Result<(), Fault> {
    for (own, given) in [("media", psap.media.is_some()), ("bind", !psap.bind.is_empty())] {
        if given {
            return Err(at.key(own).fault(
                format!("{own} says nothing here: the addresses are those of its {key}"),
                format!("move {own} to the {key}'s entry"),
            ));
        }
    }
    Ok(())
}

/// An empty list is never meant: it would be an entry for nobody, or read as one for everybody.
fn lists(config: &Config) -> Result<(), Fault> {
    let next = "write what is meant, or remove the entry";
    for Named { at, claims, .. } in config.named() {
        // PSAPs that share have none; sites and elements were looked at before.
        let elements = matches!(at.section, Section::Psap | Section::Site | Section::Element);
        if claims.is_empty() && !elements {
            return Err(at.fault("the entry is empty: it names no address or no service", next));
        }
    }
    peers(config, next)
}

fn peers(config: &Config, next: &str) -> Result<(), Fault> {
    for peer in &config.peer {
        let at = At::new(Section::Peer, peer.place, peer.id.as_str());
        if peer.addresses.is_empty() {
            return Err(at.key("addresses").fault("the list of addresses is empty", next));
        }
        if peer.services.as_ref().is_some_and(Vec::is_empty) {
            return Err(at.key("services").fault(
                "the list of services is empty",
                "write its SIP ports, or leave services out for the usual ones",
            ));
        }
    }
    Ok(())
}

/// Names for people end up on terminals and in reports.
fn names(config: &Config) -> Result<(), Fault> {
    let psaps = config.psap.iter().map(|e| (Section::Psap, e.place, &e.id, &e.name));
    let sites = config.site.iter().map(|e| (Section::Site, e.place, &e.id, &e.name));
    let elements = config.element.iter().map(|e| (Section::Element, e.place, &e.id, &e.name));
    let peers = config.peer.iter().map(|e| (Section::Peer, e.place, &e.id, &e.name));
    for (section, place, id, name) in psaps.chain(sites).chain(elements).chain(peers) {
        let at = At::new(section, place, id.as_str()).key("name");
        if let Some(name) = name {
            text(at, name)?;
        }
    }
    Ok(())
}

/// A text for people: something in it, one line, no control characters.
pub(super) fn text(at: At<'_>, text: &str) -> Result<(), Fault> {
    let key = at.key;
    if text.trim().is_empty() {
        return Err(at.fault(format!("{key} is empty"), format!("write {key} in a few words")));
    }
    if text.len() > TEXT_MAX || text.contains(char::is_control) {
        return Err(at.fault(
            format!("{key} is longer than {TEXT_MAX} bytes or has control characters"),
            "write one short line",
        ));
    }
    Ok(())
}
