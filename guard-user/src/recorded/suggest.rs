//! `guard suggest`: who talks to the elements and is in no entry, as entries to paste.
//!
//! Suggested is only whom an element answers, and nobody who sends more than its share: a flood
//! must not be talked into the configuration. What is left out is said. The lines are entries of
//! the configuration that was asked about: with them it is still right.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use guard_common::wire::protocol;
use serde::Serialize;

use super::kept::Kept;
use super::parties::Parties;
use super::talkers::{Port, Said, Talker, talkers};
use crate::config::{
    AclEntryConfig, Bind, Config, Id, MediaSpec, Network, PeerEntry, Place, SupportEntry, Zones,
};

/// Most entries that are suggested: more than a person reads.
const SUGGESTIONS_MAX: usize = 100;
/// Most talkers that are told of by name as left out; the rest are counted.
const LEFT_OUT_MAX: usize = 20;
/// Above this part of its frames, in percent, over its own limit, a talker is a flood.
const FLOOD_PERCENT: u64 = 10;
/// At least one answer for so many frames, where frames are over a limit.
const FRAMES_PER_ANSWER: u64 = 4;

/// What can be suggested.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Suggestions {
    /// Entries, those with the most frames first.
    pub entries: Vec<Suggestion>,
    /// What is not suggested, and why.
    pub left_out: Vec<LeftOut>,
    /// Talkers left out besides, of whom there are too many to name.
    pub more_left_out: u64,
}

/// An entry to paste.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestion {
    /// The section: "peer", "support" or "allow".
    pub section: &'static str,
    /// Whom it is about.
    pub address: IpAddr,
    /// The entry as TOML.
    pub toml: String,
    /// What was seen.
    pub evidence: Evidence,
}

/// What was seen of a talker.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// About how many frames it sent to elements.
    pub frames: u64,
    /// Of them, those that were dropped, or would have been by enforcing.
    pub over_limit: u64,
    /// About how many frames elements sent to it.
    pub answers: u64,
    /// First frame, RFC 3339.
    pub first: String,
    /// Last frame.
    pub last: String,
    /// Whether it carried emergency markers.
    pub marked: bool,
    /// Elements it talked to.
    pub elements: Vec<String>,
}

/// A talker that is not suggested.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Whom.
    pub address: IpAddr,
    /// Why not.
    pub why: &'static str,
    /// What was seen.
    pub evidence: Evidence,
}

/// An entry of the configuration.
enum Entry {
    Peer(PeerEntry),
    Support(SupportEntry),
    Allow(Vec<AclEntryConfig>),
}

impl Suggestions {
    /// From recorded frames, for this configuration.
    #[must_use]
    pub fn new(frames: impl Iterator<Item = Kept>, config: &Config) -> Self {
        let mut found: Vec<_> = talkers(frames, &Parties::new(config)).into_iter().collect();
        found.sort_by_key(|(address, talker)| (std::cmp::Reverse(talker.came), *address));
        let mut suggestions = Self::default();
        let mut wanted = Vec::new();
        for (address, talker) in &found {
            match entry(*address, talker, config) {
                Ok(entry) if wanted.len() < SUGGESTIONS_MAX => {
                    wanted.push((*address, talker, entry));
                }
                Ok(_) => suggestions.leave_out(*address, talker, "more than a hundred before it"),
                Err(why) => suggestions.leave_out(*address, talker, why),
            }
        }
        let all_fit = fit(config, wanted.iter().map(|(_, _, entry)| entry));
        let mut accepted = Vec::new();
        for (address, talker, entry) in wanted {
            accepted.push(entry);
            if !all_fit && !fit(config, accepted.iter()) {
                accepted.pop();
                suggestions.leave_out(address, talker, CONTRADICTS);
            } else if let Some(entry) = accepted.last() {
                suggestions.add(address, talker, entry);
            }
        }
        suggestions
    }

