//! What the programs cost the verifier is a tested number: a loop that explodes on one kernel
//! explodes on a fleet.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use guard_tests::fixtures::network::Network;
use guard_tests::privilege::{require_bpf, skip};
use guard_user::kernel::object;
use guard_user::kernel::private::PrivateGuard;
use guard_user::policy::Constants;

/// A tenth of what the kernel allows (DESIGN section 7).
const BOUND: u32 = 100_000;

/// A guard with everything in it that a configuration can ask for.
fn guard() -> PrivateGuard {
    let mut tables = Network::in_kernel().tables;
    tables.constants = Constants {
        label_mark: 911,
        label_priority: 6,
        sampling: 1,
        drop_interval: 1,
        looks_inside: true,
    };
    PrivateGuard::load(&tables).expect("the kernel half loads")
}

fn holds(program: &str, verified: Option<u32>, at_least: u32) {
    let Some(verified) = verified else {
        return skip("this kernel does not say how many instructions it verified (5.16 does)");
    };
    println!("{program}: {verified} verified instructions of at most {BOUND}");
    assert!((at_least..BOUND).contains(&verified), "{program}: {verified}");
}

#[test]
fn the_verifier_looks_at_fewer_than_100_000_instructions() {
    if !require_bpf() {
        return;
    }
    let verified = guard().verified_instructions().expect("a loaded program");
    holds(object::PROGRAM, verified, 1000);
}

#[test]
fn nor_at_more_of_what_watches_frames_that_leave() {
    if !require_bpf() {
        return;
    }
    let verified = guard().verified_instructions_of(object::OUT_PROGRAM).expect("it loads");
    holds(object::OUT_PROGRAM, verified, 1000);
}

#[test]
fn nor_at_more_of_what_looks_into_tunnels() {
    if !require_bpf() {
        return;
    }
    let verified = guard().verified_instructions_inside().expect("it is loaded");
    holds(object::INSIDE_PROGRAM, verified, 1000);
    let verified = guard().verified_instructions_of(object::OUT_INSIDE_PROGRAM).expect("it loads");
    holds(object::OUT_INSIDE_PROGRAM, verified, 1000);
}

#[test]
fn nor_at_more_of_what_labels() {
    if !require_bpf() {
        return;
    }
    let verified = guard().verified_instructions_of(object::LABEL_PROGRAM).expect("it loads");
    holds(object::LABEL_PROGRAM, verified, 10);
}
