//! Differences of everything with an id: elements, peers, services, tunnels, stations.
//!
//! Each entry is laid out the same way first: lists of things that it can gain and lose, and facts
//! that are one way or another. What it loses tightens, what it gains opens.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{Difference, Effect, plural};
use crate::config::{
    AddressEntry, Bind, Config, ElementEntry, Endpoint, Id, MediaSpec, Number, PeerEntry,
    PortRange, PsapEntry, Role, Section, SiteEntry, SupportEntry, TunnelEntry,
};

/// An entry, laid out.
struct Entry<'a> {
    section: Section,
    id: &'a Id,
    name: Option<&'a str>,
    /// What can be gained and lost: noun and things. `true` where the things are not to be shown.
    lists: Vec<(&'static str, BTreeSet<String>, bool)>,
    /// What is one way or another, and how open that is: names and the like are all the same.
    facts: Vec<(&'static str, String, u8)>,
}

pub(super) fn compare(before: &Config, after: &Config, found: &mut Vec<Difference>) {
    let (before, after) = (entries(before), entries(after));
    let (old, new) = (by_id(&before), by_id(&after));
    for (key, entry) in &old {
        match new.get(key) {
            None => found.push(removed(entry)),
            Some(now) => changed(entry, now, found),
        }
    }
    for (_, entry) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        let text = format!("{} is new{}", entry.title(), entry.contents());
        found.push(Difference::new(entry.section, entry.id.as_str(), Effect::Opens, text));
    }
}

fn by_id<'a, 'b>(entries: &'b [Entry<'a>]) -> BTreeMap<(Section, &'a str), &'b Entry<'a>> {
    entries.iter().map(|entry| ((entry.section, entry.id.as_str()), entry)).collect()
}

fn removed(entry: &Entry<'_>) -> Difference {
    let text = format!("{} is removed{}", entry.title(), entry.contents());
    let gone = Difference::new(entry.section, entry.id.as_str(), Effect::Tightens, text);
    Difference { removed: true, ..gone }
}

fn changed(before: &Entry<'_>, after: &Entry<'_>, found: &mut Vec<Difference>) {
    let (section, id, title) = (after.section, after.id.as_str(), after.title());
    let mut add = |effect, text| found.push(Difference::new(section, id, effect, text));
    for ((noun, old, hidden), (_, new, _)) in before.lists.iter().zip(&after.lists) {
        for (from, to, verb, effect) in
            [(old, new, "loses", Effect::Tightens), (new, old, "gains", Effect::Opens)]
        {
            let things: Vec<&str> = from.difference(to).map(String::as_str).collect();
            if things.is_empty() {
                continue;
            }
            let things = match hidden {
                true => plural(things.len(), noun),
                false => format!("{noun} {}", things.join(", ")),
            };
            add(effect, format!("{title} {verb} {things}"));
        }
    }
    for ((key, old, open), (_, new, now_open)) in before.facts.iter().zip(&after.facts) {
        if old != new {
            let effect = match now_open.cmp(open) {
                Ordering::Less => Effect::Tightens,
                Ordering::Equal => Effect::Neither,
                Ordering::Greater => Effect::Opens,
            };
            add(effect, format!("{title}: {key} {old} -> {new}"));
        }
    }
}

impl<'a> Entry<'a> {
    fn new(section: Section, id: &'a Id, name: Option<&'a String>) -> Self {
        let name = name.map(String::as_str);
        let facts = vec![("name", name.unwrap_or("none").to_owned(), 0)];
        Self { section, id, name, lists: Vec::new(), facts }
    }

    fn list<T: Display>(mut self, noun: &'static str, things: impl IntoIterator<Item = T>) -> Self {
        let things = things.into_iter().map(|thing| thing.to_string()).collect();
        self.lists.push((noun, things, false));
        self
    }

    /// Numbers are compared, and not shown.
    fn numbers(mut self, numbers: &[Number]) -> Self {
        let numbers = numbers.iter().map(|number| number.reveal().to_owned()).collect();
        self.lists.push(("administrative number", numbers, true));
        self
    }

    fn fact(mut self, key: &'static str, value: impl ToString) -> Self {
        self.facts.push((key, value.to_string(), 0));
        self
    }

    /// What a tunnel carries passes whole, or is held to what it would be without the tunnel.
    fn inside(mut self, inside: Option<Role>) -> Self {
        let (word, open) = match inside {
            None => ("passes whole", 2),
            Some(Role::Trusted) => ("trusted", 1),
            Some(Role::Untrusted) => ("untrusted", 0),
        };
        self.facts.push(("inside", word.to_owned(), open));
        self
    }

    /// Where no binding is written, an address may come in by every trusted interface.
    fn bound(self, bind: &[Bind]) -> Self {
        let everywhere = bind.is_empty().then(|| "every trusted interface".to_owned());
        let names = bind.iter().map(ToString::to_string);
        self.list("way in by", names.chain(everywhere))
    }

