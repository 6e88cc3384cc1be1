//! The frames that a guard is given, and what it has to say to each: a frame that is decided
//! otherwise than its name says would measure something else.

use crate::packet::{self, Tcp, tcp, udp};

/// XDP's word for a frame that goes no further.
pub const XDP_DROP: u32 = 1;
/// XDP's word for one that goes on.
pub const XDP_PASS: u32 = 2;

const PSAP: &str = "198.51.100.10";
const PEER: &str = "203.0.113.1";
const STRANGER: &str = "192.0.2.77";
const PSAP6: &str = "[2001:db8:10::10]";
const PEER6: &str = "[2001:db8:a::1]";
const STRANGER6: &str = "[2001:db8:5::7]";
/// Within the first of the denied prefixes.
const DENIED: &str = "64.0.0.9";

const RTP: [u8; 172] = [0x80; 172];
const INVITE: &str = "INVITE urn:service:sos SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77\r\n\r\n";
/// Bytes of payload of the shorter and the longer flood that looks like real calls.
pub const SIP_SHORT: usize = 600;
/// See [`SIP_SHORT`].
pub const SIP_LONG: usize = 1400;

/// A frame, what has to be seen before, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// The frame.
    pub frame: Vec<u8>,
    /// Frames that make it what it is, run before each round.
    pub before: Vec<Vec<u8>>,
    /// The XDP action.
    pub action: u32,
    /// The reason it is counted under.
    pub reason: &'static str,
    /// Whether what it leaves behind for the controller is taken away in time.
    pub drained: bool,
}

fn case(name: &str, frame: Vec<u8>, action: u32, reason: &'static str) -> Case {
    Case { name: name.to_owned(), frame, before: Vec::new(), action, reason, drained: false }
}

fn dropped(name: &str, frame: Vec<u8>, reason: &'static str) -> Case {
    case(name, frame, XDP_DROP, reason)
}

fn passed(name: &str, frame: Vec<u8>, reason: &'static str) -> Case {
    case(name, frame, XDP_PASS, reason)
}

/// All frames by IPv4.
#[must_use]
pub fn cases() -> Vec<Case> {
    let [psap, stranger] = [PSAP, STRANGER].map(|host| format!("{host}:5060"));
    let mut all = floods("", PSAP, STRANGER);
    let denied = udp(&format!("{DENIED}:9"), &format!("{PSAP}:9"), [0; 22]).frame();
    all.push(dropped("denied source", denied, "denied"));
    all.extend(calls("", PSAP, PEER, STRANGER));
    let options = "OPTIONS sip:psap@198.51.100.10 SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n";
    let options = udp(&stranger, &psap, options).frame();
    all.push(dropped("SIP flood, 62 bytes", options, "sip_over_source"));
    for (name, payload) in [
        (format!("SIP flood, {SIP_SHORT} bytes"), junk(SIP_SHORT)),
        (format!("SIP flood, {SIP_LONG} bytes"), junk(SIP_LONG)),
        ("SIP flood, near misses".to_owned(), near_misses(SIP_LONG)),
        ("SIP flood, short lines".to_owned(), short_lines(SIP_LONG)),
        ("SIP flood, one long line".to_owned(), one_line(SIP_LONG)),
    ] {
        let frame = udp(&stranger, &psap, payload).frame();
        all.push(dropped(&name, frame, "sip_over_source"));
    }
    let whole = udp(&stranger, &psap, [0; 1000]);
    let [_, later] = whole.fragments(504);
    all.push(dropped("fragment flood", later, "fragment_over_source"));
    let transit = udp(&format!("{STRANGER}:1"), "192.0.2.1:2", [0; 22]).frame();
    all.push(passed("transit", transit, "transit"));
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06]);
    arp.resize(60, 0);
    all.push(passed("ARP", arp, "not_ip"));
    all
}

