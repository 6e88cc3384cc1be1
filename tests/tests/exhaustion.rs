//! The tables behind strangers' calls up to their stated sizes, and what cannot fill them.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::ops::Range;

use guard_common::abi::state::alarm;
use guard_common::guard::{Scratch, process};
use guard_tests::fixtures::network::{BOSTON, BOSTON_MEDIA, ESRP, LAN, Network, WAN, address};
use guard_tests::fixtures::run::Kernel;
use guard_tests::fixtures::sip;
use guard_tests::packet::{Tcp, tcp, udp};
use guard_tests::privilege::require_bpf;
use guard_user::policy::model::Model;

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

/// The host, with a clock that stands still until it is told.
struct Told {
    model: Model,
    scratch: Scratch,
    lan: u32,
    wan: u32,
}

impl Told {
    const MINUTE: u64 = 60_000_000_000;

    fn new() -> Self {
        let network = Network::on_host();
        let (lan, wan) = (network.interface(LAN), network.interface(WAN));
        Self {
            model: Model::new(network.tables, Self::MINUTE),
            scratch: Scratch::default(),
            lan,
            wan,
        }
    }

    /// Runs frames; how often something of a call that had only begun gave way.
    fn displaced(&mut self, interface: u32, frames: impl Iterator<Item = Vec<u8>>) -> u64 {
        let before = self.model.alarms(alarm::TENTATIVE_OVERFLOW);
        for frame in frames {
            process(&frame.as_slice(), &self.model, &mut self.scratch, interface);
        }
        self.model.alarms(alarm::TENTATIVE_OVERFLOW) - before
    }

    /// The element grants a connection to each of these strangers.
    fn granted(&mut self, strangers: Range<u32>) -> u64 {
        let grant = |number| tcp(BOSTON, &stranger(number, 40_000), Tcp::SynAck, "").frame();
        self.displaced(self.lan, strangers.map(grant))
    }

    /// Each of these strangers sends half a start line.
    fn half_lines(&mut self, strangers: Range<u32>) -> u64 {
        let half =
            |number| tcp(&stranger(number, 40_000), BOSTON, Tcp::Data, "INVITE urn:").frame();
        self.displaced(self.wan, strangers.map(half))
    }
}

#[test]
fn handshakes_that_displace_tentative_pins_say_so() {
    let mut told = Told::new();
    assert_eq!(told.granted(0..STREAMS), 0, "handshakes that displace each other are no calls");
    let call = |number| udp(&stranger(number, 5060), BOSTON, sip::emergency_invite()).frame();
    told.displaced(told.wan, (0..STREAMS).map(call));
    let displaced = told.granted(STREAMS..2 * STREAMS);
    // Nearly each place had one, and gives it up once.
    assert!((55_000..=65_536).contains(&displaced), "{displaced}");
}

#[test]
fn half_start_lines_that_displace_each_other_say_so_while_they_may_go_on() {
    let mut told = Told::new();
    let displaced = told.half_lines(0..STREAMS);
    assert!(displaced > u64::from(STREAMS) / 2, "{displaced} of {STREAMS}");
    assert_eq!(told.half_lines(STREAMS - 1..STREAMS), 0, "one that comes twice displaces nobody");
    told.model.set_now(2 * Told::MINUTE);
    let late = told.half_lines(STREAMS..STREAMS + 1000);
    assert!(late < 100, "what was left a minute ago is no alarm, {late} were");
}
