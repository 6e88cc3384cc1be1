//! Any bytes of any length: nothing panics, nothing is aborted, host and kernel agree.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::RefCell;

use guard_tests::fixtures::all;
use guard_tests::fixtures::network::{
    BOSTON, BOSTON6, CARRIER_A, CARRIER_A6, Network, STRANGER, STRANGER6, WAN,
};
use guard_tests::fixtures::run::{Both, Host, verdict};
use guard_tests::fixtures::sip::{emergency_invite, plain_invite};
use guard_tests::packet::{NETWORK, Tcp, ethernet, extension, tcp, udp, wrapped_in_qinq};
use guard_tests::privilege::require_bpf;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn what_is_shorter_than_an_ethernet_header_passes() {
    let network = Network::on_host();
    let mut host = Host::new(&network.tables);
    for length in 0..NETWORK {
        let answer = host.run(&[0xff; NETWORK][..length], network.interface(WAN));
        let is = (answer.dropped, answer.reason().name(), answer.slot);
        assert_eq!(is, (false, "unreadable_frame", 0), "{length} bytes");
    }
}

#[test]
fn every_length_of_every_byte_on_the_host() {
    let network = Network::on_host();
    let mut host = Host::new(&network.tables);
    for byte in [0x00, 0x08, 0x45, 0x60, 0x81, 0xff] {
        for length in (0..600).chain([1500, 9000, 16_383, 16_384, 65_535, 100_000]) {
            host.run(&vec![byte; length], network.interface(WAN));
        }
    }
}

/// One frame of each shape.
fn shapes() -> Vec<Vec<u8>> {
    let call = udp(STRANGER, BOSTON, emergency_invite());
    vec![
        call.frame(),
        call.options(&[1; 40]).frame(),
        udp(CARRIER_A, BOSTON, plain_invite()).frame(),
        tcp(STRANGER, BOSTON, Tcp::Data, emergency_invite()).frame(),
        udp(STRANGER6, BOSTON6, emergency_invite()).frame(),
        udp(CARRIER_A6, BOSTON6, plain_invite()).extensions(&extension::ALL).frame(),
        wrapped_in_qinq(&udp(STRANGER, BOSTON, emergency_invite()).frame(), 7, 8),
    ]
}

#[test]
fn every_byte_of_the_headers_takes_every_value() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let wan = network.interface(WAN);
    verdict(shapes().into_iter().map(|shape| {
        for place in NETWORK - 2..shape.len().min(110) {
            let mut frame = shape.clone();
            // Every bit alone, and the ends.
            for value in
                (0..8).flat_map(|bit| [shape[place] ^ (1 << bit), 1 << bit]).chain([0, 0xff])
            {
                frame[place] = value;
                both.run(&frame, wan)
                    .map_err(|why| format!("{value:#x} at {place} of {shape:02x?}: {why}"))?;
            }
        }
        Ok(())
    }));
}

/// Frames made of fixtures with some bytes changed, and of nothing but chance.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<_> =
        all().into_iter().flat_map(|fixture| fixture.steps).map(|step| step.frame).collect();
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    let changed = (prop::sample::select(frames), changes).prop_map(|(mut frame, changes)| {
        for (place, byte) in changes {
            // Most of what is decided is decided by the first hundred bytes.
            let length = frame.len().min(100);
            frame[place.index(length)] = byte;
        }
        frame
    });
    let kinds = prop::sample::select(vec![0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806]);
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    let random = (kinds, bytes).prop_map(|(kind, bytes)| ethernet(kind, &bytes));
    prop_oneof![3 => changed, 1 => random]
}

#[test]
fn host_and_kernel_agree_about_any_frame() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let both = RefCell::new(Both::new(&network.tables));
    let interfaces: Vec<_> = network.interfaces.values().copied().collect();
    let config = Config { cases: 30_000, failure_persistence: None, ..Config::default() };
    let frames = (any_frame(), prop::sample::select(interfaces));
    // Shrinking would run on in another state, so a failure shows the frame as it was.
    let config = Config { max_shrink_iters: 0, ..config };
    TestRunner::new(config)
        .run(&frames, |(frame, interface)| {
            let answer = both.borrow_mut().run(&frame, interface);
            answer.map(|_| ()).map_err(TestCaseError::fail)
        })
        .expect("host and kernel agree");
}

#[test]
fn no_frame_panics_on_the_host() {
    let network = Network::on_host();
    let host = RefCell::new(Host::new(&network.tables));
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&any_frame(), |frame| {
            host.borrow_mut().run(&frame, network.interface(WAN));
            Ok(())
        })
        .expect("no panic, and every frame counted once");
}

#[test]
fn host_and_kernel_agree_beyond_the_first_buffer() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let wan = network.interface(WAN);
    let mut reason = |frame: Vec<u8>| {
        let answer = both.run(&frame, wan).expect("host and kernel agree");
        assert!(!answer.dropped);
        answer.reason().name()
    };
    for length in [3000, 3300, 3400, 3500, 3600, 4096, 9000, 30_000] {
        let body = "x".repeat(length);
        assert_eq!(reason(udp(CARRIER_A, BOSTON, plain_invite() + &body).frame()), "signalling");
        assert_eq!(reason(udp(STRANGER, BOSTON, emergency_invite() + &body).frame()), "marked");
    }
    // Extension headers that reach behind the first buffer, or behind what is looked at.
    for (length, chain) in [(0xffu8, 1), (0xff, 2), (0xff, 7), (0x40, 7), (0x6b, 4)] {
        let whole = (usize::from(length) + 1) * 8;
        let call = udp(CARRIER_A6, BOSTON6, plain_invite()).frame();
        let mut headers = vec![0; whole * chain];
        for (number, header) in headers.chunks_exact_mut(whole).enumerate() {
            header[0] = if number + 1 == chain { 17 } else { extension::DESTINATION };
            header[1] = length;
        }
        let (fixed, rest) = call.split_at(NETWORK + 40);
        let mut frame = [fixed, &headers, rest].concat();
        let payload = u16::try_from(headers.len() + rest.len()).expect("fits IPv6");
        frame.splice(
            NETWORK + 4..NETWORK + 7,
            [payload.to_be_bytes().as_slice(), &[extension::DESTINATION]].concat(),
        );
        assert!(
            matches!(reason(frame), "signalling" | "unclear"),
            "{chain} headers of {whole} bytes"
        );
    }
}
