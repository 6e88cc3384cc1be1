//! G1, held by somebody else's reading of SIP: in made-up networks, with anything in the maps, no
//! frame that carries its own evidence, none between configured parties and none of an answered
//! call is dropped, and host and kernel agree about every frame.
//!
//! Here a few hundred thousand frames; `cargo run --release -p guard-tests --bin oracle` sends as
//! many millions as one likes, and repeats a failure by its seed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::{env, fs};

use guard_common::abi::state::alarm;
use guard_common::sip::{headers, start_line};
use guard_tests::fixtures::network::{BOSTON, LAN, Network, WAN, real};
use guard_tests::fixtures::run::{Host, verdict};
use guard_tests::fixtures::{all, sip};
use guard_tests::oracle::{
    Campaign, Claim, Fuzzed, Kept, Random, Says, Tally, World, claim, of_pieces, says, seeds,
    spliced,
};
use guard_tests::packet::udp;
use guard_tests::privilege::require_bpf;

/// Frames in each network.
const FRAMES: u64 = 20_000;

/// A campaign from a seed that is always the same: what fails, fails again.
const CAMPAIGN: Campaign = Campaign { seed: 0x0911, kept: Kept::TODAY, frames: FRAMES };

/// A campaign in which nothing was dropped, or nothing claimed, would show nothing.
fn shows_something(tally: &Tally) {
    println!("{tally}");
    let least = tally.frames / 100;
    for count in [tally.dropped, tally.marked, tally.rests_on_state, tally.unprotected] {
        assert!(count > least, "only {count} of {}", tally.frames);
    }
}

#[test]
fn every_claim_holds_on_the_host() {
    match CAMPAIGN.run(0..15, None) {
        Ok(tally) => shows_something(&tally),
        Err(failure) => verdict([Err(failure.to_string())].into_iter()),
    }
}

#[test]
fn every_claim_holds_in_the_kernel_and_both_agree() {
    if !require_bpf() {
        return;
    }
    let interfaces = real();
    match CAMPAIGN.run(100..110, Some(&interfaces)) {
        Ok(tally) => shows_something(&tally),
        Err(failure) => verdict([Err(failure.to_string())].into_iter()),
    }
}

/// The oracle reads the fixtures as they are meant: every frame that is protected by its own
/// start line, every one between configured parties that it knows.
#[test]
fn oracle_and_fixtures_are_of_one_mind() {
    let world = World::of_fixtures();
    let mut marked = 0;
    let steps = all().into_iter().flat_map(|fixture| {
        fixture.steps.into_iter().map(move |step| (fixture.name.clone(), step))
    });
    verdict(steps.filter(|(_, step)| step.interface != "lo").map(|(name, step)| {
        let claim = claim(&world, &step.frame, step.interface, Kept::TODAY);
        let expected = step.expected;
        let fits = match claim {
            Claim::Protected(_) => matches!(expected.class, "protected" | "infrastructure"),
            Claim::Passes(_) => expected.fate == guard_tests::fixtures::Fate::Passes,
            Claim::Unprotected(_) => expected.class != "protected",
            Claim::Nothing => {
                // A length that only jumbograms may have: the oracle leaves it alone.
                // The end of a start line is none by itself.
                name == "UDP length of 0"
                    || name.contains("segment")
                    || name.contains("split")
                    || !matches!(expected.reason, "marked" | "signalling")
            }
        };
        marked += usize::from(claim == Claim::Protected("marked"));
        if fits { Ok(()) } else { Err(format!("{name}: {claim:?}, {}", expected.reason)) }
    }));
    assert!(marked > 50, "only {marked} marked");
}

/// What the fuzzer begins with: its committed corpus, and messages and frames made here.
fn inputs() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/frame");
    let files = fs::read_dir(corpus).expect("the corpus");
    let committed = files.map(|file| fs::read(file.expect("a file").path()).expect("readable"));
    let inputs: Vec<_> = committed.chain(seeds()).collect();
    assert!(inputs.len() > 1000, "{} inputs", inputs.len());
    inputs
}

#[test]
fn every_input_of_the_fuzzer_is_answered_as_it_should() {
    let mut fuzzed = Fuzzed::new();
    verdict(inputs().iter().map(|input| {
        fuzzed.check(input).map_err(|why| format!("{why}: {}", input.escape_ascii()))
    }));
}

