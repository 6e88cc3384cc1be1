//! One call as one of its elements sees it: what each side offered, and what came of it.
//!
//! Offers and answers are not told apart: what a side describes last is where it receives, from
//! the moment it says so (RFC 3264 section 5.1: it must be ready to). A transaction that fails
//! takes back what was said in it; one that succeeds replaces what was agreed before. Messages
//! may be missing, late or there twice.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::digest::digest;
use super::directory::Directory;
use super::fate::Fate;
use super::message::{Message, Method, Start};
use super::pins::{Port, Sources};
use super::sdp::{Description, Flow, Stream};

/// Descriptions of a call about which nothing is decided yet: offer and answer of an INVITE, a
/// PRACK and an UPDATE, and two answers of a fork.
const PROPOSALS_MAX: usize = 8;
/// Ports that one call may open: sixteen streams with RTP and RTCP, twice during a change.
const PORTS_MAX: usize = 64;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The element.
    Element,
    /// Who it talks to.
    Partner,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Element => Self::Partner,
            Self::Partner => Self::Element,
        }
    }
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is being set up.
    Early,
    /// It was answered.
    Answered,
    /// The partner hung up; the element has not agreed yet.
    Leaving,
    /// It is over. Remembered, so that what comes late does not begin it anew.
    Over,
}

/// A request and its responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transaction {
    by: Side,
    method: Method,
    number: u32,
}

/// What a side said about its media.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proposal {
    side: Side,
    transaction: Transaction,
    /// Of the answering party, in a response: of a fork each has its own.
    tag: Vec<u8>,
    order: u64,
    streams: Vec<Stream>,
    fingerprint: u64,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// How it stands.
    pub state: State,
    /// When it was last heard of, in monotonic nanoseconds.
    pub last: u64,
    /// When its pins were last refreshed.
    pub refreshed: u64,
    /// The ports it has opened.
    pub opened: BTreeMap<Port, Sources>,
    /// What is told of it.
    pub fate: Fate,
    configured: bool,
    signalling: u32,
    /// Their hashes.
    tags: Option<(u64, u64)>,
    /// Highest number of a request by the element and by the partner.
    newest: [u32; 2],
    order: u64,
    proposals: VecDeque<Proposal>,
    /// By the element and by the partner.
    agreed: [Option<Proposal>; 2],
    /// What an earlier reader had opened for it: wanted until the element agrees on something.
    inherited: BTreeMap<Port, Sources>,
}

/// What is kept of a call for the next reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    state: State,
    last: u64,
    signalling: u32,
    tags: Option<(u64, u64)>,
    newest: [u32; 2],
    /// The ports it has opened.
    pub opened: Vec<(Port, Sources)>,
}

/// A port that a call wants open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// For whom.
    pub sources: Sources,
    /// Nobody named it.
    pub implied: bool,
}

impl Call {
    /// A call with a partner whose signalling comes from the address with this tag.
    #[must_use]
    pub const fn new(signalling: u32, configured: bool, now: u64) -> Self {
        Self {
            state: State::Early,
            last: now,
            refreshed: now,
            opened: BTreeMap::new(),
            fate: Fate::Unknown,
            configured,
            signalling,
            tags: None,
            newest: [0; 2],
            order: 0,
            proposals: VecDeque::new(),
            agreed: [None, None],
            inherited: BTreeMap::new(),
        }
    }

    /// A call that an earlier reader knew. Its pins are due.
    #[must_use]
    pub fn of(kept: Kept, configured: bool, now: u64) -> Self {
        let Kept { state, last, signalling, tags, newest, opened } = kept;
        let opened: BTreeMap<_, _> = opened
            .into_iter()
            .take(PORTS_MAX)
            .map(|(port, sources)| (port, Sources { configured, ..sources }))
            .collect();
        Self {
            state,
            refreshed: 0,
            inherited: opened.clone(),
            opened,
            tags,
            newest,
            ..Self::new(signalling, configured, last.min(now))
        }
    }

