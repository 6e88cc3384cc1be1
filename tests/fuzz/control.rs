//! Whatever is said to the control socket: no panic, and what is understood is within its bounds
//! and reads back as the same.

#![no_main]

use guard_user::control::{LINE_MAX, understand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(request) = understand(input) {
        assert!(input.len() <= LINE_MAX && input.ends_with(b"\n"));
        let mut line = serde_json::to_vec(&request).unwrap_or_default();
        line.push(b'\n');
        // A reason may be longer once its letters are escaped.
        if line.len() <= LINE_MAX {
            assert_eq!(understand(&line), Ok(request));
        }
    }
});
