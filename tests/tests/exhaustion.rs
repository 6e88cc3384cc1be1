//! The tables behind strangers' calls up to their stated sizes, and what cannot fill them.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;

use guard_common::abi::state::alarm;
use guard_tests::fixtures::network::{BOSTON, BOSTON_MEDIA, ESRP, LAN, Network, WAN, address};
use guard_tests::fixtures::run::Kernel;
use guard_tests::fixtures::sip;
use guard_tests::packet::udp;
use guard_tests::privilege::require_bpf;

/// Strangers have numbers; they live in 10/8.
fn stranger(number: u32, port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::from(0x0a00_0000 | number))
}

/// Datagrams of strangers under way at once: a sixteenth of the places, of which none overflows.
const DATAGRAMS: u32 = 4096;
/// Loose fragments between a call's first and its second.
const LOOSE: u32 = 100_000;

#[test]
fn calls_in_fragments_pass_interleaved_and_in_a_flood_of_fragments() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let wan = network.interface(WAN);
    let long = sip::emergency_invite() + &"x".repeat(2500);
    let call = |number| udp(&stranger(number, 5060), BOSTON, &long).fragments(1480);
    for number in 0..DATAGRAMS {
        let [first, _] = call(number);
        assert!(!kernel.drops(&first, wan));
    }
    let mut dropped = 0;
    for number in 0..LOOSE {
        let [_, loose] = udp(&stranger(1 << 20 | number, 9), BOSTON, [7; 200]).fragments(104);
        dropped += u32::from(kernel.drops(&loose, wan));
    }
    assert!(dropped > LOOSE * 9 / 10, "only {dropped} loose fragments were dropped");
    for number in 0..DATAGRAMS {
        let [_, second] = call(number);
        assert!(!kernel.drops(&second, wan), "call {number}");
    }
    let slot = network.slot("boston");
    assert_eq!(kernel.frames(slot, "pinned_fragment"), (u64::from(DATAGRAMS), 0));
    assert_eq!(kernel.alarms()[alarm::FRAGMENT_OVERFLOW as usize], 0);
}

/// More than there are places for ports: one stream from each port of a proxy.
const PORTS: std::ops::Range<u16> = 1024..65_535;

#[test]
fn ports_that_an_element_opens_everywhere_close_none_in_use() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let (lan, wan) = (network.interface(LAN), network.interface(WAN));
    let (caller, desk) = ("198.18.7.7:40000", BOSTON_MEDIA);
    assert!(!kernel.drops(&udp(desk, caller, sip::RTP).frame(), lan));
    for port in PORTS {
        let from = format!("{}:{port}", address(ESRP));
        let to = stranger(u32::from(port), 40_000);
        assert!(!kernel.drops(&udp(&from, &to, sip::RTP).frame(), lan));
    }
    assert!(kernel.alarms()[alarm::PORT_OVERFLOW as usize] > 1000);
    assert!(!kernel.drops(&udp(caller, desk, sip::RTP).frame(), wan));
    assert_eq!(kernel.frames(network.slot("boston"), "pinned"), (1, 0));
}

/// Several for each place of a tentative pin.
const STREAMS: u32 = 200_000;

#[test]
fn a_flood_of_marked_messages_displaces_tentative_pins_and_says_so() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let (lan, wan) = (network.interface(LAN), network.interface(WAN));
    let answered = stranger(0xff_ffff, 5060);
    let call = udp(&answered, BOSTON, sip::emergency_invite()).frame();
    assert!(!kernel.drops(&call, wan));
    assert!(!kernel.drops(&udp(BOSTON, &answered, sip::response("200 OK")).frame(), lan));
    for number in 0..STREAMS {
        let marked = udp(&stranger(number, 5060), BOSTON, sip::emergency_invite()).frame();
        assert!(!kernel.drops(&marked, wan));
    }
    let overflows = kernel.alarms()[alarm::TENTATIVE_OVERFLOW as usize];
    assert!(overflows > u64::from(STREAMS) / 2, "{overflows} of {STREAMS}");
    // A call that the element has answered is beyond their reach.
    let ack = udp(&answered, BOSTON, sip::request("ACK", "sip:psap")).frame();
    assert!(!kernel.drops(&ack, wan));
    assert_eq!(kernel.frames(network.slot("boston"), "dialog"), (1, 0));
    assert_eq!(kernel.alarms()[alarm::PIN_OVERFLOW as usize], 0);
}
