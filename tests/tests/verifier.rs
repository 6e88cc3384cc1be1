//! What the program costs the verifier is a tested number: a loop that explodes on one kernel
//! explodes on a fleet.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use guard_tests::fixtures::network::Network;
use guard_tests::fixtures::run::Kernel;
use guard_tests::privilege::{require_bpf, skip};

/// A tenth of what the kernel allows (DESIGN section 7).
const BOUND: u32 = 100_000;

#[test]
fn the_verifier_looks_at_fewer_than_100_000_instructions() {
    if !require_bpf() {
        return;
    }
    let mut kernel = Kernel::new(&Network::in_kernel().tables);
    let Some(verified) = kernel.guard.verified_instructions().expect("a loaded program") else {
        return skip("this kernel does not say how many instructions it verified (5.16 does)");
    };
    println!("verified instructions: {verified} of at most {BOUND}");
    assert!((1000..BOUND).contains(&verified), "{verified} verified instructions");
}
