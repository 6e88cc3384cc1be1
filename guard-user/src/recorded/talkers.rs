//! Who talks to the elements and is in no entry, and what the elements say to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use guard_common::abi::party::{KIND_MEDIA, KIND_SIP};
use guard_common::class::{Class, Kind};
use guard_common::reason::Reason;
use guard_common::wire::{protocol, tcp};

use super::kept::{Facts, Kept};
use super::parties::Parties;

/// Below this a port is a server's.
const SERVERS: u16 = 1024;
/// Protocol and port of a service.
pub type Port = (u8, u16);

/// What an element's SIP said to a talker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// Nothing that was seen.
    #[default]
    Nothing,
    /// Only that it does not want this.
    No,
    /// An answer that is none of those, a request, or something encrypted.
    Something,
}

/// Somebody in no entry who talks to elements.
#[derive(Clone, Debug, Default)]
pub struct Talker {
    /// About how many frames came from it.
    pub came: u64,
    /// Of them, about how many were dropped, or would have been by enforcing.
    pub over: u64,
    /// Of them, about how many because it alone sent too much.
    pub over_alone: u64,
    /// About how many frames elements sent to it.
    pub answers: u64,
    /// First and last frame, in milliseconds since 1970.
    pub times: Option<(u64, u64)>,
    /// Interface, and VLAN or 0, by which it came.
    pub vias: BTreeSet<(String, u16)>,
    /// Elements it talked to.
    pub elements: BTreeSet<String>,
    /// It carried emergency markers.
    pub marked: bool,
    /// It talked to SIP services.
    pub sip: bool,
    /// What was said to it there.
    pub said: Said,
    /// It sent media.
    pub media: bool,
    /// Media was sent to it.
    pub media_back: bool,
    /// Services of its own that elements asked, and those of which answers came back.
    pub asked: BTreeSet<Port>,
    /// Likewise.
    pub served: BTreeSet<Port>,
    /// Other services of elements it talked to, and about how many frames were over a limit.
    pub others: BTreeMap<(IpAddr, Port), u64>,
    /// Those of which something came back.
    pub others_back: BTreeSet<(IpAddr, Port)>,
}

/// Everybody in no entry who talks to elements.
#[must_use]
pub fn talkers(frames: impl Iterator<Item = Kept>, parties: &Parties) -> BTreeMap<IpAddr, Talker> {
    let mut talkers: BTreeMap<IpAddr, Talker> = BTreeMap::new();
    for kept in frames {
        let Some(facts) = kept.facts() else {
            continue;
        };
        let Facts { source, destination, .. } = facts;
        if let (Some(element), false) = (parties.element(destination), parties.know(source)) {
            let talker = talkers.entry(source).or_default();
            talker.note_time(kept.at);
            talker.elements.insert(element.to_owned());
            talker.come(&kept, &facts, parties);
        } else if parties.element(source).is_some() && !parties.know(destination) {
            let talker = talkers.entry(destination).or_default();
            talker.note_time(kept.at);
            talker.answer(&kept, &facts, parties);
        }
    }
    // Whom elements only talk to talks to none.
    talkers.retain(|_, talker| talker.came != 0);
    talkers
}

impl Talker {
    fn note_time(&mut self, at: u64) {
        let (first, last) = self.times.unwrap_or((at, at));
        self.times = Some((first.min(at), last.max(at)));
    }

    /// A frame of the talker's.
    fn come(&mut self, kept: &Kept, facts: &Facts, parties: &Parties) {
        let Facts { destination, protocol, source_port, destination_port, vlan, .. } = *facts;
        let (frames, reason) = (u64::from(kept.stands_for), kept.reason());
        let over = if reason.dropped_counter().is_some() { frames } else { 0 };
        self.came = self.came.saturating_add(frames);
        self.over = self.over.saturating_add(over);
        if is_over_alone(reason) {
            self.over_alone = self.over_alone.saturating_add(over);
        }
        self.vias.extend(kept.via.clone().map(|via| (via, vlan)));
        self.marked |= reason.is_labelled();
        if is_server(protocol, source_port, destination_port) {
            self.served.insert((protocol, source_port));
            return;
        }
        match parties.kind(destination, protocol, destination_port) {
            Some(KIND_SIP) => self.sip = true,
            Some(KIND_MEDIA) => self.media = true,
            _ => {
                let service = (destination, (protocol, destination_port));
                *self.others.entry(service).or_default() += over;
            }
        }
    }

    /// A frame of an element's to the talker.
    fn answer(&mut self, kept: &Kept, facts: &Facts, parties: &Parties) {
        let Facts { source, protocol, source_port, destination_port, .. } = *facts;
        self.answers = self.answers.saturating_add(u64::from(kept.stands_for));
        if is_server(protocol, destination_port, source_port) {
            self.asked.insert((protocol, destination_port));
            return;
        }
        let line = kept.start_line.as_deref();
        match parties.kind(source, protocol, source_port) {
            Some(KIND_SIP) => self.said = self.said.max(said(line, facts)),
            Some(KIND_MEDIA) if line.is_some() => self.said = self.said.max(said(line, facts)),
            Some(KIND_MEDIA) => self.media_back = true,
            _ if is_refusal(facts) => {}
            _ => drop(self.others_back.insert((source, (protocol, source_port)))),
        }
    }
}

/// Whether the first port is one that is asked, and the second one that asks.
const fn is_server(protocol: u8, port: u16, other: u16) -> bool {
    matches!(protocol, protocol::UDP | protocol::TCP)
        && port != 0
        && port < SERVERS
        && other >= SERVERS
}

/// Whether it says only that nobody is there.
const fn is_refusal(facts: &Facts) -> bool {
    facts.protocol == protocol::TCP && facts.tcp_flags & tcp::RST != 0
}

/// What an element's SIP says: by its status, or, encrypted, that it says something at all.
fn said(line: Option<&str>, facts: &Facts) -> Said {
    match line {
        None if facts.protocol == protocol::TCP && facts.payload != 0 => Said::Something,
        None => Said::Nothing,
        Some(line) => match line.strip_prefix("SIP/2.0 ").and_then(|code| code.chars().next()) {
            Some('4' | '5' | '6') => Said::No,
            _ => Said::Something,
        },
    }
}

fn is_over_alone(reason: Reason) -> bool {
    match reason.class() {
        Class::Limited(kind) => {
            reason == guard_common::reason::Droppable::over_source(kind).reason()
                && !matches!(kind, Kind::PinnedOther)
        }
        _ => false,
    }
}
