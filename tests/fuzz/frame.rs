//! Whatever a frame or message is made of: no panic, and the guard owes it what the oracle says.
//!
//! `cargo xtask fuzz` builds and runs this. What an input means and what is checked is in
//! `guard_tests::oracle::fuzzed`, where ordinary tests run the corpus, too.

#![no_main]

use std::cell::RefCell;

use guard_tests::oracle::Fuzzed;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FUZZED: RefCell<Fuzzed> = RefCell::new(Fuzzed::new());
}

fuzz_target!(|input: &[u8]| {
    FUZZED.with_borrow_mut(|fuzzed| {
        if let Err(why) = fuzzed.check(input) {
            panic!("{why}");
        }
    });
});