    /// What the next reader has to know of it.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let Self { state, last, signalling, tags, newest, .. } = *self;
        let opened = self.opened.iter().map(|(port, sources)| (*port, *sources)).collect();
        Kept { state, last, signalling, tags, newest, opened }
    }

    /// Takes in what a side said; the description apart, because not all of it may count.
    pub fn hear(&mut self, side: Side, message: &Message, description: Option<Description>) {
        let transaction = transaction(side, message);
        let newest = self.newest(transaction.by);
        let negotiates = transaction.method != Method::Other && transaction.method != Method::Bye;
        if self.state == State::Over && !(negotiates && message.number > newest) {
            return;
        }
        if negotiates && message.number >= newest {
            self.revive(message);
            *self.newest_mut(transaction.by) = message.number;
            if let Some(description) = description {
                self.propose(side, transaction, message, description);
            }
        }
        match (message.start, transaction.method) {
            (Start::Request(Method::Bye), _) if self.fits(message) => {
                self.state = if side == Side::Element { State::Over } else { State::Leaving };
            }
            (Start::Request(Method::Ack), _) => self.agree(transaction, message),
            (Start::Request(_) | Start::Response(..200), _) => {}
            (Start::Response(..300), Method::Bye) => {
                if side == Side::Element && self.state == State::Leaving {
                    self.state = State::Over;
                }
            }
            (Start::Response(..300), _) => self.succeed(transaction, message),
            (Start::Response(_), Method::Bye) => self.stay(side),
            (Start::Response(_), _) => self.fail(transaction),
        }
        if self.state == State::Over {
            self.proposals.clear();
            self.agreed = [None, None];
            self.inherited.clear();
        }
    }

    /// A call that was turned down is tried again under its old name (RFC 3261 section 22.2). One
    /// that has a tag already was answered before it was heard of.
    fn revive(&mut self, message: &Message) {
        if self.state == State::Over {
            self.state = State::Early;
        }
        let is_request = matches!(message.start, Start::Request(Method::Invite | Method::Update));
        if self.state == State::Early && self.order == 0 && is_request && !message.to_tag.is_empty()
        {
            self.state = State::Answered;
        }
    }

    fn propose(
        &mut self,
        side: Side,
        transaction: Transaction,
        message: &Message,
        description: Description,
    ) {
        let (tag, is_offer) = match message.start {
            Start::Response(300..) => return,
            Start::Response(_) => (message.to_tag.clone(), false),
            Start::Request(Method::Invite | Method::Update) => (Vec::new(), true),
            Start::Request(_) => (Vec::new(), false),
        };
        let Description { mut streams, fingerprint } = description;
        for stream in &mut streams {
            // An offer must do without the sharing it hopes for (RFC 5761 section 5.1.1).
            let shares_port = stream.shares_port && !is_offer;
            stream.flows.retain(|flow| !(flow.implied && shares_port));
        }
        self.order += 1;
        let order = self.order;
        self.proposals.retain(|known| {
            (known.side, known.transaction, &known.tag) != (side, transaction, &tag)
        });
        if self.proposals.len() >= PROPOSALS_MAX {
            self.proposals.pop_front();
        }
        self.proposals.push_back(Proposal { side, transaction, tag, order, streams, fingerprint });
    }

    fn succeed(&mut self, transaction: Transaction, message: &Message) {
        if transaction.method == Method::Invite {
            self.tags = Some((tag(&message.from_tag), tag(&message.to_tag)));
            if self.state == State::Early {
                self.state = State::Answered;
            }
        }
        self.agree(transaction, message);
    }

    /// What was said in a transaction holds from now on; what others of a fork said does not.
    fn agree(&mut self, transaction: Transaction, message: &Message) {
        for proposal in std::mem::take(&mut self.proposals) {
            if proposal.transaction != transaction {
                self.proposals.push_back(proposal);
            } else if proposal.tag.is_empty() || proposal.tag == message.to_tag {
                if proposal.side == Side::Element {
                    self.inherited.clear();
                }
                let agreed = self.agreed_mut(proposal.side);
                if agreed.as_ref().is_none_or(|agreed| agreed.order < proposal.order) {
                    *agreed = Some(proposal);
                }
            }
        }
    }

    /// A call that fails is over; a change that fails leaves it as it was (RFC 3261 section 14.1).
    fn fail(&mut self, transaction: Transaction) {
        if transaction.number != self.newest(transaction.by) {
            return;
        }
        if transaction.method == Method::Invite && self.state == State::Early {
            self.state = State::Over;
        }
        self.proposals.retain(|proposal| proposal.transaction != transaction);
    }

    /// The element knows of no such call to hang up.
    fn stay(&mut self, side: Side) {
        if side == Side::Element && self.state == State::Leaving {
            self.state = State::Answered;
        }
    }

    /// Whether a message bears the tags of this call, as far as those are known.
    fn fits(&self, message: &Message) -> bool {
        self.tags.is_none_or(|(one, other)| {
            let (from, to) = (tag(&message.from_tag), tag(&message.to_tag));
            (one == from && other == to) || (one == to && other == from)
        })
    }

    /// Whether a side said this in these words.
    #[must_use]
    pub fn has_said(&self, side: Side, fingerprint: u64) -> bool {
        self.said(side).any(|proposal| proposal.fingerprint == fingerprint)
    }

    /// Takes back what the element said in these words: it only passed them on.
    pub fn disown(&mut self, fingerprint: u64) {
        let is = |known: &Proposal| known.side == Side::Element && known.fingerprint == fingerprint;
        self.proposals.retain(|known| !is(known));
        self.agreed_mut(Side::Element).take_if(|known| is(known));
    }

    /// The ports that should be open now.
    #[must_use]
    pub fn wanted(&self, directory: &Directory) -> BTreeMap<Port, Wanted> {
        let mut wanted = BTreeMap::new();
        let partner = self.said(Side::Partner).max_by_key(|proposal| proposal.order);
        for said in self.said(Side::Element) {
            for (number, stream) in said.streams.iter().enumerate() {
                let other = partner.and_then(|partner| partner.streams.get(number));
                for flow in &stream.flows {
                    if wanted.len() >= PORTS_MAX {
                        return wanted;
                    }
                    if let Some((port, want)) = self.want(directory, flow, other) {
                        let known = wanted.entry(port).or_insert(want);
                        known.implied &= want.implied;
                    }
                }
            }
        }
        for (port, sources) in &self.inherited {
            if wanted.len() < PORTS_MAX {
                let want = Wanted { sources: *sources, implied: false };
                wanted.entry(*port).or_insert(want);
            }
        }
        wanted
    }

    fn want(
        &self,
        directory: &Directory,
        flow: &Flow,
        other: Option<&Stream>,
    ) -> Option<(Port, Wanted)> {
        let Flow { address, port, protocol, implied } = *flow;
        let address = address?;
        let is_media = |flow: &Flow| {
            let media = flow.address.map(|address| (address, flow.port, flow.protocol));
            media.is_some_and(|(address, port, protocol)| {
                directory.is_configured_media(address, port, protocol)
            })
        };
        // Between configured media ranges everything passes without a pin.
        let theirs = other.map_or(&[][..], |other| &other.flows);
        if self.configured && is_media(flow) && !theirs.is_empty() && theirs.iter().all(is_media) {
            return None;
        }
        let sources = Sources {
            named: other.and_then(|other| other.address).map(|named| directory.tag(named)),
            signalling: self.signalling,
            configured: self.configured,
        };
        Some((Port { address, port, protocol }, Wanted { sources, implied }))
    }

    fn said(&self, side: Side) -> impl Iterator<Item = &Proposal> {
        let [element, partner] = &self.agreed;
        let agreed = if side == Side::Element { element } else { partner };
        agreed.iter().chain(self.proposals.iter().filter(move |proposal| proposal.side == side))
    }

    const fn agreed_mut(&mut self, side: Side) -> &mut Option<Proposal> {
        let [element, partner] = &mut self.agreed;
        if matches!(side, Side::Element) { element } else { partner }
    }

    const fn newest(&self, side: Side) -> u32 {
        let [element, partner] = self.newest;
        if matches!(side, Side::Element) { element } else { partner }
    }

    const fn newest_mut(&mut self, side: Side) -> &mut u32 {
        let [element, partner] = &mut self.newest;
        if matches!(side, Side::Element) { element } else { partner }
    }
}

/// A tag's hash. It is random, and so needs no key to say nothing (RFC 3261 section 19.3).
fn tag(tag: &[u8]) -> u64 {
    digest(0, tag)
}

/// The transaction of a message; an ACK belongs to its INVITE.
fn transaction(side: Side, message: &Message) -> Transaction {
    let by = match message.start {
        Start::Request(_) => side,
        Start::Response(_) => side.other(),
    };
    let method = match message.method {
        Method::Ack => Method::Invite,
        method => method,
    };
    Transaction { by, method, number: message.number }
}
