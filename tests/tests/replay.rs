//! `guard replay`: whole captures, against what is live and what would be.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test may panic"
)]

#[path = "replay/progress.rs"]
mod progress;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use guard_tests::captures::{ETHERNET, Order, Pcap};
use guard_tests::fixtures::sip;
use guard_tests::guard_process::{CARRIER, PSAP, STRANGERS, Site, answer};
use guard_tests::packet::udp;
use guard_tests::privilege::corpus;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

const SECOND: u64 = 1_000_000_000;
const WIDTH: usize = 80;

fn site() -> Option<Site> {
    Site::with(config)
}

fn config(site: &Site) -> String {
    let limits = "[limits]\nsip = { per-source = '1/s', per-source-burst = 2 }\n\
                  udp = { per-source = '1/h', per-source-burst = 1 }\n";
    format!("{}\n{limits}", site.config())
}

fn end(address: Ipv4Addr) -> String {
    format!("{address}:5060")
}

fn says(from: Ipv4Addr, text: &str) -> Vec<u8> {
    udp(&end(from), &end(PSAP), text).frame()
}

/// Writes frames, so many nanoseconds apart.
fn capture(site: &Site, name: &str, gap: u64, frames: &[Vec<u8>]) -> String {
    let file = (0..)
        .zip(frames)
        .fold(Pcap::new(Order::Little, true, ETHERNET), |file, (number, frame)| {
            file.frame(5 * SECOND + number * gap, frame)
        });
    let path = site.path(name);
    fs::write(&path, &file.bytes).unwrap();
    path.to_string_lossy().into_owned()
}

fn row<'a>(summary: &'a Value, reason: &str) -> &'a Value {
    let rows = summary["rows"].as_array().unwrap();
    rows.iter().find(|row| row["reason"] == reason).unwrap_or(&Value::Null)
}

fn assert_agreed(summary: &Value) {
    for ran in summary["ran"].as_array().unwrap() {
        assert!(ran["without_kernel"].is_null(), "{ran}");
        assert_eq!(ran["disagreements"], Value::Array(Vec::new()));
    }
}

/// The clock is the capture's: what comes once a second keeps within, at once it does not. Nothing
/// live moves.
#[test]
fn limits_go_by_the_time_stamps_of_the_capture() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let frames = vec![says(STRANGERS[0], "hello"); 20];
    // Of no PSAP is what the cable itself says now and then.
    let counted = || site.count("P-1", "passed_packets") + site.count("P-1", "dropped_packets");
    let before = (counted(), site.json(&["drops"]), site.status()["alarms"].clone());
    for (gap, dropped) in [(SECOND, 0), (1000, 18)] {
        let file = capture(&site, "calls.pcap", gap, &frames);
        let summary = site.json(&["replay", &file]);
        assert_eq!((&summary["judged"], &summary["dropped"]), (&20.into(), &dropped.into()));
        assert_eq!(row(&summary, "sip_within")["passed"], 20 - dropped);
        assert_eq!(row(&summary, "sip_over_source")["dropped"].as_i64().unwrap_or(0), dropped);
        assert_eq!(summary["ran"][0]["by_kernel"], 20);
        assert_agreed(&summary);
    }
    let after = (counted(), site.json(&["drops"]), site.status()["alarms"].clone());
    assert_eq!(after, before);
    assert!(site.passes(STRANGERS[0]), "its limit was not used up");
}

