//! `guard drops --pcap`: what Wireshark gets, and what it never gets without leave.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_tests::guard_process::{Site, eventually};

use crate::{Following, NUMBER, config, denied, site};

/// Ethernet, IPv4 and UDP.
const HEADERS: usize = 14 + 20 + 8;

/// A frame of a capture: when, its bytes, its real length.
struct Frame {
    at: Duration,
    bytes: Vec<u8>,
    length: usize,
}

/// Reads a capture, as pcap-savefile(5) has it.
fn read(path: &Path) -> Vec<Frame> {
    let file = fs::read(path).unwrap();
    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_3c4d, "nanoseconds");
    assert_eq!(file[4..8], [2u16.to_ne_bytes(), 4u16.to_ne_bytes()].concat());
    assert_eq!((word(16), word(20)), (65_535, 1), "Ethernet");
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let [seconds, nanoseconds, captured, length] = [0, 4, 8, 12].map(|field| word(at + field));
        let bytes = file[at + 16..at + 16 + captured as usize].to_vec();
        at += 16 + bytes.len();
        let at = Duration::new(seconds.into(), nanoseconds);
        frames.push(Frame { at, bytes, length: length as usize });
    }
    frames
}

fn capture(site: &Site, name: &str) -> std::path::PathBuf {
    let path = site.path(name);
    let kept = eventually(Duration::from_secs(20), || {
        let _ = fs::remove_file(&path);
        let answer = site.guard(&["drops", "--pcap", &path.to_string_lossy()]).done();
        !answer.out.starts_with("0 frames")
    });
    assert!(kept, "no frame is captured");
    path
}

fn has_number(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    let hexadecimal: String = NUMBER.bytes().map(|byte| format!("{byte:02x}")).collect();
    [NUMBER, &hexadecimal]
        .iter()
        .any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn a_capture_has_headers_and_real_lengths_and_no_bodies() {
    let Some(site) = site("") else { return };
    let _daemon = site.start();
    let length = denied(&site);
    let path = capture(&site, "drops.pcap");
    let [Frame { at, bytes, length: whole }] = read(&path).try_into().ok().expect("one frame");
    assert_eq!((bytes.len(), whole), (HEADERS, HEADERS + length));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.abs_diff(at) < Duration::from_secs(60), "{at:?}");
    assert_eq!(bytes[26..30], [198, 51, 100, 65]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = site.state().join("drops.jsonl");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!has_number(&path) && !has_number(&kept));
    // What is there is not overwritten; what cannot be written is told.
    let text = path.to_string_lossy();
    let again = site.guard(&["drops", "--pcap", &text]);
    assert_eq!(again.code, Some(1), "{}", again.err);
    assert!(again.err.contains("new file"), "{}", again.err);
    assert_eq!(site.guard(&["drops", "--pcap", "/nowhere/x.pcap"]).code, Some(1));
    let audit = site.rows(&["audit"]).to_string();
    assert!(!audit.contains("--pcap"), "{audit}");
}

#[test]
fn bodies_are_kept_only_where_that_is_said_and_captures_of_them_are_audited() {
    let Some(site) = site("bodies = true") else { return };
    let _daemon = site.start();
    denied(&site);
    let path = capture(&site, "drops.pcap");
    assert!(has_number(&path), "as configured");
    assert!(site.rows(&["audit"]).to_string().contains("with bodies"));
    assert!(!site.guard(&["drops"]).done().out.contains(NUMBER));
    // Switched off again, what was kept goes.
    let _ = site.apply(&config(&site, "bodies = false")).done();
    let kept = site.state().join("drops.jsonl");
    assert!(eventually(Duration::from_secs(10), || !has_number(&kept)));
    denied(&site);
    assert!(!has_number(&capture(&site, "later.pcap")));
}

#[test]
fn a_capture_grows_while_it_is_followed() {
    let Some(site) = site("") else { return };
    let _daemon = site.start();
    let path = site.path("live.pcap");
    let _following = Following::spawn(&site, &["--pcap", &path.to_string_lossy()]);
    // It follows before it makes the file.
    let begun = || fs::metadata(&path).is_ok_and(|file| file.len() >= 24);
    assert!(eventually(Duration::from_secs(20), begun), "no capture is begun");
    assert_eq!(read(&path).len(), 0);
    denied(&site);
    denied(&site);
    assert!(eventually(Duration::from_secs(20), || read(&path).len() == 2));
}