#[test]
fn so_is_whatever_is_spliced_of_them() {
    let (inputs, mut random, mut fuzzed) = (inputs(), Random::new(0x0911), Fuzzed::new());
    verdict((0..200_000).map(|_| {
        let input = spliced(&mut random, &inputs);
        fuzzed.check(&input).map_err(|why| format!("{why}: {}", input.escape_ascii()))
    }));
}

/// Two readers, and neither may see an emergency that the guard does not.
#[test]
fn whatever_pieces_a_message_is_made_of_the_guard_reads_what_others_read() {
    let mut random = Random::new(0x0911);
    let mut marked = 0;
    verdict((0..300_000).map(|_| {
        let message = of_pieces(&mut random);
        let (bytes, length) = (message.as_slice(), u32::try_from(message.len()).unwrap_or(0));
        let seen = match says(&message, Kept::TODAY) {
            Says::RequestUri => {
                start_line::read(&bytes, 0, length, start_line::BEGIN) == start_line::MATCH
            }
            Says::Header(_) => headers::say_emergency(&bytes, 0, length),
            Says::Unclear | Says::Nothing => return Ok(()),
        };
        marked += 1;
        if seen { Ok(()) } else { Err(message.escape_ascii().to_string()) }
    }));
    assert!(marked > 1_500, "only {marked} marked");
}

/// A PSAP and callers beside each other, on the host.
struct Crowd {
    network: Network,
    host: Host,
}

impl Crowd {
    fn new() -> Self {
        let network = Network::on_host();
        let host = Host::new(&network.tables);
        Self { network, host }
    }

    /// Runs a frame; the name of its reason.
    fn says(&mut self, frame: &[u8], interface: &str) -> &'static str {
        self.host.run(frame, self.network.interface(interface)).reason().name()
    }

    fn calls(&mut self, caller: u32) {
        let frame = udp(&address(caller), BOSTON, sip::emergency_invite()).frame();
        assert!(self.says(&frame, WAN).starts_with("marked"));
    }

    fn is_answered(&mut self, caller: u32) {
        let frame = udp(BOSTON, &address(caller), sip::response("200 OK")).frame();
        assert_eq!(self.says(&frame, LAN), "element_out");
    }

    fn goes_on(&mut self, caller: u32, method: &str) -> bool {
        let frame = udp(&address(caller), BOSTON, sip::request(method, "sip:psap")).frame();
        self.says(&frame, WAN) == "dialog"
    }
}

fn address(caller: u32) -> String {
    format!("{}:5060", Ipv4Addr::from(0x0a00_0000 | caller))
}

/// The table of pins has 65,536 places in sets of four, so some sets overflow before it is full:
/// of 20,000 calls at once, one in a hundred. Every one that is lost has had its alarm.
#[test]
fn twenty_thousand_strangers_calls_go_on_at_once() {
    const CALLS: u32 = 20_000;
    let mut crowd = Crowd::new();
    for caller in 0..CALLS {
        crowd.calls(caller);
        crowd.is_answered(caller);
        crowd.goes_on(caller, "ACK");
    }
    let overflows = crowd.host.model.alarms(alarm::PIN_OVERFLOW);
    let lost = (0..CALLS).filter(|caller| !crowd.goes_on(*caller, "BYE")).count() as u64;
    println!("{lost} of {CALLS} calls lost, {overflows} alarms");
    assert!(lost <= overflows, "{lost} lost, {overflows} alarms");
    assert!(lost < u64::from(CALLS) / 66, "{lost} lost");
}

/// A tentative pin waits for its answer among 65,536; those of others may overwrite it. Of calls
/// that wait for their answer among a thousand others, one in sixty-six would be lost.
#[test]
fn a_thousand_strangers_calls_wait_for_their_answers_at_once() {
    const CALLS: u32 = 1000;
    let mut crowd = Crowd::new();
    (0..CALLS).for_each(|caller| crowd.calls(caller));
    (0..CALLS).for_each(|caller| crowd.is_answered(caller));
    let lost = (0..CALLS).filter(|caller| !crowd.goes_on(*caller, "ACK")).count();
    println!("{lost} of {CALLS} calls lost");
    assert!(lost < 30, "{lost} lost");
}