    fn title(&self) -> String {
        let Self { section, id, name, .. } = self;
        match name {
            Some(name) => format!("{} {id} {name}", section.name()),
            None => format!("{} {id}", section.name()),
        }
    }

    /// How much of everything it has.
    fn contents(&self) -> String {
        let counts: Vec<String> = self
            .lists
            .iter()
            .filter(|(noun, things, _)| *noun != "way in by" && !things.is_empty())
            .map(|(noun, things, _)| plural(things.len(), noun))
            .collect();
        if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) }
    }
}

fn entries(config: &Config) -> Vec<Entry<'_>> {
    let psaps = config.psap.iter().map(psap);
    let sites = config.site.iter().map(site);
    let elements = config.element.iter().map(element);
    let peers = config.peer.iter().map(peer);
    let support = config.support.iter().map(support);
    let tunnels = config.tunnel.iter().map(tunnel);
    let stations = config.management.iter().map(|entry| station(Section::Management, entry));
    let neighbours = config.neighbour.iter().map(|entry| station(Section::Neighbour, entry));
    let elements = psaps.chain(sites).chain(elements);
    elements.chain(peers).chain(support).chain(tunnels).chain(stations).chain(neighbours).collect()
}

/// Media as it counts: what is not written is every port of the addresses.
fn media(written: Option<&Vec<MediaSpec>>, services: &[Endpoint]) -> Vec<String> {
    let all = |endpoint: &Endpoint| {
        MediaSpec { network: endpoint.network, ports: PortRange::MEDIA }.to_string()
    };
    match written {
        Some(written) => written.iter().map(ToString::to_string).collect(),
        None => services.iter().map(all).collect(),
    }
}

fn psap(entry: &PsapEntry) -> Entry<'_> {
    let PsapEntry { id, name, services, media: ranges, admin, bind, site, via, place: _ } = entry;
    let or_none = |id: &Option<Id>| id.as_ref().map_or("none", Id::as_str).to_owned();
    Entry::new(Section::Psap, id, name.as_ref())
        .list("service", services)
        .list("media range", media(ranges.as_ref(), services))
        .numbers(admin)
        .bound(bind)
        .fact("site", or_none(site))
        .fact("via", or_none(via))
}

fn site(entry: &SiteEntry) -> Entry<'_> {
    let SiteEntry { id, name, services, media: ranges, admin, bind, place: _ } = entry;
    Entry::new(Section::Site, id, name.as_ref())
        .list("service", services)
        .list("media range", media(ranges.as_ref(), services))
        .numbers(admin)
        .bound(bind)
}

fn element(entry: &ElementEntry) -> Entry<'_> {
    let ElementEntry { id, kind, name, services, media: ranges, admin, bind, place: _ } = entry;
    Entry::new(Section::Element, id, name.as_ref())
        .list("service", services)
        .list("media range", media(ranges.as_ref(), services))
        .numbers(admin)
        .bound(bind)
        .fact("kind", format!("{kind:?}").to_lowercase())
}

fn peer(entry: &PeerEntry) -> Entry<'_> {
    let PeerEntry { id, name, addresses, services, media: ranges, bind, place: _ } = entry;
    let usual = || vec!["the usual SIP ports".to_owned()];
    let services = services.as_ref().map_or_else(usual, |list| texts(list));
    let all = || addresses.iter().map(|net| format!("{net}, ports {}", PortRange::MEDIA)).collect();
    Entry::new(Section::Peer, id, name.as_ref())
        .list("address", addresses)
        .list("service", services)
        .list("media range", ranges.as_ref().map_or_else(all, |list| texts(list)))
        .bound(bind)
}

fn support(entry: &SupportEntry) -> Entry<'_> {
    let SupportEntry { id, name, addresses, ports, bind, place: _ } = entry;
    Entry::new(Section::Support, id, name.as_ref())
        .list("address", addresses)
        .list("port", ports)
        .bound(bind)
}

fn tunnel(entry: &TunnelEntry) -> Entry<'_> {
    let TunnelEntry {
        id,
        name,
        addresses,
        kinds,
        vxlan_port,
        wireguard_port,
        inside,
        bind,
        place: _,
    } = entry;
    let ports = [("VXLAN", vxlan_port), ("WireGuard", wireguard_port)];
    let ports = ports.into_iter().filter_map(|(of, port)| port.map(|port| format!("{of} {port}")));
    Entry::new(Section::Tunnel, id, name.as_ref())
        .list("address", addresses)
        .list("kind", kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()))
        .list("port", ports)
        .inside(*inside)
        .bound(bind)
}

fn station(section: Section, entry: &AddressEntry) -> Entry<'_> {
    let AddressEntry { id, name, addresses, bind, place: _ } = entry;
    Entry::new(section, id, name.as_ref()).list("address", addresses).bound(bind)
}

fn texts<T: Display>(things: &[T]) -> Vec<String> {
    things.iter().map(ToString::to_string).collect()
}
