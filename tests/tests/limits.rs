//! The limits in the kernel, with its own clock: what a source and a PSAP get, and what a flood
//! cannot take from others. Bounds on rates are loose; bounds on who suffers are not.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use guard_common::abi::state::alarm;
use guard_common::class::Kind;
use guard_tests::fixtures::limited::frame_of;
use guard_tests::fixtures::network::{
    BOSTON, BOSTON_MEDIA, CARRIER_A, HOSTED_MEDIA, LAN, Network, WAN, config_with, real,
};
use guard_tests::fixtures::run::{Both, Kernel};
use guard_tests::fixtures::sip;
use guard_tests::packet::{NETWORK, udp};
use guard_tests::privilege::require_bpf;

/// Where the source address is in a frame without tags.
const SOURCE: std::ops::Range<usize> = NETWORK + 12..NETWORK + 16;

struct Flood {
    kernel: Kernel,
    wan: u32,
    frame: Vec<u8>,
    sources: u32,
    /// When the last frame was sent, and the time before each frame, as far as a bucket fills in it.
    last: Instant,
    filling: Duration,
    /// In that time an empty bucket is full; what comes after it is lost.
    full: Duration,
}

impl Flood {
    fn new(limits: &str) -> Self {
        let network = Network::of(&config_with(limits), real());
        let (kernel, wan) = (Kernel::new(&network.tables), network.interface(WAN));
        Self {
            kernel,
            wan,
            frame: frame_of(Kind::Udp, "198.18.0.0"),
            sources: 0,
            last: Instant::now(),
            filling: Duration::ZERO,
            full: Duration::MAX,
        }
    }

    /// Begins to measure what a bucket of this size and rate grants.
    fn measure(&mut self, burst: u32, rate: u32) {
        self.full = Duration::from_secs(1) * burst / rate;
        (self.last, self.filling) = (Instant::now(), Duration::ZERO);
    }

    /// Whether a frame of this stranger passes. Strangers have numbers; they all live in 10/8.
    fn passes(&mut self, stranger: u32) -> bool {
        let now = Instant::now();
        self.filling += now.duration_since(self.last).min(self.full);
        self.last = now;
        let source = 0x0a00_0000 | (stranger & 0x00ff_ffff);
        self.frame.splice(SOURCE, source.to_be_bytes());
        !self.kernel.drops(&self.frame, self.wan)
    }

    /// Frames that pass when one source sends for a while.
    fn by_one(&mut self, stranger: u32, time: Duration) -> u64 {
        let end = Instant::now() + time;
        let mut passed = 0;
        while Instant::now() < end {
            passed += u64::from(self.passes(stranger));
        }
        passed
    }

    /// Frames that pass when every frame has another source.
    fn by_many(&mut self, frames: u32) -> u64 {
        let mut passed = 0;
        for _ in 0..frames {
            self.sources += 1;
            let source = self.sources;
            passed += u64::from(self.passes(source));
        }
        passed
    }
}

const LAST: u32 = 0x00ff_ffff;

fn assert_about(passed: u64, burst: u32, rate: u32, filling: Duration) {
    let expected = f64::from(burst) + f64::from(rate) * filling.as_secs_f64();
    let passed = passed as f64;
    // The clock steps by up to 10 ms, and other tests take their share of the machine.
    let about = expected * 0.75..expected * 1.25 + 10.0;
    assert!(about.contains(&passed), "{passed} passed, {expected} are granted");
}

#[test]
fn one_source_gets_its_burst_and_its_rate() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new(
        "limits.udp = { per-source = '500/s', per-source-burst = 50, per-psap = '1000000/s', per-psap-burst = 1000000 }",
    );
    flood.measure(50, 500);
    let passed = flood.by_one(1, Duration::from_millis(1500));
    assert_about(passed, 50, 500, flood.filling);
}

#[test]
fn a_million_sources_get_what_the_psap_grants() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new(
        "limits.udp = { per-source = '500/s', per-source-burst = 50, per-psap = '2000/s', per-psap-burst = 100 }",
    );
    flood.measure(100, 2000);
    let passed = flood.by_many(1_000_000);
    assert_about(passed, 100, 2000, flood.filling);
    let (within, over) =
        (flood.kernel.frames(1, "udp_within"), flood.kernel.frames(1, "udp_over_psap"));
    assert_eq!((within.0, over.1), (passed, 1_000_000 - passed), "every frame has its reason");
}

#[test]
fn a_million_sources_free_no_source_of_its_limit() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new(
        "limits.udp = { per-source = '1/h', per-source-burst = 5, per-psap = '1/h', per-psap-burst = 100 }",
    );
    assert_eq!((0..20).filter(|_| flood.passes(LAST)).count(), 5);
    // A table of sources would have forgotten it by now: this one has nothing to fill.
    assert_eq!(flood.by_many(1_000_000), 95);
    assert!(!flood.passes(LAST));
}

