//! Calls as they are heard, and what is open after each message.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::net::{IpAddr, SocketAddr};

use guard_common::abi::copy::{CONFIGURED_ENDS, CopyHeader, FROM_ELEMENT, IPV6};
use proptest::prelude::*;

use super::copies::sample::record;
use super::directory::sample::directory;
use super::pins::sample::Memory;
use super::pins::{Port, address};
use super::table::CALLS_MAX;
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

#[test]
fn the_elements_answer_opens_its_port() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    assert!(scene.nothing_is_open());
    scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
    for port in [MEDIA, "198.51.100.10:20001"] {
        assert!(scene.is_for(port, "198.18.7.9", "198.18.7.7"), "early media, and RTCP");
    }
    assert_eq!(scene.pin(MEDIA, 17).unwrap()[0] & CONFIGURED, 0);
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    assert!(scene.is_open(MEDIA), "the element has not agreed yet");
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    assert!(!scene.is_open(MEDIA) && !scene.is_open("198.51.100.10:20001"));
    let counts = scene.follower.counts();
    assert_eq!((counts.opened, counts.released, counts.unreadable), (2, 2, 0));
}

#[test]
fn media_may_have_an_address_of_its_own() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &audio("198.51.100.11:20000")));
    assert!(scene.is_open("198.51.100.11:20000") && !scene.is_open(MEDIA));
    let mut scene = Scene::new();
    let named = audio(MEDIA).replace("c=IN IP4 198.51.100.10", "c=IN IP4 media.psap.example");
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &named));
    assert!(scene.is_open(MEDIA), "a host name is the sender's own");
}

#[test]
fn ipv6() {
    let (stranger, media) = ("[2001:db8:5::7]:5060", "[2001:db8:10::10]:20000");
    let mut scene = Scene::new();
    scene.say(stranger, PSAP6, &request("INVITE", 1, ("a", ""), &audio("[2001:db8:5::8]:40000")));
    scene.say(PSAP6, stranger, &response(200, "1 INVITE", &audio(media)));
    assert!(scene.is_for(media, "2001:db8:5::8", "2001:db8:5::7"));
}

#[test]
fn an_offer_in_the_answer() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), ""));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "", "198.18.7.7"));
    scene.say(STRANGER, PSAP, &request("ACK", 1, ("a", "b"), &audio("198.18.7.9:40000")));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
}

#[test]
fn several_streams() {
    let both = |one: &str, other: &str| {
        format!(
            "{}m=text {} RTP/AVP 98\r\n",
            audio(one),
            other.parse::<SocketAddr>().unwrap().port()
        )
    };
    let theirs =
        format!("{}m=text 40010 RTP/AVP 98\r\nc=IN IP4 198.18.7.10\r\n", audio("198.18.7.9:40000"));
    let messages = format!(
        "{}m=message 2855 TCP/MSRP *\r\na=path:msrp://198.51.100.10:2855/x;tcp\r\n",
        both(MEDIA, "198.51.100.10:20004")
    );
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &theirs));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &messages));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
    assert!(scene.is_for("198.51.100.10:20004", "198.18.7.10", "198.18.7.7"));
    assert!(scene.pin("198.51.100.10:2855", 6).is_some());
    assert!(scene.pin("198.51.100.10:2855", 17).is_none());
}

#[test]
fn a_change_moves_the_port() {
    let other = "198.51.100.10:21000";
    for method in ["INVITE", "UPDATE"] {
        let cseq = format!("1 {method}");
        let mut scene = answered();
        // The element's request: its numbers are its own.
        scene.say(PSAP, STRANGER, &request(method, 1, ("b", "a"), &audio(other)));
        assert!(scene.is_open(MEDIA) && scene.is_open(other), "both until it is decided");
        let no = message("SIP/2.0 488 no", ("b", "a"), &cseq, "");
        scene.say(STRANGER, PSAP, &no);
        assert!(scene.is_open(MEDIA) && !scene.is_open(other), "a change that fails");
        scene.say(PSAP, STRANGER, &request(method, 2, ("b", "a"), &audio(other)));
        let yes = message("SIP/2.0 200 OK", ("b", "a"), &format!("2 {method}"), &audio(STRANGER));
        scene.say(STRANGER, PSAP, &yes);
        assert!(!scene.is_open(MEDIA) && scene.is_open(other), "a change that succeeds");
        let late = message("SIP/2.0 200 OK", ("b", "a"), &cseq, &audio(STRANGER));
        scene.say(STRANGER, PSAP, &late);
        scene.say(PSAP, STRANGER, &request(method, 1, ("b", "a"), &audio(MEDIA)));
        assert!(!scene.is_open(MEDIA) && scene.is_open(other), "what is old says nothing");
        scene.say(PSAP, STRANGER, &request("BYE", 3, ("b", "a"), ""));
        assert!(!scene.is_open(other));
    }
}