    fn add(&mut self, address: IpAddr, talker: &Talker, entry: &Entry) {
        let (section, toml) = match entry {
            Entry::Peer(peer) => ("peer", peer_toml(peer)),
            Entry::Support(support) => ("support", support_toml(support)),
            Entry::Allow(allows) => ("allow", allows.iter().map(allow_toml).collect()),
        };
        let evidence = Evidence::of(talker);
        self.entries.push(Suggestion { section, address, toml, evidence });
    }

    fn leave_out(&mut self, address: IpAddr, talker: &Talker, why: &'static str) {
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(LeftOut { address, why, evidence: Evidence::of(talker) });
        } else {
            self.more_left_out += 1;
        }
    }
}

const CONTRADICTS: &str = "an entry for it would contradict the configuration";

/// Whether the configuration with these entries is still right.
fn fit<'a>(config: &Config, entries: impl Iterator<Item = &'a Entry>) -> bool {
    let mut config = config.clone();
    for entry in entries {
        match entry {
            Entry::Peer(peer) => config.peer.push(peer.clone()),
            Entry::Support(support) => config.support.push(support.clone()),
            Entry::Allow(allows) => config.allow.extend(allows.iter().cloned()),
        }
    }
    config.validate().is_ok()
}

/// The entry for a talker, or why there is none.
fn entry(address: IpAddr, talker: &Talker, config: &Config) -> Result<Entry, &'static str> {
    let network = address.to_string().parse::<Network>().map_err(|_| "it is no address")?;
    if talker.over_alone.saturating_mul(100) > talker.came.saturating_mul(FLOOD_PERCENT) {
        return Err("it sends more than its limit: a flood, or a carrier; see who it is");
    }
    let bind = bind(talker, config);
    let signals = talker.sip && talker.said == Said::Something;
    if signals || talker.media && talker.media_back {
        return Ok(Entry::Peer(peer(address, network, bind, signals, config)?));
    }
    let asked: Vec<Port> = talker.served.intersection(&talker.asked).copied().collect();
    if !asked.is_empty() {
        let id = id("support", address, config)?;
        let ports = asked.iter().filter_map(|port| port_text(*port).parse().ok()).collect();
        let addresses = vec![network];
        let place = Place::LIVE;
        return Ok(Entry::Support(SupportEntry { id, name: None, addresses, ports, bind, place }));
    }
    let allows = allows(network, talker);
    if !allows.is_empty() {
        return Ok(Entry::Allow(allows));
    }
    Err(match talker {
        Talker { sip: true, said: Said::No, .. } => "the element refuses what it asks for",
        Talker { answers: 0, .. } => "no element answered",
        Talker { over: 0, .. } => "it is within its limits, and no party of calls",
        _ => "it is hardly answered for what it sends",
    })
}

fn peer(
    address: IpAddr,
    network: Network,
    bind: Vec<Bind>,
    signals: bool,
    config: &Config,
) -> Result<PeerEntry, &'static str> {
    let mut peer = PeerEntry::new(id("peer", address, config)?, vec![network]);
    peer.bind = bind;
    if !signals {
        peer.media = media(address).map(|media| vec![media]);
    }
    Ok(peer)
}

/// All media ports of an address.
fn media(address: IpAddr) -> Option<MediaSpec> {
    match address {
        IpAddr::V4(address) => address.to_string().parse().ok(),
        IpAddr::V6(address) => format!("[{address}]").parse().ok(),
    }
}

/// Entries for what is over a limit although an element answers it.
fn allows(source: Network, talker: &Talker) -> Vec<AclEntryConfig> {
    if talker.answers.saturating_mul(FRAMES_PER_ANSWER) < talker.came {
        return Vec::new();
    }
    let over = talker
        .others
        .iter()
        .filter(|(service, over)| **over != 0 && talker.others_back.contains(*service));
    let entries = over.filter_map(|((address, port), _)| {
        let mut entry = AclEntryConfig::new(
            source,
            "write who answers for it".to_owned(),
            "suggested from recorded traffic".to_owned(),
        );
        entry.destination = Some(address.to_string().parse().ok()?);
        entry.service = Some(match port {
            (protocol, 0) => protocol.to_string().parse().ok()?,
            port => port_text(*port).parse().ok()?,
        });
        Some(entry)
    });
    entries.collect()
}

