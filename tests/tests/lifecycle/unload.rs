//! Leaving is explicit, and leaves nothing.

use guard_tests::guard_process::{STRANGERS, WAN};

use crate::site;

#[test]
fn unload_is_refused_while_the_daemon_runs() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let before = (site.program_on(WAN), site.pinned());
    let process = format!("process {}", daemon.process());
    site.guard(&["unload"]).fails(1, &[&process, "stop"]);
    // Also where the state directory is another one, or lost.
    let elsewhere = site.path("elsewhere");
    let unload = ["unload", "--state-dir", &elsewhere.to_string_lossy()];
    site.guard(&unload).fails(1, &[&process, "stop"]);
    assert_eq!((site.program_on(WAN), site.pinned()), before);
}

/// Nothing pinned, no program; then there is no guard, and a new start is a first start.
#[test]
fn unload_leaves_nothing() {
    let Some(site) = site() else { return };
    site.start().kill();
    let _ = site.guard(&["bypass", "on"]).done();
    let answer = site.guard(&["unload"]).done();
    assert!(answer.out.contains(WAN), "{}", answer.out);
    site.is_bare();
    assert!(site.passes(STRANGERS[0]));
    for verb in [
        &["status"][..],
        &["status", "--json"],
        &["psaps"],
        &["drops"],
        &["psap", "list"],
        &["peer", "list"],
        &["allow", "list"],
        &["deny", "list"],
        &["deny", "add", "198.51.100.65", "--reason", "r"],
        &["mode", "monitor"],
        &["bypass", "on"],
        &["unload"],
    ] {
        site.guard(verb).fails(4, &["no guard is loaded", "guard run"]);
    }
    site.is_bare();
    let _daemon = site.start();
    let status = site.status();
    assert_eq!(status["stance"], "enforcing", "the bypass ended with the guard");
    assert_eq!(site.count("P-1", "passed_packets"), 0, "counters begin anew");
    assert!(!site.passes(STRANGERS[0]));
}

#[test]
fn a_guard_that_was_never_there_is_no_guard() {
    let Some(site) = site() else { return };
    site.guard(&["status"]).fails(4, &["no guard is loaded", "--pin-dir"]);
    site.guard(&["unload"]).fails(4, &["no guard is loaded"]);
    site.is_bare();
}