/// A whole call of a stranger: pins of its signalling, and of the media that the PSAP named, which
/// the controller reads.
#[test]
fn a_strangers_call_has_its_dialog_and_its_media() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let stranger = STRANGERS[0];
    let sdp = sip::audio((PSAP, 20000).into());
    let answer = sip::describing(&sip::response("200 OK"), &sdp);
    let (caller, psap) = (end(stranger), end(PSAP));
    let rtp = |to: &str| udp(&format!("{stranger}:40000"), to, sip::RTP).frame();
    let frames = [
        udp(&caller, &psap, sip::emergency_invite()).frame(),
        udp(&psap, &caller, answer).frame(),
        udp(&caller, &psap, sip::request("ACK", "sip:psap")).frame(),
        rtp("198.51.100.10:20000"),
        rtp("198.51.100.10:30000"),
        rtp("198.51.100.10:30000"),
    ];
    let file = capture(&site, "call.pcap", SECOND / 10, &frames);
    let answer = site.guard(&["replay", &file, "--frames", "--json"]).done();
    let lines: Vec<Value> =
        answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [frames @ .., summary] = lines.as_slice() else { panic!("no lines") };
    let reasons: Vec<_> =
        frames.iter().map(|frame| frame["judged"]["reason"].as_str().unwrap()).collect();
    let expected = ["marked", "element_out", "dialog", "pinned", "udp_within", "udp_over_source"];
    assert_eq!(reasons, expected);
    assert_eq!(frames[0]["psap"], Value::Null, "that is what was judged");
    assert_eq!(frames[0]["judged"]["psap"], "P-1");
    assert_eq!((&frames[3]["source_port"], &frames[3]["protocol"]), (&40000.into(), &"udp".into()));
    assert_eq!(summary["frames"], 6);
    assert_agreed(summary);
}

/// What a change would drop, by PSAP and reason, with the first frames; the exit code tells.
#[test]
fn a_change_is_told_by_what_it_would_drop() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let [stranger, ..] = STRANGERS;
    let mut frames = vec![says(CARRIER, "call"); 10];
    frames.insert(0, says(stranger, "hello"));
    let file = capture(&site, "calls.pcap", 1000, &frames);
    let same = site.path("same.toml");
    fs::write(&same, config(&site)).unwrap();
    let same = site.guard(&["replay", &file, "--config", &same.to_string_lossy()]).done();
    assert!(same.out.contains("would make no difference"), "{}", same.out);

    let other = site.path("other.toml");
    let peer = format!("[[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\n");
    let without = config(&site).replace(&peer, "");
    assert_ne!(without, config(&site));
    fs::write(&other, without).unwrap();
    let words = ["replay", &file, "--config", &*other.to_string_lossy()];
    let told = site.guard(&words);
    assert_eq!(told.code, Some(9), "{}{}", told.out, told.err);
    for line in told.out.lines() {
        assert!(line.chars().count() <= WIDTH || line.contains('/'), "{line}");
    }
    assert!(told.out.contains("would drop 8 frames that pass today, 8 of them protected"));
    assert!(told.out.contains("frames 4, 5, 6, 7, 8, 9, 10, 11"), "{}", told.out);
    let frames = site.guard(&[&words[..], &["--frames"]].concat());
    assert!(frames.out.contains("drop sip_over_source after the change"), "{}", frames.out);

    let json = site.guard(&[&words[..], &["--json"]].concat());
    assert_eq!(json.code, Some(9));
    let changes = &json.json()["changes"];
    assert_eq!(changes["would_drop"], 8);
    assert_eq!(changes["would_drop_protected"], 8);
    // Two are within the burst: they pass for another reason.
    assert_eq!(changes["otherwise"], 2);
    let first = &changes["rows"][0];
    assert_eq!((&first["psap"], &first["reason"]), (&"P-1".into(), &"signalling".into()));
    assert_eq!(
        (&first["reason_after"], &first["frames"], &first["first"]),
        (&"sip_over_source".into(), &8.into(), &4.into())
    );
    assert_eq!(first["example"]["source"], CARRIER.to_string());
    assert_agreed(&json.json());
}

/// Nothing loaded: the file alone, or an error that says what to do.
#[test]
fn without_a_guard_the_file_is_replayed_alone() {
    let Some(site) = site() else { return };
    let file = capture(&site, "calls.pcap", 1000, &[says(CARRIER, "call")]);
    site.guard(&["replay", &file]).fails(4, &["no guard is loaded"]);
    let config = site.file().to_string_lossy().into_owned();
    let summary = site.json(&["replay", &file, "--config", &config]);
    assert_eq!(row(&summary, "signalling")["passed"], 1);
    assert_eq!(summary["changes"], Value::Null);
    assert_agreed(&summary);
    site.guard(&["replay", &file, "--config", &config, "--interface", "eth9"])
        .fails(2, &["name one of wan0"]);
    let asked = site.json(&["replay", &file, "--config", &config, "--interface", "wan0"]);
    assert_eq!(asked["interfaces"]["wan0"], 1);
    site.configure("[guard]\nmode = 'sometimes'");
    site.guard(&["replay", &file, "--config", &config]).fails(3, &["guard.toml:2"]);
}