/// A name nobody has yet.
fn id(section: &str, address: IpAddr, config: &Config) -> Result<Id, &'static str> {
    let taken: BTreeSet<&str> = config.named().map(|named| named.at.id).collect();
    let plain = format!("{section}-{address}");
    let numbered = (2..1000).map(|number| format!("{plain}-{number}"));
    let free =
        std::iter::once(plain.clone()).chain(numbered).find(|id| !taken.contains(id.as_str()));
    free.and_then(|id| id.parse().ok()).ok_or("no name is left for it")
}

/// The zones it came in by.
fn bind(talker: &Talker, config: &Config) -> Vec<Bind> {
    let zones = Zones::of(config);
    let names = talker.vias.iter().map(|(interface, vlan)| {
        let tagged = format!("{interface}.{vlan}");
        if *vlan != 0 && zones.knows(&tagged) { tagged } else { interface.clone() }
    });
    let known: BTreeSet<String> = names.filter(|name| zones.knows(name)).collect();
    known.into_iter().map(Bind::Zone).collect()
}

fn port_text((number, port): Port) -> String {
    match number {
        protocol::TCP => format!("{port}/tcp"),
        protocol::SCTP => format!("{port}/sctp"),
        _ => format!("{port}/udp"),
    }
}

impl Evidence {
    fn of(talker: &Talker) -> Self {
        let time = |at: u64| {
            let time = UNIX_EPOCH.checked_add(Duration::from_millis(at)).unwrap_or(UNIX_EPOCH);
            humantime::format_rfc3339_seconds(time).to_string()
        };
        let (first, last) = talker.times.unwrap_or_default();
        Self {
            frames: talker.came,
            over_limit: talker.over,
            answers: talker.answers,
            first: time(first),
            last: time(last),
            marked: talker.marked,
            elements: talker.elements.iter().cloned().collect(),
        }
    }
}

fn quoted(values: impl Iterator<Item = impl ToString>) -> String {
    let quoted = values.map(|value| text(&value.to_string()));
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

/// A text as TOML writes it, which for what can stand in one here is as JSON does.
fn text(value: &str) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn line(to: &mut String, key: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(to, "{key} = {value}");
}

fn peer_toml(peer: &PeerEntry) -> String {
    let mut toml = "[[peer]]\n".to_owned();
    line(&mut toml, "id", &text(peer.id.as_str()));
    line(&mut toml, "addresses", &quoted(peer.addresses.iter()));
    if let Some(media) = &peer.media {
        line(&mut toml, "media", &quoted(media.iter()));
    }
    bind_toml(&mut toml, &peer.bind);
    toml
}

fn support_toml(support: &SupportEntry) -> String {
    let mut toml = "[[support]]\n".to_owned();
    line(&mut toml, "id", &text(support.id.as_str()));
    line(&mut toml, "addresses", &quoted(support.addresses.iter()));
    line(&mut toml, "ports", &quoted(support.ports.iter()));
    bind_toml(&mut toml, &support.bind);
    toml
}

fn bind_toml(toml: &mut String, bind: &[Bind]) {
    if !bind.is_empty() {
        line(toml, "bind", &quoted(bind.iter()));
    }
}

fn allow_toml(allow: &AclEntryConfig) -> String {
    let mut toml = "[[allow]]\n".to_owned();
    line(&mut toml, "source", &text(&allow.source.to_string()));
    if let Some(destination) = &allow.destination {
        line(&mut toml, "destination", &text(&destination.to_string()));
    }
    if let Some(service) = &allow.service {
        line(&mut toml, "service", &text(&service.to_string()));
    }
    line(&mut toml, "owner", &text(&allow.owner));
    line(&mut toml, "reason", &text(&allow.reason));
    toml
}
