//! Keeping, forgetting, comparing and suggesting, without a kernel.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_common::class::Kind;
use guard_common::reason::{Droppable, Reason};
use proptest::prelude::*;

use super::suggest::Suggestions;
use super::*;
use crate::config::{Config, Format, Section};
use crate::policy::{self, Clock, Inputs, PolicyTables, slots};

const HOUR: Duration = Duration::from_secs(3600);
const PSAP: [u8; 4] = [198, 51, 100, 10];
const CARRIER: [u8; 4] = [203, 0, 113, 5];
const STRANGER: [u8; 4] = [192, 0, 2, 77];

/// A UDP datagram with an IPv4 header.
fn udp(source: ([u8; 4], u16), destination: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(28 + payload.len()).unwrap();
    let mut frame = vec![0x02; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(source.0.iter().chain(&destination.0));
    for word in [source.1, destination.1, length - 20, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_123)
}

fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn kept_at(time: SystemTime, owner: &str, reason: Reason, frame: &[u8]) -> Kept {
    let length = u32::try_from(frame.len()).unwrap();
    let (headers, start_line) = strip::strip(&frame[..frame.len().min(256)], length);
    Kept {
        at: millis(time),
        via: Some("wan0".to_owned()),
        owner: (!owner.is_empty()).then(|| owner.to_owned()),
        reason: reason.number(),
        dropped: false,
        stands_for: 16,
        length,
        headers,
        start_line,
    }
}

fn kept(owner: &str, reason: Reason, frame: &[u8]) -> Kept {
    kept_at(now(), owner, reason, frame)
}

fn invite(user: &str) -> Vec<u8> {
    let head = format!("INVITE sip:{user}@198.51.100.10 SIP/2.0\r\nFrom: <sip:+16175550123@x>\r\n");
    format!("{head}Subject: {}\r\n\r\n", "private ".repeat(40)).into_bytes()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    (folder, store)
}

fn all(store: &Store) -> Vec<Kept> {
    store.frames(UNIX_EPOCH).collect()
}

#[test]
fn headers_and_a_masked_start_line_are_all_that_is_kept() {
    let frame = udp((CARRIER, 5060), (PSAP, 5060), &invite("+16175550123"));
    let kept = kept("P-1", Reason::SIGNALLING, &frame);
    assert_eq!(kept.headers, frame[..42]);
    let line = kept.start_line.clone().unwrap();
    assert_eq!(line, "INVITE sip:+xxxxxxxxxxx@xxx.xx.xxx.xx SIP/2.0\r\n");
    let rebuilt = kept.frame();
    assert_eq!(rebuilt.len(), frame.len());
    assert!(rebuilt[42 + line.len()..].iter().all(|byte| *byte == 0));
    let facts = kept.facts().unwrap();
    assert_eq!(facts.source, IpAddr::V4(Ipv4Addr::from(CARRIER)));
    assert_eq!((facts.destination_port, facts.protocol), (5060, 17));
    assert_eq!(Kept::parse(&serde_json::to_vec(&kept).unwrap()).unwrap(), kept);
    let media =
        self::kept("P-1", Reason::MEDIA, &udp((CARRIER, 9000), (PSAP, 20000), &[0x80; 160]));
    assert_eq!((media.headers.len(), media.start_line), (42, None));
}

#[test]
fn files_are_for_their_owner_and_go_after_a_day() {
    let (_folder, store) = store();
    let frame = udp((CARRIER, 5060), (PSAP, 5060), &invite("911"));
    for hours in 0..30 {
        let time = now() + HOUR * hours;
        let mut segment = store.open(time).unwrap();
        assert!(segment.keep(&kept_at(time, "P-1", Reason::SIGNALLING, &frame)).unwrap());
        assert!(!segment.is_over(time) && segment.is_over(time + HOUR));
        store.prune(time, 24 * HOUR);
    }
    let last = now() + HOUR * 29;
    let times: Vec<_> = all(&store).iter().map(|kept| kept.at).collect();
    assert_eq!(times.len(), 24);
    assert!(times.iter().all(|at| *at > millis(last - 24 * HOUR)), "older than a day");
    assert_eq!(store.frames(last - 2 * HOUR).count(), 3);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.path()), 0o700);
    for entry in fs::read_dir(store.path()).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    // A clock that was ahead left what would stay for years.
    let ahead = now() + HOUR * 24 * 365;
    store.open(ahead).unwrap().keep(&kept_at(ahead, "P-1", Reason::MEDIA, &frame)).unwrap();
    store.prune(last, 24 * HOUR);
    assert_eq!(all(&store).len(), 24);
    store.purge();
    assert_eq!(all(&store).len(), 0);
}