/// What could be read is told, and then what is broken: file, byte and frame.
#[test]
fn a_broken_capture_is_replayed_as_far_as_it_goes() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let file = capture(&site, "calls.pcap", 1000, &vec![says(CARRIER, "call"); 5]);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    let said = site.guard(&["replay", &file]);
    assert!(said.out.contains("frames       4; judged 4"), "{}", said.out);
    said.fails(1, &["calls.pcap: byte ", "frame 5", "the file ends here"]);
    let said = site.guard(&["replay", &file, "--json"]);
    assert_eq!((said.code, &said.json()["frames"]), (Some(1), &4.into()));
    assert!(said.json()["error"].as_str().unwrap().contains("frame 5"));
    fs::write(&file, b"GET / HTTP/1.1").unwrap();
    site.guard(&["replay", &file]).fails(1, &["no capture"]);
}

/// 200 MB, of a hundred thousand sources: memory stays what it is, and kernel and memory agree
/// about every frame.
#[test]
fn a_large_capture_takes_no_memory() {
    const SIZE: u64 = 200 << 20;
    /// With the tables, the state in memory and all that the program itself is.
    const PEAK: i64 = 100 << 10;
    let Some(site) = site() else { return };
    let path = site.path("large.pcap");
    let mut to = BufWriter::new(File::create(&path).unwrap());
    to.write_all(&Pcap::new(Order::Little, true, ETHERNET).bytes).unwrap();
    let (mut written, mut number) = (24, 0_u32);
    while written < SIZE {
        let source = Ipv4Addr::from_bits(0xc612_0000 + number % 100_000);
        let text =
            if number.is_multiple_of(50) { sip::emergency_invite() } else { "x".repeat(1400) };
        let mut record = Pcap::new(Order::Little, true, ETHERNET);
        record.bytes.clear();
        let record = record.frame(u64::from(number) * 1000, &says(source, &text));
        to.write_all(&record.bytes).unwrap();
        written += record.bytes.len() as u64;
        number += 1;
    }
    to.flush().unwrap();
    let config = site.file().to_string_lossy().into_owned();
    let summary = site.json(&["replay", &path.to_string_lossy(), "--config", &config]);
    assert_eq!(summary["frames"], number);
    assert_eq!(
        summary["dropped"].as_u64().unwrap()
            + summary["protected"].as_u64().unwrap()
            + row(&summary, "sip_within")["passed"].as_u64().unwrap(),
        u64::from(number)
    );
    assert_agreed(&summary);
    // The largest of all children there were, in KiB.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    assert!(peak < PEAK, "{peak} KiB for {written} bytes");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "pcap" || end == "pcapng") {
            found.push(path);
        }
    }
}

/// Captures of others: read to their end, and kernel and memory agree about every frame.
#[test]
fn captures_of_others_are_read_to_their_end() {
    let Some(folder) = corpus() else {
        eprintln!("SKIPPED  no captures beside the workspace (shared/data); set GUARD_CORPUS");
        return;
    };
    let Some(site) = site() else { return };
    let config = site.file().to_string_lossy().into_owned();
    let mut found = Vec::new();
    files(&folder, &mut found);
    assert!(!found.is_empty(), "no captures in {}", folder.display());
    let mut frames = 0;
    for file in &found {
        let file = file.to_string_lossy();
        let said = answer(&mut site.command(&["replay", &file, "--config", &config, "--json"]));
        let summary = said.done().json();
        assert_eq!(summary["no_ip"], 0, "{file}");
        assert_agreed(&summary);
        frames += summary["frames"].as_u64().unwrap();
    }
    println!("{frames} frames of {} captures", found.len());
}
