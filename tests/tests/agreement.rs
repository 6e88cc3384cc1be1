//! Every fixture comes out as it says, on the host and in the kernel, in VLAN, QinQ and IPv6; and
//! wherever its frames are cut, the two agree about verdict, counters and alarms.

use std::collections::{BTreeMap, BTreeSet};

use guard_common::reason::Reason;
use guard_tests::fixtures::network::{Network, VLAN_PLAIN};
use guard_tests::fixtures::run::{Both, Host, Mode, verdict};
use guard_tests::fixtures::{Fixture, all, ipv6};
use guard_tests::packet::{NETWORK, wrapped_in_qinq, wrapped_in_vlan};
use guard_tests::privilege::require_bpf;

fn in_all_modes(fixtures: &[Fixture]) -> impl Iterator<Item = (&Fixture, Mode)> {
    fixtures.iter().flat_map(|fixture| Mode::ALL.map(|mode| (fixture, mode)))
}

#[test]
fn every_fixture_comes_out_as_it_says_on_the_host() {
    let network = Network::on_host();
    let mut host = Host::new(&network.tables);
    let fixtures = all();
    verdict(in_all_modes(&fixtures).map(|(fixture, mode)| host.fixture(&network, fixture, mode)));
}

#[test]
fn every_fixture_comes_out_as_it_says_in_the_kernel() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let fixtures = all();
    verdict(in_all_modes(&fixtures).map(|(fixture, mode)| both.fixture(&network, fixture, mode)));
}

#[test]
fn every_fixture_comes_out_as_it_says_in_ipv6() {
    if !require_bpf() {
        return;
    }
    let network = ipv6::network(&Network::in_kernel());
    let mut both = Both::new(&network.tables);
    let fixtures = ipv6::fixtures();
    verdict(in_all_modes(&fixtures).map(|(fixture, mode)| both.fixture(&network, fixture, mode)));
}

/// The fixtures whose frames have no tags, with others around them.
fn wrapped(wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Fixture> {
    let tagged = |frame: &[u8]| {
        frame.get(NETWORK - 2..NETWORK).is_some_and(|kind| matches!(kind, [0x81, 0] | [0x88, 0xa8]))
    };
    let mut fixtures = all();
    fixtures.retain(|fixture| fixture.steps.iter().all(|step| !tagged(&step.frame)));
    for step in fixtures.iter_mut().flat_map(|fixture| &mut fixture.steps) {
        step.frame = wrap(&step.frame);
    }
    fixtures
}

#[test]
fn a_vlan_without_a_role_of_its_own_changes_nothing() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let vlan = wrapped(|frame| wrapped_in_vlan(frame, VLAN_PLAIN));
    let qinq = wrapped(|frame| wrapped_in_qinq(frame, VLAN_PLAIN, 8));
    let fixtures = [vlan, qinq].concat();
    let mut both = Both::new(&network.tables);
    verdict(in_all_modes(&fixtures).map(|(fixture, mode)| both.fixture(&network, fixture, mode)));
}

/// Runs each different frame of a fixture cut at every byte the kernel takes.
fn cut_everywhere(
    both: &mut Both,
    network: &Network,
    fixture: &Fixture,
    wrap: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<(), String> {
    both.start_over(Mode::Enforce);
    let frames: BTreeSet<_> =
        fixture.steps.iter().map(|step| (step.interface, wrap(&step.frame))).collect();
    for (interface, frame) in frames {
        // Behind 400 bytes nothing is read any more; the last bytes are for the lengths.
        let lengths = (NETWORK..=frame.len()).filter(|cut| *cut < 400 || *cut + 2 > frame.len());
        for length in lengths {
            let (short, _) = frame.split_at(length);
            both.run(short, network.interface(interface))
                .map_err(|why| format!("{}, cut at {length}: {why}", fixture.name))?;
        }
    }
    Ok(())
}

#[test]
fn host_and_kernel_agree_wherever_a_frame_is_cut() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let plain = <[u8]>::to_vec;
    verdict(all().iter().map(|fixture| cut_everywhere(&mut both, &network, fixture, plain)));
}

#[test]
fn host_and_kernel_agree_wherever_a_tagged_frame_is_cut() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let qinq = |frame: &[u8]| wrapped_in_qinq(frame, VLAN_PLAIN, 8);
    let mut both = Both::new(&network.tables);
    verdict(all().iter().map(|fixture| cut_everywhere(&mut both, &network, fixture, qinq)));
}

/// Reasons without a fixture, and why.
const ELSEWHERE: [(&str, &str); 6] = [
    ("no_policy", "needs a guard without a policy: tests/fail_open.rs"),
    (
        "unreadable_frame",
        "shorter than an Ethernet header, which no test run takes: tests/edges.rs",
    ),
    ("media_open", "needs a lost copy: tests/limits.rs"),
    ("pinned_within", "needs a small allowance: tests/limits.rs"),
    ("pinned_over_source", "needs a small allowance: tests/limits.rs"),
    ("pinned_over_psap", "needs a small allowance: tests/limits.rs"),
];

#[test]
fn every_reason_has_a_fixture() {
    let fixtures = all();
    let steps = fixtures.iter().flat_map(|fixture| &fixture.steps);
    let reached: BTreeSet<_> = steps.map(|step| step.expected.reason).collect();
    let elsewhere = BTreeMap::from(ELSEWHERE);
    for reason in Reason::all().map(Reason::name) {
        assert_ne!(
            reached.contains(reason),
            elsewhere.contains_key(reason),
            "{reason} needs either a fixture or an explanation"
        );
    }
}