#[test]
fn half_a_line_is_skipped_and_written_on_behind() {
    let (_folder, store) = store();
    let frame = udp((CARRIER, 5060), (PSAP, 5060), &invite("911"));
    let one = kept("P-1", Reason::SIGNALLING, &frame);
    store.open(now()).unwrap().keep(&one).unwrap();
    let path = fs::read_dir(store.path()).unwrap().next().unwrap().unwrap().path();
    let text = fs::read(&path).unwrap();
    fs::write(&path, [text.as_slice(), &text[..text.len() / 2]].concat()).unwrap();
    assert_eq!(all(&store), std::slice::from_ref(&one));
    let two = kept("P-2", Reason::SIGNALLING, &frame);
    store.open(now()).unwrap().keep(&two).unwrap();
    assert_eq!(all(&store), [one.clone(), two]);
    // What was kept before a restart counts after it.
    let mut segment = store.open(now()).unwrap();
    assert!(segment.keep(&one).unwrap() && !segment.keep(&one).unwrap());
}

#[test]
fn no_flood_pushes_out_the_call_of_a_quiet_psap() {
    let (_folder, store) = store();
    let mut segment = store.open(now()).unwrap();
    let flood = Droppable::over_psap(Kind::Sip).reason();
    let mut flooded = 0;
    for number in 0..20_000u32 {
        let source = Ipv4Addr::from(0x0b00_0000 + number).octets();
        let owner = format!("P-{}", number % 100);
        let frame = udp((source, 5060), (PSAP, 5060), &invite("7"));
        flooded += u32::from(segment.keep(&kept(&owner, flood, &frame)).unwrap());
    }
    let call =
        kept("P-9999", Reason::SIGNALLING, &udp((CARRIER, 5060), (PSAP, 5060), &invite("911")));
    assert!(segment.keep(&call).unwrap());
    let of_flooded =
        kept("P-1", Reason::MARKED, &udp((STRANGER, 5060), (PSAP, 5060), &invite("911")));
    assert!(segment.keep(&of_flooded).unwrap());
    assert!((100..5000).contains(&flooded), "{flooded}");
    let bytes: u64 =
        fs::read_dir(store.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= quota::BYTES_MAX, "{bytes}");
}

#[test]
fn who_was_seen_survives_and_is_forgotten_after_a_day() {
    let (_folder, store) = store();
    store.open(now()).unwrap();
    let key = key(Section::Peer, "carrier");
    let mut seen = Seen::load(store.path());
    seen.note(&key, now());
    seen.save().unwrap();
    let mut seen = Seen::load(store.path());
    assert!(seen.within(&key, HOUR, now() + HOUR).is_some());
    assert!(seen.within(&key, HOUR, now() + 2 * HOUR).is_none());
    assert!(seen.within("peer/nobody", HOUR, now()).is_none());
    seen.prune(now() + 25 * HOUR, 24 * HOUR);
    assert!(seen.within(&key, 48 * HOUR, now()).is_none());
    fs::write(store.path().join("seen.json"), b"{garbage").unwrap();
    assert!(Seen::load(store.path()).within(&key, HOUR, now()).is_none());
}

const CONFIG: &str = "
[[interface]]
name = 'wan0'
role = 'untrusted'
[[psap]]
id = 'P-1'
services = ['198.51.100.10:5060/udp', '198.51.100.10:5060/tcp']
media = ['198.51.100.10:16384-32767']
bind = ['wan0']
[[peer]]
id = 'carrier'
addresses = ['203.0.113.0/28']
bind = ['wan0']
";

fn config(more: &str, without: &str) -> Config {
    let config = Config::parse("t", &(CONFIG.replace(without, "") + more), Format::Toml).unwrap();
    config.validate().unwrap();
    config
}

fn interfaces() -> BTreeMap<String, u32> {
    [("wan0".to_owned(), 3)].into()
}

fn tables(config: &Config) -> PolicyTables {
    let slots = slots::assign(&BTreeMap::new(), config);
    let inputs = Inputs {
        slots: &slots,
        capacity: 64,
        interfaces: &interfaces(),
        host: &[],
        clock: Clock { wall: now(), monotonic: 1 },
        generation: 1,
        hash_key: 911,
    };
    policy::build(config, &inputs).unwrap()
}

