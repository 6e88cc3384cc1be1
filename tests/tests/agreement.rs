//! Every fixture comes out as it says, on the host and in the kernel; and whatever is done to its
//! frames, the two agree about verdict, counters and alarms. One brain, two memories.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use guard_common::reason::Reason;
use guard_tests::fixtures::network::{Network, VLAN_PLAIN};
use guard_tests::fixtures::run::{Both, Host, Mode, on_both, on_host, verdict};
use guard_tests::fixtures::{Fixture, all};
use guard_tests::packet::{NETWORK, wrapped_in_qinq, wrapped_in_vlan};
use guard_tests::privilege::require_bpf;

/// Fixtures and modes, every one with every other.
fn everything() -> Vec<(Fixture, Mode)> {
    let with_modes = |fixture: Fixture| Mode::ALL.map(|mode| (fixture.clone(), mode));
    all().into_iter().flat_map(with_modes).collect()
}

#[test]
fn every_fixture_comes_out_as_it_says_on_the_host() {
    let network = Network::on_host();
    verdict(everything().iter().map(|(fixture, mode)| on_host(&network, fixture, *mode)));
}

#[test]
fn every_fixture_comes_out_as_it_says_in_the_kernel() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let start = std::time::Instant::now();
    verdict(everything().iter().map(|(fixture, mode)| on_both(&network, fixture, *mode)));
    println!("{:?}", start.elapsed());
}
