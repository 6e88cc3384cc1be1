//! All calls that are known, and the ports they hold open.
//!
//! A call is known once for each of its elements: by its Call-ID, the element's counter slot and
//! the partner. A stranger is its address, so that nobody speaks in another's call; configured
//! parties may answer from any address of theirs. Of Call-IDs and strangers only hashes are known.

mod kept;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub use self::kept::Entry;
use super::copies::Ends;
use super::counts::Counts;
use super::dialog::{Call, Side, State, Wanted};
use super::digest::digest;
use super::directory::{Directory, Permission};
use super::message::{Message, Method, Start};
use super::pins::{Outcome, Pins, Port, Ports, Sources, address};
use super::sdp::{self, Description};
use super::tally::Tallies;

/// Calls of configured parties, and as many of strangers, that are known at once: a hundred times
/// what a whole state has. The pins of a call that is thrown out stay, and end by themselves.
pub const CALLS_MAX: usize = 4096;
/// How often the pins of a living call are refreshed, in nanoseconds.
pub const REFRESH: u64 = 60 * SECOND;
/// How long a call that is set up may be silent (timer C, RFC 3261 section 16.6).
const EARLY: u64 = 180 * SECOND;
/// How long one that was answered may be: those that send no session refresh (RFC 4028) last
/// hardly longer. The data plane's pins of signalling end with the same.
const ANSWERED: u64 = 3 * 3600 * SECOND;
/// How long one that is over is remembered: retransmissions end after 64 x T1.
const OVER: u64 = 64 * SECOND;
const SECOND: u64 = 1_000_000_000;

/// Whom an element talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Partner {
    /// A configured party: the counter slot of an element, else 0.
    Configured(u32),
    /// Anybody else: the hash of an address.
    Stranger(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    /// The hash of its Call-ID.
    call: u64,
    slot: u32,
    partner: Partner,
}

/// The calls.
#[derive(Debug, Default)]
pub struct Calls {
    calls: BTreeMap<Key, Call>,
    /// How many calls hold a port.
    holders: HashMap<Port, u32>,
    strangers: usize,
    /// What would be kept may have changed.
    changed: bool,
}

/// What calls are followed with.
pub struct Tools<'a, P> {
    /// Who is who.
    pub directory: &'a Directory,
    /// The pins.
    pub pins: &'a mut Pins<P>,
    /// The counters.
    pub counts: &'a mut Counts,
    /// What becomes of calls.
    pub tallies: &'a Tallies,
    /// Monotonic nanoseconds.
    pub now: u64,
}

impl<P: Ports> Tools<'_, P> {
    /// Opens a port; whether it is open.
    fn open(&mut self, port: &Port, sources: &Sources) -> bool {
        let outcome = self.pins.open(port, sources, self.now);
        self.count(outcome);
        self.counts.opened += u64::from(outcome != Outcome::NoRoom);
        outcome != Outcome::NoRoom
    }

    fn refresh(&mut self, port: &Port, sources: &Sources) {
        let outcome = self.pins.refresh(port, sources, self.now);
        self.count(outcome);
    }

    const fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Open => {}
            Outcome::Displaced => self.counts.displaced += 1,
            Outcome::NoRoom => self.counts.no_room += 1,
        }
    }
}

impl Calls {
    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes in a message: for the element that sent it, and for the one that it is for.
    pub fn hear<P: Ports>(&mut self, ends: &Ends, message: &Message, tools: &mut Tools<'_, P>) {
        let Ends { source, destination, from_element, configured, time: _ } = *ends;
        let directory = tools.directory;
        let partner = |other| match configured {
            true => Partner::Configured(directory.element(other).unwrap_or(0)),
            false => Partner::Stranger(digest(directory.hash_key, &address(other).0)),
        };
        let call = digest(directory.hash_key, &message.call_id);
        let key = |slot, other| Key { call, slot, partner: partner(other) };
        if from_element && let Some(slot) = directory.element(source) {
            self.hear_one(key(slot, destination), Side::Element, ends, message, tools);
        }
        // Of what an element sends a stranger is no part, whatever address it is sent to.
        if (configured || !from_element)
            && let Some(slot) = directory.element(destination)
        {
            self.hear_one(key(slot, source), Side::Partner, ends, message, tools);
        }
    }

    fn hear_one<P: Ports>(
        &mut self,
        key: Key,
        side: Side,
        ends: &Ends,
        message: &Message,
        tools: &mut Tools<'_, P>,
    ) {
        let negotiates = !matches!(message.method, Method::Bye | Method::Other);
        let described = message.sdp.as_deref().filter(|_| negotiates).and_then(sdp::read);
        let is_invite = message.start == Start::Request(Method::Invite);
        let may_begin = described.is_some() && (side == Side::Element || is_invite);
        if !self.calls.contains_key(&key) && !may_begin {
            return;
        }
        let said = described.as_ref().map(|said| said.fingerprint);
        let is_relayed = self.is_relayed(&key, side, said, tools);
        let described = described_by(side, described.filter(|_| !is_relayed), &key, ends, tools);
        self.make_room(&key, tools.counts);
        let (signalling, begins) = match side {
            Side::Element => (ends.destination, ends.time),
            Side::Partner => (ends.source, ends.time),
        };
        let strangers = &mut self.strangers;
        let call = self.calls.entry(key).or_insert_with(|| {
            *strangers += usize::from(!ends.configured);
            Call::new(tools.directory.tag(signalling), ends.configured, begins)
        });
        self.changed = true;
        call.last = call.last.max(ends.time);
        call.hear(side, message, described);
        if ends.configured {
            call.fate.hear(side, message, ends.time, (key.slot, tools.tallies));
        }
        self.settle(&key, tools);
    }