fn compared(frames: Vec<Kept>, after: &Config) -> Comparison {
    let (before, after, interfaces) = (tables(&config("", "")), tables(after), interfaces());
    let side = |tables| Side { tables, interfaces: &interfaces };
    compare(frames.into_iter(), side(&before), side(&after))
}

const PEER: &str = "[[peer]]\nid = 'carrier'\naddresses = ['203.0.113.0/28']\nbind = ['wan0']\n";

#[test]
fn the_same_policy_drops_nothing_more() {
    let frames = traffic();
    let comparison = compared(frames, &config("", ""));
    assert_eq!(comparison.losses, []);
    assert_eq!(comparison.denied, []);
    assert!(comparison.samples > 5 && !comparison.is_too_much());
}

#[test]
fn a_peer_taken_away_is_told_with_what_it_sends() {
    let comparison = compared(traffic(), &config("", PEER));
    assert!(comparison.is_too_much());
    let loss = &comparison.losses[0];
    assert_eq!(loss.owner.as_deref(), Some("P-1"));
    assert_eq!((loss.before, loss.after), ("signalling", "sip_within"));
    assert!(loss.protected && loss.frames == 16, "{loss:?}");
    assert_eq!(loss.example.source, Some(IpAddr::V4(Ipv4Addr::from(CARRIER))));
    assert_eq!((loss.example.port, loss.example.via.as_str()), (5060, "wan0"));
    let befores: Vec<_> = comparison.losses.iter().map(|loss| loss.before).collect();
    assert!(befores.contains(&"media"), "{befores:?}");
    assert!(comparison.would_drop() >= 32);
}

#[test]
fn denying_a_scanner_is_told_apart_and_refused_to_nobody() {
    let deny = "[[deny]]\nsource = '192.0.2.77'\nowner = 'noc'\nreason = 'scanner'\n\
                expires = 2099-01-01T00:00:00Z\n";
    let comparison = compared(traffic(), &config(deny, ""));
    assert!(!comparison.is_too_much());
    assert_eq!(comparison.losses, []);
    assert_eq!(comparison.denied.len(), 1);
    assert_eq!(comparison.denied[0].after, "denied");
}

#[test]
fn a_change_meets_the_traffic_it_would_hurt() {
    let (folder, store) = store();
    let wall = SystemTime::now();
    let mut segment = store.open(wall).unwrap();
    for kept in traffic() {
        segment.keep(&Kept { at: millis(wall), ..kept }).unwrap();
    }
    let mut seen = Seen::load(store.path());
    seen.note(&key(Section::Peer, "carrier"), wall);
    seen.save().unwrap();
    let (before, without, interfaces) = (config("", ""), config("", PEER), interfaces());
    let told = |after: &Config| {
        let (old, new) = (tables(&before), tables(after));
        let side = |tables| Side { tables, interfaces: &interfaces };
        objections(folder.path(), (&before, side(&old)), (after, side(&new)))
    };
    assert_eq!(told(&before), []);
    let against = told(&without);
    assert!(against.iter().all(|against| against.stops));
    assert!(against[0].text.starts_with("peer carrier goes, and had traffic"), "{against:?}");
    let call = "would drop about 16 frames that pass today: signalling of P-1 becomes sip_within, \
                such as from 203.0.113.5 to 198.51.100.10 port 5060 by wan0";
    assert!(against.iter().any(|against| against.text == call), "{against:?}");
}

/// A carrier's call, and a stranger's talk with the PSAP, which answers.
fn traffic() -> Vec<Kept> {
    let ok = b"SIP/2.0 200 OK\r\n\r\n";
    let limited = Reason::within(Kind::Sip);
    vec![
        kept("P-1", Reason::SIGNALLING, &udp((CARRIER, 5060), (PSAP, 5060), &invite("5550100"))),
        kept("P-1", Reason::SIGNALLING, &udp((PSAP, 5060), (CARRIER, 5060), ok)),
        kept("P-1", Reason::MEDIA, &udp((CARRIER, 9000), (PSAP, 20000), &[0x80; 172])),
        kept("P-1", limited, &udp((STRANGER, 5060), (PSAP, 5060), &invite("5550100"))),
        kept("P-1", Reason::ELEMENT_OUT, &udp((PSAP, 5060), (STRANGER, 5060), ok)),
        kept("P-1", Reason::MARKED, &udp(([192, 0, 2, 78], 5060), (PSAP, 5060), &invite("911"))),
    ]
}

