//! What people do to themselves, and a protection that protects too much: AT&T, 22 February 2024,
//! whose network went into a protect mode and disconnected everybody.

use std::time::{Duration, Instant};

use guard_tests::guard_process::{STRANGERS, WAN, eventually};

use crate::{refuses, say, site, text};

/// Enforcing from where one would be limited oneself.
#[test]
fn nobody_locks_themselves_out() {
    let Some(mut site) = site() else { return };
    let _daemon = site.start();
    let _ = site.guard(&["mode", "monitor"]).done();
    let before = site.program_on(WAN);
    site.environment.push(("SSH_CONNECTION", "192.0.2.9 50000 198.51.100.10 22"));
    let begun = Instant::now();
    let error = site.guard(&["mode", "enforce"]).fails(8, &["192.0.2.9", "[[management]]"]);
    let (took, first) = (begun.elapsed(), error.lines().next().unwrap_or_default().to_owned());
    assert_eq!(site.status()["mode"], "monitor");
    assert_eq!(site.program_on(WAN), before);
    say("a lock-out", &format!("refused in {took:.0?}: {first}"));
}

/// The guard's own reaction to trouble is to open, never to close.
#[test]
fn its_own_protection_opens() {
    let Some(site) = site() else { return };
    site.configure(&text(&site).replace("watchdog = '2m'", "watchdog = '5s'"));
    let daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
    let begun = Instant::now();
    daemon.kill();
    assert!(eventually(Duration::from_secs(10), || site.passes(STRANGERS[0])));
    let took = begun.elapsed();
    assert_eq!(site.status()["stance"], "open_by_watchdog");
    say("AT&T 2024, a protect mode", &format!("opened {took:.1?} after the controller died"));
}

/// A file that would be live at the next start, by somebody who edited it and did not apply it.
#[test]
fn an_edited_file_is_no_change() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    refuses(&site, "an edited file, broken", 3, &["guard.toml"], || site.apply("no file"));
    daemon.kill();
    let begun = Instant::now();
    let daemon = site.start();
    let took = begun.elapsed();
    daemon.logs("adopted");
    assert!(!site.passes(STRANGERS[0]));
    say("an edited file, broken", &format!("what was live went on after a restart, in {took:.0?}"));
}
