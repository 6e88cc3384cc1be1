//! Calls as they are heard, and what is open after each message.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod kept;
mod lasting;
mod negotiation;
mod permission;

use std::net::{IpAddr, SocketAddr};

use guard_common::abi::copy::{CONFIGURED_ENDS, CopyHeader, FROM_ELEMENT, IPV6};
use proptest::prelude::*;

use super::copies::sample::record;
use super::directory::sample::directory;
use super::pins::sample::Memory;
use super::pins::{Port, Sources, address};
use super::table::{CALLS_MAX, Entry};
use super::*;

const PSAP: &str = "198.51.100.10:5060";
const PSAP6: &str = "[2001:db8:10::10]:5060";
const ESRP: &str = "198.51.100.40:5060";
const CARRIER: &str = "203.0.113.5:5060";
const STRANGER: &str = "198.18.7.7:5060";
const OTHER: &str = "198.18.7.8:5060";
const SECOND: u64 = 1_000_000_000;
const ENDED: u64 = 1 << 24;
const CONFIGURED: u64 = 1 << 25;

/// Who hears everything.
struct Scene {
    follower: Follower<Memory>,
    now: u64,
}

/// A description of audio at an address and port.
fn audio(at: &str) -> String {
    let at: SocketAddr = at.parse().unwrap();
    let family = if at.is_ipv4() { "IP4" } else { "IP6" };
    let (address, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=- {port} 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\n"
    )
}

/// A message of the call `1@example.net`; `from` and `to` are tags.
fn message(start: &str, (from, to): (&str, &str), cseq: &str, sdp: &str) -> String {
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nFrom: <sip:a>{}\r\nTo: <sip:b>{}\r\nCall-ID: 1@example.net\r\nCSeq: {cseq}\r\n\
         {kind}Content-Length: {}\r\n\r\n{sdp}",
        tag(from),
        tag(to),
        sdp.len(),
    )
}

fn request(method: &str, number: u32, tags: (&str, &str), sdp: &str) -> String {
    message(&format!("{method} sip:x SIP/2.0"), tags, &format!("{number} {method}"), sdp)
}

fn response(status: u16, cseq: &str, sdp: &str) -> String {
    message(&format!("SIP/2.0 {status} x"), ("a", "b"), cseq, sdp)
}

fn is_element(at: SocketAddr) -> bool {
    [PSAP, PSAP6, ESRP].iter().any(|element| element.parse::<SocketAddr>().unwrap().ip() == at.ip())
}

impl Scene {
    fn new() -> Self {
        let follower = Follower::new(directory(), Memory::default(), Counts::default());
        Self { follower, now: 1000 * SECOND }
    }

    /// A message by UDP.
    fn say(&mut self, from: &str, to: &str, message: &str) {
        self.say_as(is_element(from.parse().unwrap()), from, to, message);
    }

    /// A message by UDP from an address that is an element's, or not believed to be.
    fn say_as(&mut self, is_believed: bool, from: &str, to: &str, message: &str) {
        let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let is_configured = |at: SocketAddr| {
            is_element(at) || at.ip() == CARRIER.parse::<SocketAddr>().unwrap().ip()
        };
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let is_known = is_believed || !is_element(from);
        let length = u32::try_from(message.len()).unwrap();
        let header = CopyHeader {
            time: self.now,
            source: address(from.ip()),
            destination: address(to.ip()),
            flags: flag(is_believed, FROM_ELEMENT)
                | flag(is_configured(from) && is_configured(to) && is_known, CONFIGURED_ENDS)
                | flag(from.is_ipv6(), IPV6),
            source_port: from.port(),
            destination_port: to.port(),
            protocol: 17,
            payload_length: length,
            length,
            ..CopyHeader::default()
        };
        self.follower.take(&record(&header, message.as_bytes()), self.now);
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.follower.tick(self.now);
        }
    }

    /// The pin's word: `None` if there is no live one.
    fn pin(&self, at: &str, protocol: u8) -> Option<[u64; 4]> {
        let at: SocketAddr = at.parse().unwrap();
        let port = Port { address: at.ip(), port: at.port(), protocol };
        self.follower.pins().pin(&port).filter(|[word, ..]| word & ENDED == 0)
    }

    fn is_open(&self, at: &str) -> bool {
        self.pin(at, 17).is_some()
    }

    /// Where the media of a port may come from, by what was said and by who said it.
    fn is_for(&self, at: &str, named: &str, signalling: &str) -> bool {
        let tag = |text: &str| if text.is_empty() { 0 } else { self.follower.pins().tag_of(text) };
        self.pin(at, 17).unwrap()[1] == tag(named) << 32 | tag(signalling)
    }

    fn nothing_is_open(&self) -> bool {
        self.follower.pins().cells().0.iter().all(|pin| *pin == [0; 4])
    }
}

/// A stranger's call to the PSAP with media at port 20000, answered.
fn answered() -> Scene {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &audio("198.51.100.10:20000")));
    scene.say(STRANGER, PSAP, &request("ACK", 1, ("a", "b"), ""));
    scene
}

const MEDIA: &str = "198.51.100.10:20000";