fn suggested(frames: Vec<Kept>, config: &Config) -> Suggestions {
    let suggestions = Suggestions::new(frames.into_iter(), config);
    let pasted: String = suggestions.entries.iter().map(|entry| entry.toml.as_str()).collect();
    let config = Config::parse("t", &(CONFIG.to_owned() + &pasted), Format::Toml).unwrap();
    config.validate().unwrap();
    suggestions
}

#[test]
fn who_is_answered_is_suggested_and_who_is_not_is_left_out() {
    let suggestions = suggested(traffic(), &config("", ""));
    assert_eq!(suggestions.entries.len(), 1);
    let entry = &suggestions.entries[0];
    assert_eq!((entry.section, entry.address), ("peer", IpAddr::V4(Ipv4Addr::from(STRANGER))));
    assert!(entry.toml.contains("bind = [\"wan0\"]"), "{}", entry.toml);
    assert_eq!(
        (entry.evidence.frames, entry.evidence.answers, entry.evidence.marked),
        (16, 16, false)
    );
    assert_eq!(suggestions.left_out.len(), 1);
    assert_eq!(suggestions.left_out[0].why, "no element answered");
    assert!(suggestions.left_out[0].evidence.marked);
}

#[test]
fn a_flood_is_never_suggested_although_the_element_answers_it() {
    let mut frames = traffic();
    let flood = udp((STRANGER, 5060), (PSAP, 5060), &invite("1"));
    frames.push(kept("P-1", Droppable::over_source(Kind::Sip).reason(), &flood));
    let suggestions = suggested(frames, &config("", ""));
    assert!(suggestions.entries.is_empty());
    let left_out = &suggestions.left_out[0];
    assert!(left_out.why.contains("more than its limit"), "{left_out:?}");
    // Nor whom the element refuses.
    let refused = b"SIP/2.0 403 Forbidden\r\n\r\n";
    let mut frames = traffic();
    frames[4] = kept("P-1", Reason::ELEMENT_OUT, &udp((PSAP, 5060), (STRANGER, 5060), refused));
    let suggestions = suggested(frames, &config("", ""));
    assert!(suggestions.entries.is_empty());
    assert!(suggestions.left_out.iter().any(|left| left.why.contains("refuses")));
}

#[test]
fn servers_that_elements_ask_and_others_over_their_limits_are_suggested() {
    let dns = ([192, 0, 2, 53], 53);
    let snmp = ([192, 0, 2, 99], 40_000);
    let over = Droppable::over_psap(Kind::Udp).reason();
    let frames = vec![
        kept("P-1", Reason::OUT_OF_SCOPE, &udp((PSAP, 40_001), dns, &[0; 40])),
        kept("P-1", Reason::within(Kind::Amplification), &udp(dns, (PSAP, 40_001), &[0; 80])),
        kept("P-1", over, &udp(snmp, (PSAP, 1161), &[0x30; 40])),
        kept("P-1", Reason::OUT_OF_SCOPE, &udp((PSAP, 1161), snmp, &[0x30; 40])),
    ];
    let suggestions = suggested(frames, &config("", ""));
    let sections: Vec<_> = suggestions.entries.iter().map(|entry| entry.section).collect();
    assert_eq!(sections, ["support", "allow"], "{:?}", suggestions.left_out);
    assert!(suggestions.entries[0].toml.contains("ports = [\"53/udp\"]"));
    assert!(suggestions.entries[1].toml.contains("service = \"1161/udp\""));
}

proptest! {
    /// Whatever lies in the folder, it is read, written on and compared without a panic.
    #[test]
    fn garbage_files_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        name in "(1800000000|0|18446744073709551615|x)\\.jsonl",
        json in "\\{\"at\":[0-9]{1,20},\"via\":\"wan0\",\"reason\":[0-9]{1,3},\"stands-for\":[0-9]{1,9},\
                 \"length\":[0-9]{1,6},\"headers\":\"[0-9a-f]{0,80}\"\\}",
    ) {
        let (_folder, store) = store();
        fs::create_dir(store.path()).unwrap();
        fs::write(store.path().join(&name), [json.as_bytes(), b"\n", &bytes].concat()).unwrap();
        fs::write(store.path().join("seen.json"), &bytes).unwrap();
        let frames = all(&store);
        let _ = suggested(frames.clone(), &config("", ""));
        let _ = compared(frames, &config("", PEER));
        let _ = Seen::load(store.path());
        let kept = kept("P-1", Reason::MEDIA, &udp((CARRIER, 9000), (PSAP, 20000), &[0x80; 20]));
        store.open(now()).unwrap().keep(&kept).unwrap();
        prop_assert!(all(&store).contains(&kept));
        store.prune(now(), HOUR);
    }
}