#[test]
fn early_media_may_change_twice() {
    let (second, third) = ("198.51.100.10:21000", "198.51.100.10:22000");
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &request("PRACK", 2, ("a", "b"), &audio("198.18.7.9:40002")));
    scene.say(PSAP, STRANGER, &response(200, "2 PRACK", &audio(second)));
    scene.say(STRANGER, PSAP, &request("UPDATE", 3, ("a", "b"), &audio("198.18.7.9:40004")));
    scene.say(PSAP, STRANGER, &response(200, "3 UPDATE", &audio(third)));
    assert!(scene.is_open(third) && !scene.is_open(second));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", ""));
    assert!(scene.is_open(third), "the older answer does not come back");
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn a_fork_is_settled_by_its_answer() {
    let other = "198.51.100.10:21000";
    let by = |status: u16, tag: &str, sdp: &str| {
        message(&format!("SIP/2.0 {status} x"), ("a", tag), "1 INVITE", sdp)
    };
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &by(183, "b1", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &by(183, "b2", &audio(other)));
    assert!(scene.is_open(MEDIA) && scene.is_open(other));
    scene.say(PSAP, STRANGER, &by(200, "b1", ""));
    assert!(scene.is_open(MEDIA) && !scene.is_open(other));
}

#[test]
fn a_call_that_fails_is_closed() {
    for end in [
        response(487, "1 INVITE", ""),
        response(302, "1 INVITE", ""),
        response(603, "1 INVITE", ""),
    ] {
        let mut scene = Scene::new();
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
        scene.say(STRANGER, PSAP, &request("CANCEL", 1, ("a", ""), ""));
        assert!(scene.is_open(MEDIA));
        scene.say(PSAP, STRANGER, &end);
        assert!(!scene.is_open(MEDIA), "{end}");
        scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
        assert!(!scene.is_open(MEDIA), "late ones do not begin it anew");
        scene.say(STRANGER, PSAP, &request("INVITE", 2, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(200, "2 INVITE", &audio(MEDIA)));
        assert!(scene.is_open(MEDIA), "a second try does");
    }
}

#[test]
fn a_call_back_is_closed_by_its_refusal() {
    let mut scene = Scene::new();
    scene.say(PSAP, STRANGER, &request("INVITE", 9, ("b", ""), &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "", "198.18.7.7"));
    let busy =
        |number: u32| message("SIP/2.0 486 Busy", ("b", "a"), &format!("{number} INVITE"), "");
    scene.say(STRANGER, PSAP, &busy(8));
    scene.say(OTHER, PSAP, &busy(9));
    assert!(scene.is_open(MEDIA), "neither of another request nor by another");
    scene.say(STRANGER, PSAP, &busy(9));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn nobody_hangs_up_for_another() {
    let mut scene = answered();
    let bye = request("BYE", 2, ("a", "b"), "");
    scene.say(OTHER, PSAP, &bye);
    scene.say(PSAP, OTHER, &response(200, "2 BYE", ""));
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "guessed"), ""));
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &bye);
    scene.say(PSAP, STRANGER, &response(481, "2 BYE", ""));
    assert!(scene.is_open(MEDIA), "the element does not agree");
    // The other way round, by the element, at once.
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn what_strangers_say_opens_nothing() {
    for named in [
        "198.51.100.10:22",
        "198.51.100.10:20000",
        "198.51.100.10:5060",
        "198.51.100.40:20000",
        "203.0.113.5:10000",
    ] {
        let mut scene = Scene::new();
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio(named)));
        scene.say(STRANGER, PSAP, &response(200, "1 INVITE", &audio(named)));
        scene.say(STRANGER, PSAP, &request("ACK", 1, ("a", "b"), &audio(named)));
        // Spoofed: what comes in where the element is not is nothing it said.
        for to in [STRANGER, ESRP, CARRIER] {
            scene.say_as(false, PSAP, to, &response(200, "1 INVITE", &audio(named)));
            scene.say_as(false, PSAP, to, &request("INVITE", 1, ("a", ""), &audio(named)));
        }
        assert!(scene.nothing_is_open(), "{named}");
    }
}

#[test]
fn an_element_opens_nothing_that_is_not_media_of_its_own() {
    for (named, refused, elsewhere) in [
        ("198.51.100.10:5060", 1, 0),
        ("198.51.100.10:22", 1, 0),
        ("198.51.100.10:5353", 1, 0),
        ("198.51.100.40:20000", 0, 1),
        ("198.18.7.7:20000", 0, 1),
    ] {
        let mut scene = Scene::new();
        let answer = audio(named) + "a=rtcp-mux\r\n";
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &answer));
        assert!(scene.nothing_is_open(), "{named}");
        let counts = scene.follower.counts();
        assert_eq!((counts.refused, counts.elsewhere), (refused, elsewhere), "{named}");
    }
}