/// The frames of both families by IPv6.
#[must_use]
pub fn cases6() -> Vec<Case> {
    let mut all = floods(", IPv6", PSAP6, STRANGER6);
    all.extend(calls(", IPv6", PSAP6, PEER6, STRANGER6));
    all
}

fn floods(family: &str, psap: &str, stranger: &str) -> Vec<Case> {
    let from = format!("{stranger}:40000");
    let udp = |port| packet::udp(&from, &format!("{psap}:{port}"), [0; 22]).frame();
    let syn = tcp(&from, &format!("{psap}:5061"), Tcp::Syn, "").frame();
    vec![
        dropped(&format!("UDP flood{family}"), udp(9), "udp_over_source"),
        dropped(&format!("UDP flood at 5060{family}"), udp(5060), "sip_over_source"),
        dropped(&format!("SYN flood{family}"), syn, "syn_over_source"),
    ]
}

fn calls(family: &str, psap: &str, peer: &str, stranger: &str) -> Vec<Case> {
    let sip = |host: &str| udp(&format!("{host}:5060"), &format!("{psap}:5060"), INVITE).frame();
    let segment = tcp(&format!("{peer}:40000"), &format!("{psap}:5061"), Tcp::Data, "").frame();
    let media = |from: &str| udp(from, &format!("{psap}:20000"), RTP).frame();
    let far = format!("{stranger}:12000");
    let own = udp(&format!("{psap}:20000"), &far, RTP).frame();
    let name = |what: &str| format!("{what}{family}");
    vec![
        passed(&name("peer's TCP segment"), segment, "signalling"),
        passed(&name("peer's RTP"), media(&format!("{peer}:12000")), "media"),
        Case { before: vec![own], ..passed(&name("pinned stranger's RTP"), media(&far), "pinned") },
        Case { drained: true, ..passed(&name("peer's INVITE, copied"), sip(peer), "signalling") },
        passed(&name("peer's INVITE, no room"), sip(peer), "signalling"),
        Case { drained: true, ..passed(&name("stranger's 911, copied"), sip(stranger), "marked") },
        passed(&name("stranger's 911, no room"), sip(stranger), "marked"),
    ]
}

/// An INVITE that looks like a real one and says nothing of an emergency.
fn junk(length: usize) -> Vec<u8> {
    let mut text = String::from(
        "INVITE sip:+16175550100@198.51.100.10:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-524287-1---a8f2c0d5e7b13c44;rport\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:+16175550143@192.0.2.77:5060;transport=udp>\r\n\
         To: <sip:+16175550100@198.51.100.10:5060>\r\n\
         From: \"Robin Doe\" <sip:+16175550143@192.0.2.77>;tag=7b1e0c2f\r\n\
         Call-ID: 97e1c0aa41f54d2bb1b7c2d8d0e5a1f3@192.0.2.77\r\n\
         CSeq: 1 INVITE\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n\
         Supported: replaces, timer, path\r\nUser-Agent: softphone 5.0.1\r\n",
    );
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text += &format!("Record-Route: <sip:192.0.2.{};lr;ftag=7b1e0c2f>\r\n", number % 250 + 1);
    }
    exactly(text, length)
}

/// Markers that want a letter, one after the other.
fn near_misses(length: usize) -> Vec<u8> {
    let text = "INVITE sip:psap@198.51.100.10 SIP/2.0\r\nRoute: ".to_owned();
    exactly(text + &"<urn:service:so>,<tel:91>,".repeat(length), length)
}

/// As many lines as there is room for.
fn short_lines(length: usize) -> Vec<u8> {
    let text = "INVITE sip:psap@198.51.100.10 SIP/2.0\r\n".to_owned();
    exactly(text + &"t:\r\n".repeat(length), length)
}

/// A header line without end.
fn one_line(length: usize) -> Vec<u8> {
    let text = "INVITE sip:psap@198.51.100.10 SIP/2.0\r\nTo: ".to_owned();
    exactly(text + &"<sip:%39%312".repeat(length), length)
}

fn exactly(text: String, length: usize) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.truncate(length);
    bytes
}