    /// Whether an element only passes on what it heard from the other side of a proxy, which may
    /// say anything about the element's ports. In whichever order the two copies are read.
    fn is_relayed<P: Ports>(
        &mut self,
        key: &Key,
        side: Side,
        said: Option<u64>,
        tools: &mut Tools<'_, P>,
    ) -> bool {
        let Some(said) = said else {
            return false;
        };
        let first = Key { partner: Partner::Configured(0), ..*key };
        let legs = self.calls.range(first..);
        let legs = legs.take_while(|(leg, _)| leg.slot == key.slot && leg.call == key.call);
        let others = legs.filter(|(leg, _)| *leg != key);
        if side == Side::Element {
            let is = others.into_iter().any(|(_, call)| call.has_said(Side::Partner, said));
            tools.counts.relayed += u64::from(is);
            return is;
        }
        let others = others.filter(|(_, call)| call.has_said(Side::Element, said));
        for leg in others.map(|(leg, _)| *leg).collect::<Vec<_>>() {
            tools.counts.relayed += 1;
            if let Some(call) = self.calls.get_mut(&leg) {
                call.disown(said);
            }
            self.settle(&leg, tools);
        }
        false
    }

    /// Opens what a call wants and has not, and releases what it has and does not want.
    fn settle<P: Ports>(&mut self, key: &Key, tools: &mut Tools<'_, P>) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let wanted = call.wanted(tools.directory);
        for (port, Wanted { sources, implied }) in &wanted {
            match call.opened.get(port) {
                Some(known) if known == sources => {}
                Some(_) => {
                    tools.refresh(port, sources);
                    call.opened.insert(*port, *sources);
                }
                // What nobody named may be another call's.
                None if *implied && self.holders.contains_key(port) => {}
                None if tools.open(port, sources) => {
                    call.opened.insert(*port, *sources);
                    *self.holders.entry(*port).or_default() += 1;
                }
                None => {}
            }
        }
        let gone: Vec<_> =
            call.opened.keys().filter(|port| !wanted.contains_key(port)).copied().collect();
        for port in gone {
            call.opened.remove(&port);
            if let_go(&mut self.holders, &port) {
                tools.pins.release(&port, tools.now);
                tools.counts.released += 1;
            }
        }
    }

    /// Refreshes the pins of living calls, and forgets those that are not.
    pub fn tick<P: Ports>(&mut self, tools: &mut Tools<'_, P>) {
        let now = tools.now;
        let mut silent = Vec::new();
        for (key, call) in &mut self.calls {
            call.fate.wait(now, (key.slot, tools.tallies));
            let silence = now.saturating_sub(call.last);
            let patience = match call.state {
                State::Early | State::Leaving => EARLY,
                State::Answered => ANSWERED,
                State::Over => OVER,
            };
            if silence > patience {
                silent.push(*key);
            } else if call.state != State::Leaving && now.saturating_sub(call.refreshed) >= REFRESH
            {
                call.refreshed = now;
                for (port, sources) in &call.opened {
                    tools.refresh(port, sources);
                }
            }
        }
        silent.iter().for_each(|key| self.forget(key));
    }

    /// Throws out an eighth of the calls of a kind if there is no room for one more: those first
    /// that opened nothing, and the longest silent of them.
    fn make_room(&mut self, key: &Key, counts: &mut Counts) {
        let is_stranger = matches!(key.partner, Partner::Stranger(_));
        let known = if is_stranger { self.strangers } else { self.calls.len() - self.strangers };
        if known < CALLS_MAX || self.calls.contains_key(key) {
            return;
        }
        let same = |key: &Key| matches!(key.partner, Partner::Stranger(_)) == is_stranger;
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .filter(|(key, _)| same(key))
            .map(|(key, call)| (!call.opened.is_empty(), call.last, *key))
            .collect();
        calls.sort_unstable();
        for (_, _, key) in calls.iter().take(CALLS_MAX / 8) {
            self.forget(key);
            counts.forgotten += 1;
        }
    }

    /// Forgets a call. What it opened stays open until the data plane ends it.
    fn forget(&mut self, key: &Key) {
        let Some(call) = self.calls.remove(key) else {
            return;
        };
        self.strangers -= usize::from(matches!(key.partner, Partner::Stranger(_)));
        self.changed = true;
        for port in call.opened.keys() {
            let_go(&mut self.holders, port);
        }
    }
}

/// One holder less; whether that was the last.
fn let_go(holders: &mut HashMap<Port, u32>, port: &Port) -> bool {
    match holders.get_mut(port) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        _ => {
            holders.remove(port);
            true
        }
    }
}

/// A description with what of it counts: of an element's, the ports that are its own to open.
fn described_by<P>(
    side: Side,
    description: Option<Description>,
    key: &Key,
    ends: &Ends,
    tools: &mut Tools<'_, P>,
) -> Option<Description> {
    let mut description = description?;
    for flow in description.streams.iter_mut().flat_map(|stream| &mut stream.flows) {
        // A host name: its own, or it would not receive anything.
        flow.address.get_or_insert(ends.source);
    }
    if side == Side::Partner {
        return Some(description);
    }
    for stream in &mut description.streams {
        stream.flows.retain(|flow| {
            let address = flow.address.unwrap_or(ends.source);
            let Tools { directory, counts, .. } = &mut *tools;
            match directory.permission(key.slot, address, flow.port, flow.protocol) {
                Permission::Open => return true,
                _ if flow.implied => {}
                Permission::Elsewhere => counts.elsewhere += 1,
                Permission::Refused => counts.refused += 1,
            }
            false
        });
    }
    Some(description)
}