#[test]
fn messages_that_negotiate_nothing_open_nothing() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("OPTIONS", 1, ("a", ""), ""));
    scene.say(PSAP, STRANGER, &response(200, "1 OPTIONS", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &response(488, "1 INVITE", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &request("MESSAGE", 1, ("a", ""), &audio(MEDIA)));
    assert!(scene.nothing_is_open());
}

#[test]
fn what_a_proxy_passes_on_is_not_its_own() {
    // A stranger names a port of the proxy itself; the proxy hands that to the PSAP.
    let evil = audio("198.51.100.40:8080");
    let invite = request("INVITE", 1, ("a", ""), &evil);
    for orders in [[0, 1], [1, 0]] {
        let mut scene = Scene::new();
        for order in orders {
            match order {
                0 => scene.say(STRANGER, ESRP, &invite),
                _ => scene.say(ESRP, PSAP, &invite),
            }
        }
        assert!(!scene.is_open("198.51.100.40:8080"), "{orders:?}");
        assert_eq!(scene.follower.counts().relayed, 1);
    }
    // One that anchors media has a description of its own, and that counts.
    let mut scene = Scene::new();
    scene.say(STRANGER, ESRP, &invite);
    scene.say(ESRP, STRANGER, &response(200, "1 INVITE", &audio("198.51.100.40:20000")));
    assert!(scene.is_open("198.51.100.40:20000"));
}

#[test]
fn configured_parties_need_pins_only_beyond_their_ranges() {
    let mut scene = Scene::new();
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("203.0.113.9:10000")));
    scene.say("198.51.100.10:5060", CARRIER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.nothing_is_open());
    // A gateway of the carrier's that nobody configured.
    let mut scene = Scene::new();
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.9.9:10000")));
    scene.say(PSAP, CARRIER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "198.18.9.9", "203.0.113.5"));
    assert_ne!(scene.pin(MEDIA, 17).unwrap()[0] & CONFIGURED, 0);
    // It hangs up from another address of its.
    scene.say(CARRIER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    scene.say(PSAP, CARRIER, &response(200, "2 BYE", ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn both_ends_may_be_elements() {
    let mut scene = Scene::new();
    scene.say(ESRP, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, ESRP, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.51.100.40"), "a proxy's caller");
    assert_eq!(scene.follower.counts().elsewhere, 1, "the caller's port is none of the proxy's");
}

#[test]
fn a_port_stays_open_as_long_as_one_call_holds_it() {
    let mut scene = answered();
    let other = |text: String| text.replace("1@example.net", "2@example.net");
    scene.say(OTHER, PSAP, &other(request("INVITE", 1, ("a", ""), &audio("198.18.7.8:40000"))));
    scene.say(PSAP, OTHER, &other(response(200, "1 INVITE", &audio(MEDIA))));
    assert!(scene.is_for(MEDIA, "198.18.7.8", "198.18.7.8"), "it is the newer call's");
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, OTHER, &other(request("BYE", 1, ("b", "a"), "")));
    assert!(!scene.is_open(MEDIA));
    // RTCP that nobody named does not take another call's port.
    let mut scene = answered();
    let below = audio("198.51.100.10:19999");
    scene.say(PSAP, OTHER, &other(response(200, "1 INVITE", &below)));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
}

#[test]
fn living_calls_are_refreshed_and_silent_ones_forgotten() {
    let mut scene = answered();
    let before = scene.pin(MEDIA, 17).unwrap()[0];
    scene.wait(61);
    let after = scene.pin(MEDIA, 17).unwrap()[0];
    assert_ne!(before, after, "its time went on");
    // Whoever displaced it meanwhile is displaced.
    let port = Port { address: "198.51.100.10".parse().unwrap(), port: 20000, protocol: 17 };
    scene.follower.pins.change(&port, |pin| pin[0] = 0);
    scene.wait(61);
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
    scene.wait(3 * 3600);
    assert_eq!(scene.follower.counts().calls, 0);
    let last = scene.pin(MEDIA, 17).unwrap()[0];
    scene.wait(100);
    assert_eq!(scene.pin(MEDIA, 17).unwrap()[0], last, "left to the data plane");
}

#[test]
fn a_new_reader_leaves_alone_what_it_does_not_know() {
    let scene = answered();
    let cells = Memory(scene.follower.pins().cells().0.clone());
    let mut scene = Scene::new();
    scene.follower = Follower::new(directory(), cells, Counts::default());
    let before = scene.pin(MEDIA, 17).unwrap();
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    scene.wait(300);
    assert_eq!(scene.pin(MEDIA, 17), Some(before));
    // A change of a call that it does not know teaches it; one that fails does not end the call.
    let other = "198.51.100.10:21000";
    scene.say(PSAP, STRANGER, &request("INVITE", 7, ("b", "a"), &audio(other)));
    assert!(scene.is_open(other) && scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 491 x", ("b", "a"), "7 INVITE", ""));
    assert!(!scene.is_open(other) && scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("UPDATE", 8, ("b", "a"), &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 200 x", ("b", "a"), "8 UPDATE", &audio(STRANGER)));
    scene.say(PSAP, STRANGER, &request("INVITE", 9, ("b", "a"), &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 491 x", ("b", "a"), "9 INVITE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("BYE", 10, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn a_flood_of_calls_throws_out_those_that_were_not_answered() {
    let mut scene = answered();
    for number in 0..CALLS_MAX * 3 {
        scene.now += 1000;
        let invite = request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000"));
        scene.say(OTHER, PSAP, &invite.replace("1@example.net", &format!("{number}@flood")));
        assert!(scene.follower.counts().calls <= CALLS_MAX as u64);
    }
    // Still known: hanging up closes.
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn copies_in_pieces_and_by_tcp() {
    let answer = response(200, "1 INVITE", &audio(MEDIA));
    let of = |protocol, sequence, flags, offset: usize, part: &[u8]| {
        let length = u32::try_from(part.len()).unwrap();
        let header = CopyHeader {
            source: address("198.51.100.10".parse::<IpAddr>().unwrap()),
            destination: address("198.18.7.7".parse::<IpAddr>().unwrap()),
            flags: FROM_ELEMENT | flags,
            sequence,
            protocol,
            fragment_offset: u16::try_from(offset / 8).unwrap(),
            payload_length: length,
            length,
            ..CopyHeader::default()
        };
        record(&header, part)
    };
    let (one, two) = answer.as_bytes().split_at(200);
    let mut scene = Scene::new();
    scene.follower.take(&of(6, 1000, 0, 0, one), 1);
    scene.follower.take(&of(6, 1200, 0, 0, two), 1);
    assert!(scene.is_open(MEDIA));
    let mut scene = Scene::new();
    let (more, later) = (1 << 3, 1 << 2);
    scene.follower.take(&of(17, 7, later, 208, two), 1);
    scene.follower.take(&of(17, 7, more, 0, one), 1);
    assert!(scene.is_open(MEDIA));
    // The end is lost: what was said before it counts a little later.
    let (one, _) = answer.as_bytes().split_at(answer.len() - 4);
    let mut scene = Scene::new();
    scene.follower.take(&of(17, 7, more, 0, &[one, b"\r\na="].concat()), 1);
    assert!(!scene.is_open(MEDIA));
    scene.now = 0;
    scene.wait(3);
    assert!(scene.is_open(MEDIA));
}

proptest! {
    #[test]
    fn any_records_are_survived(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 60..300), 0..20),
    ) {
        let mut scene = Scene::new();
        for bytes in records {
            scene.follower.take(&bytes, 1);
        }
        scene.wait(5);
    }

    /// Whatever order the messages of calls are heard in, and whoever says them, no port is open
    /// that the element did not name.
    #[test]
    fn any_order_opens_what_the_element_said_alone(
        said in prop::collection::vec((0usize..3, 0usize..9, 1u32..4, 0u16..4, any::<bool>()), 0..40),
    ) {
        let mut scene = Scene::new();
        for (who, what, number, port, described) in said {
            let at = format!("198.51.100.10:{}", 20000 + port * 2);
            let theirs = format!("198.51.100.10:{}", 30000 + port * 2);
            let (from, to, at) = match who {
                0 => (PSAP, STRANGER, at),
                1 => (STRANGER, PSAP, theirs),
                _ => (OTHER, PSAP, theirs),
            };
            let sdp = if described { audio(&at) } else { String::new() };
            let text = match what {
                0 => request("INVITE", number, ("a", ""), &sdp),
                1 => request("ACK", number, ("a", "b"), &sdp),
                2 => request("UPDATE", number, ("a", "b"), &sdp),
                3 => request("PRACK", number, ("a", "b"), &sdp),
                4 => request("BYE", number, ("a", "b"), &sdp),
                5 => response(183, &format!("{number} INVITE"), &sdp),
                6 => response(200, &format!("{number} INVITE"), &sdp),
                7 => response(486, &format!("{number} INVITE"), &sdp),
                _ => response(200, &format!("{number} BYE"), &sdp),
            };
            scene.say(from, to, &text);
            scene.wait(1);
        }
        for port in 30000..30010 {
            let is_open = scene.is_open(&format!("198.51.100.10:{port}"));
            prop_assert!(!is_open);
        }
    }
}