#[test]
fn a_source_over_its_limit_takes_nothing_from_the_psap() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new(
        "limits.udp = { per-source = '1/h', per-source-burst = 5, per-psap = '1/h', per-psap-burst = 50 }",
    );
    assert_eq!((0..100_000).filter(|_| flood.passes(LAST)).count(), 5);
    // 45 of the PSAP's 50 are left, whatever that source sent.
    assert_eq!(flood.by_many(100), 45);
}

#[test]
fn a_quiet_source_is_heard_beside_a_flood_from_one() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new(
        "limits.udp = { per-source = '100/s', per-source-burst = 10, per-psap = '100000/s', per-psap-burst = 100000 }",
    );
    for second in 0..20 {
        flood.by_one(LAST, Duration::from_millis(20));
        assert!(flood.passes(second), "a source that sends its first frame");
    }
}

#[test]
fn no_limit_is_no_limit() {
    if !require_bpf() {
        return;
    }
    let mut flood = Flood::new("limits.udp = { per-source = 'unlimited', per-psap = 'unlimited' }");
    assert!((0..10_000).all(|_| flood.passes(LAST)));
}

/// A stranger's media to a port that the PSAP opened for it.
const MEDIA: (&str, &str) = ("198.18.7.7:40000", BOSTON_MEDIA);

#[test]
fn a_pinned_stranger_beyond_its_allowance_is_limited() {
    if !require_bpf() {
        return;
    }
    let text = "[pins]\nallowance = '1/h'\nallowance-burst = 5\n\
                [limits.pinned]\nper-source = '1/h'\nper-source-burst = 3\nper-psap = '1/h'\nper-psap-burst = 4";
    let network = Network::of(&config_with(text), real());
    let mut both = Both::new(&network.tables);
    let mut is = |frame: Vec<u8>, interface| {
        let answer = both.run(&frame, network.interface(interface)).expect("host and kernel agree");
        (answer.reason().name(), answer.dropped)
    };
    let media = |from: &str| udp(from, MEDIA.1, sip::RTP).frame();
    for stranger in [MEDIA.0, "198.18.7.8:40000"] {
        // Each call has a port of its own; here both share it, and with it the allowance.
        assert_eq!(is(udp(MEDIA.1, stranger, sip::RTP).frame(), LAN).0, "element_out");
    }
    let mut reasons: Vec<_> = (0..9).map(|_| is(media("198.18.7.8:40000"), WAN)).collect();
    reasons.dedup();
    let expected = [("pinned", false), ("pinned_within", false), ("pinned_over_source", true)];
    assert_eq!(reasons, expected);
    // Signalling of another stranger's call has an allowance of its own, and the PSAP's rest.
    let call = |text: String| udp("198.18.7.9:5060", BOSTON, text).frame();
    assert_eq!(is(call(sip::emergency_invite()), WAN).0, "marked");
    assert_eq!(
        is(udp(BOSTON, "198.18.7.9:5060", sip::response("200 OK")).frame(), LAN).0,
        "element_out"
    );
    let mut reasons: Vec<_> =
        (0..9).map(|_| is(call(sip::request("INFO", "sip:psap")), WAN)).collect();
    reasons.dedup();
    let expected = [("dialog", false), ("pinned_within", false), ("pinned_over_psap", true)];
    assert_eq!(reasons, expected);
}

#[test]
fn a_lost_copy_opens_media_to_its_element_alone() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let wan = network.interface(WAN);
    let invite = udp(CARRIER_A, BOSTON, sip::plain_invite()).frame();
    let strangers = udp(MEDIA.0, MEDIA.1, sip::RTP).frame();
    let to_site = udp(MEDIA.0, HOSTED_MEDIA, sip::RTP).frame();
    assert_eq!(kernel.run(&strangers, wan).reason().name(), "udp_within");
    // Nobody reads the ring meanwhile, and it is full before they are all through.
    kernel.guard.time(&invite, wan, 10_000).expect("a test run");
    kernel.guard.drain();
    assert!(kernel.alarms()[alarm::COPY_LOST as usize] > 0);
    for _ in 0..100 {
        assert!(!kernel.drops(&strangers, wan));
    }
    let slot = network.slot("boston");
    assert_eq!(kernel.frames(slot, "media_open"), (100, 0));
    let _ = kernel.drops(&to_site, wan);
    assert_eq!(kernel.frames(network.slot("hosted-east"), "udp_within").0, 1);
}
