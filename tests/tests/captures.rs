//! Captures: both formats, both byte orders, every link type that is read; and whatever is
//! broken is told with its place, and costs neither a panic nor memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test may panic"
)]

#[path = "captures/links.rs"]
mod links;

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use guard_tests::captures::{ETHERNET, Order, Pcap, PcapNg, RAW};
use guard_tests::packet::udp;
use guard_user::capture::{Capture, CaptureError};
use guard_user::report::Parties;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
/// 2026-01-02, and some nanoseconds.
const AT: u64 = 1_767_312_000 * SECOND + 123_456_789;

/// A frame as a test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    at: Option<Duration>,
    interface: Option<String>,
    leaving: bool,
    is_made_up: bool,
    left_out: usize,
    bytes: Option<Vec<u8>>,
}

/// All frames of a file, and its error if it has one.
fn read(bytes: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let from = Box::new(Cursor::new(bytes.to_vec()));
    let mut capture = match Capture::read(Path::new("test.pcap"), from, None) {
        Ok(capture) => capture,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut seen = Vec::new();
    loop {
        match capture.next_frame() {
            Ok(None) => return (seen, None),
            Ok(Some(frame)) => {
                assert_eq!(frame.number, seen.len() as u64 + 1);
                seen.push(Seen {
                    at: frame.at,
                    interface: frame.interface.map(str::to_owned),
                    leaving: frame.leaving,
                    is_made_up: frame.is_made_up,
                    left_out: frame.left_out,
                    bytes: frame.bytes.map(<[u8]>::to_vec),
                });
            }
            Err(error) => {
                assert!(capture.next_frame().unwrap().is_none(), "an error ends it");
                return (seen, Some(error));
            }
        }
    }
}

fn whole(bytes: &[u8]) -> Vec<Seen> {
    let (seen, error) = read(bytes);
    assert_eq!(error, None);
    seen
}

fn frame(said: &str) -> Vec<u8> {
    udp("198.18.7.7:5060", "198.51.100.10:5060", said).frame()
}

fn plain(at: Option<u64>, bytes: &[u8]) -> Seen {
    Seen {
        at: at.map(Duration::from_nanos),
        interface: None,
        leaving: false,
        is_made_up: false,
        left_out: 0,
        bytes: Some(bytes.to_vec()),
    }
}

#[test]
fn pcap_is_read_in_both_orders_and_resolutions() {
    for order in Order::ALL {
        for (is_nano, at) in [(true, AT), (false, AT / 1000 * 1000)] {
            let (one, two) = (frame("one"), frame(""));
            let file = Pcap::new(order, is_nano, ETHERNET).frame(AT, &one).frame(AT + SECOND, &two);
            let expected = [plain(Some(at), &one), plain(Some(at + SECOND), &two)];
            assert_eq!(whole(&file.bytes), expected, "{order:?} {is_nano}");
        }
    }
    assert_eq!(whole(&Pcap::new(Order::Big, true, RAW).bytes), []);
}

/// A frame says where in the file it lies.
#[test]
fn frames_have_their_place_in_the_file() {
    let (one, two) = (frame("one"), frame("two"));
    let start = Pcap::new(Order::Big, true, ETHERNET);
    let before = start.bytes.len() as u64;
    let file = start.frame(AT, &one);
    let between = file.bytes.len() as u64;
    let ng = PcapNg::new().section(Order::Big).interface(ETHERNET, "a", 6, 0);
    let ng_before = ng.bytes.len() as u64;
    let ng = ng.packet(0, 0, &one, None);
    let ng_between = ng.bytes.len() as u64;
    for (bytes, places) in [
        (file.frame(AT, &two).bytes, [before, between]),
        (ng.packet(0, 0, &two, None).bytes, [ng_before, ng_between]),
    ] {
        let mut capture =
            Capture::read(Path::new("test"), Box::new(Cursor::new(bytes)), None).unwrap();
        for place in places {
            assert_eq!(capture.next_frame().unwrap().unwrap().offset, place);
        }
    }
}

#[test]
fn pcapng_is_read_with_sections_interfaces_and_options() {
    let (one, two) = (frame("one"), frame("to"));
    let mut file = PcapNg::new();
    for order in [Order::Big, Order::Little, Order::Big] {
        file = file
            .section(order)
            .interface(ETHERNET, "wan0", 9, 0)
            .interface(RAW, "tun0", 6, 1_767_312_000)
            // Units of 2^-10 of a second.
            .interface(ETHERNET, "lan0", 0x8a, 0)
            // Names of hosts, statistics, somebody's own: of no matter here.
            .block(4, &[0; 40])
            .packet(0, AT, &one, Some(1))
            .block(0x0bad_cafe, &vec![7; 1 << 20])
            .packet(1, 5_000_000, &two[14..], None)
            .packet(2, 2 * 1024 + 512, &one, Some(2))
            .simple(&two);
    }
    let on = |name: &str, seen: Seen| Seen { interface: Some(name.to_owned()), ..seen };
    let mut raw = plain(Some(1_767_312_005 * SECOND), &two);
    raw.is_made_up = true;
    let mut out = plain(Some(2 * SECOND + SECOND / 2), &one);
    out.leaving = true;
    let section = [
        on("wan0", plain(Some(AT), &one)),
        on("tun0", raw),
        on("lan0", out),
        on("wan0", plain(None, &two)),
    ];
    let mut seen = whole(&file.bytes);
    // The made-up header has other addresses.
    for number in [1, 5, 9] {
        let bytes = seen[number].bytes.as_mut().unwrap();
        assert_eq!(bytes[12..], two[12..]);
        *bytes = two.clone();
    }
    assert_eq!(seen, [&section[..], &section, &section].concat());
}

/// What a capture left out of a packet is zero, up to the longest frame there is.
#[test]
fn what_was_left_out_is_filled_up_within_bounds() {
    let whole_frame = frame("0123456789");
    for (original, filled) in [(whole_frame.len() as u32 + 20, 20), (u32::MAX, 65_557 - 52)] {
        let mut file = Pcap::new(Order::Little, false, ETHERNET);
        file.push(AT, &whole_frame, whole_frame.len() as u32, original);
        let seen = whole(&file.bytes);
        assert_eq!(seen[0].left_out, filled);
        assert_eq!(seen[0].bytes.as_ref().unwrap().len(), whole_frame.len() + filled);
    }
}

fn good() -> [(Vec<u8>, Vec<Seen>); 2] {
    let (one, two) = (frame("one"), frame("two and more"));
    let pcap = Pcap::new(Order::Big, true, ETHERNET).frame(AT, &one).frame(AT, &two);
    let ng = PcapNg::new()
        .section(Order::Big)
        .interface(ETHERNET, "wan0", 9, 0)
        .packet(0, AT, &one, Some(1))
        .block(5, &[0; 20])
        .section(Order::Little)
        .interface(ETHERNET, "wan0", 9, 0)
        .packet(0, AT, &two, Some(1));
    [pcap.bytes, ng.bytes].map(|bytes| (bytes.clone(), whole(&bytes)))
}

/// Cut at every byte: what was there before is read, and the error names file, byte and frame.
#[test]
fn a_file_cut_anywhere_gives_what_it_has_and_says_where_it_ends() {
    for (bytes, frames) in good() {
        assert_eq!(frames.len(), 2);
        let mut clean = 0;
        for cut in 0..bytes.len() {
            let (seen, error) = read(&bytes[..cut]);
            assert_eq!(seen[..], frames[..seen.len()], "cut at {cut}");
            let Some(error) = error else {
                // Between two records there is nothing to miss.
                clean += 1;
                continue;
            };
            let text = error.to_string();
            assert!(text.starts_with("test.pcap: ") && text.contains("\n  next: "), "{text}");
            if let CaptureError::Broken { offset, frame, .. } = error {
                assert!(offset <= cut as u64, "{text}");
                assert_eq!(frame, seen.len() as u64 + 1, "{text}");
                assert!(text.contains(&format!("byte {offset}, frame {frame}")), "{text}");
            }
        }
        assert!((2..=6).contains(&clean), "{clean} cuts leave a whole file");
    }
}

/// Lengths that cannot be: an error, and not the memory they ask for.
#[test]
fn claimed_lengths_are_not_believed() {
    let broken = |bytes: &[u8], frames: usize, words: &str| {
        let (seen, error) = read(bytes);
        let text = error.unwrap().to_string();
        assert!(seen.len() == frames && text.contains(words), "{text}");
    };
    for captured in [262_145, u32::MAX / 2, u32::MAX] {
        let mut file = Pcap::new(Order::Little, false, ETHERNET).frame(AT, &frame("one"));
        file.push(AT, b"short", captured, captured);
        broken(&file.bytes, 1, "at most 262144");
        let file = PcapNg::new().section(Order::Little).interface(ETHERNET, "wan0", 6, 0);
        broken(&file.claiming(0, 0, b"short", captured, None).bytes, 0, "its block has 8");
    }
    for captured in [9, 100, 262_144] {
        let file = PcapNg::new().section(Order::Big).interface(ETHERNET, "wan0", 6, 0);
        broken(&file.claiming(0, 0, b"short", captured, None).bytes, 0, "its block has 8");
    }
    let start = || PcapNg::new().section(Order::Little).interface(ETHERNET, "a", 6, 0);
    // A block of four gigabytes, of a kind that is read and of one that is not.
    for kind in [6_u32, 77] {
        let mut file = start();
        file.bytes.extend(kind.to_le_bytes());
        file.bytes.extend(0xffff_fff0_u32.to_le_bytes());
        broken(&file.bytes, 0, if kind == 6 { "for a block" } else { "the file ends here" });
    }
    for length in [0_u32, 4, 11, 13, 15] {
        let mut file = start();
        file.bytes.extend(6_u32.to_le_bytes());
        file.bytes.extend(length.to_le_bytes());
        broken(&file.bytes, 0, "cannot have");
    }
    broken(&start().packet(7, 0, b"", None).bytes, 0, "interface 7, of 1");
    broken(&PcapNg::new().section(Order::Big).simple(b"x").bytes, 0, "interface 0, of 0");
    broken(&start().block(6, &[0; 8]).bytes, 0, "without a length");
    let mut ends_otherwise = start().packet(0, 0, b"", None);
    let last = ends_otherwise.bytes.len() - 1;
    ends_otherwise.bytes[last] = 9;
    broken(&ends_otherwise.bytes, 0, "at its end and others at its front");
    let many = (0..4097).fold(start(), |file, _| file.interface(ETHERNET, "a", 6, 0));
    broken(&many.bytes, 0, "more than 4096 interfaces");
    for (bytes, words) in
        [(&b""[..], "empty"), (b"abc", "first four"), (b"#!/bin/sh\n", "no capture")]
    {
        broken(bytes, 0, words);
    }
}

/// Time stamps in units that make no sense are none.
#[test]
fn no_unit_of_time_is_too_odd() {
    for resolution in 0..=u8::MAX {
        for offset in [0, 1, u64::MAX, u64::MAX / 2] {
            let file = PcapNg::new()
                .section(Order::Big)
                .interface(ETHERNET, "a", resolution, offset)
                .packet(0, u64::MAX, &frame(""), None);
            assert_eq!(whole(&file.bytes).len(), 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes of a good file, some of them changed: no panic, no end of reading, no frame that the
    /// file has no bytes for.
    #[test]
    fn damage_anywhere_is_survived(
        which in 0..2usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (mut bytes, _) = good()[which].clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let (seen, _) = read(&bytes);
        prop_assert!(seen.len() <= bytes.len() / 16);
    }

    #[test]
    fn any_bytes_are_survived(
        magic in prop::sample::select(vec![
            [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x0a, 0x0d, 0x0d, 0x0a],
            [0x34, 0xcd, 0xb2, 0xa1], [1, 2, 3, 4],
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = read(&[&magic[..], &rest].concat());
    }
}
