//! G4: no memory for the next generation: the running one is untouched.

use guard_tests::guard_process::{SECOND, STRANGERS, WAN, answer, binary};

use crate::site;

/// Whatever the process gets, a change is made whole or not at all.
#[test]
fn a_change_without_memory_changes_nothing() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let service = format!("{SECOND}:5060/udp");
    let known = || site.rows(&["psap", "list"]).as_array().unwrap().len();
    let mut refused = 0;
    for megabytes in [6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 28, 32, 40, 64] {
        let before = (site.program_on(WAN), site.status()["generation"].clone());
        let limit = format!("--as={}", megabytes << 20);
        let mut command = site.host.command("prlimit");
        command.arg(limit).arg(binary()).args(["psap", "add", "P-2", "--service", &service]);
        command.env("GUARD_PIN_DIR", site.pins()).env("GUARD_STATE_DIR", site.state());
        if answer(&mut command).code == Some(0) {
            assert_eq!(known(), 2, "{megabytes} MB");
            let _ = site.guard(&["psap", "remove", "P-2"]).done();
        } else {
            refused += 1;
            let after = (site.program_on(WAN), site.status()["generation"].clone());
            assert_eq!(after, before, "{megabytes} MB");
            assert_eq!(known(), 1, "{megabytes} MB");
        }
        assert!(!site.passes(STRANGERS[0]), "{megabytes} MB: {}", daemon.log());
    }
    assert!(refused > 0, "the limits are too high to be one");
    // What the last attempt left is no hindrance.
    let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
    assert_eq!(known(), 2);
}
