//! G4, G6: the daemon may die in any way; the guard stays, opens at the deadline, and closes again.

use std::time::Duration;

use guard_tests::guard_process::{STRANGERS, Site, WAN, eventually};
use nix::sys::signal::Signal;

use crate::denying;

/// Longer than the shortest watchdog here.
const WATCHDOG: Duration = Duration::from_secs(8);
/// Longer than the longest one, and than closing takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// A site that denies the first stranger, with times that are a matter of these tests.
fn site(watchdog: &str, close_after: &str) -> Option<Site> {
    Site::with(|site| {
        let text = denying(site).replace("watchdog = '60s'", &format!("watchdog = '{watchdog}'"));
        text.replace("close-after = '1s'", &format!("close-after = '{close_after}'"))
    })
}

/// What must not change by a death: program, pins, generation.
fn standing(site: &Site) -> (Option<(u64, u64)>, Vec<std::path::PathBuf>, serde_json::Value) {
    (site.program_on(WAN), site.pinned(), site.status()["generation"].clone())
}

fn opens(site: &Site) -> bool {
    eventually(PATIENCE, || is_open(site))
}

fn is_open(site: &Site) -> bool {
    site.status()["stance"] == "open_by_watchdog"
}

/// G4 and G6 in one life: `kill -9` changes nothing until the watchdog opens the guard; a
/// restart adopts what is pinned, counters and all, and closes it again.
#[test]
fn kill_9_changes_nothing_until_the_watchdog_opens() {
    // Long enough for all that is asked of it before it opens, and before it closes.
    let Some(site) = site("12s", "5s") else { return };
    let daemon = site.start();
    assert!(!site.passes(STRANGERS[0]), "denied");
    let before = standing(&site);
    let counted = site.count("P-1", "dropped_packets");
    assert_eq!(counted, 1);
    daemon.kill();

    assert!(!site.passes(STRANGERS[0]), "still denied, the daemon just died");
    assert_eq!(standing(&site), before);
    let status = site.status();
    assert_eq!(status["stance"], "enforcing");
    assert!(status["controller"]["process"].is_null());
    assert_eq!(status["alarms"]["watchdog_open"], 0);
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("NOT RUNNING; the guard opens in"), "{text}");

    assert!(opens(&site), "{}", site.status());
    assert!(site.passes(STRANGERS[0]), "the watchdog has run out");
    assert!(site.passes(STRANGERS[1]));
    let status = site.status();
    assert_eq!(status["alarms"]["watchdog_open"], 1, "raised by the frame that would be dropped");
    assert_eq!(status["mode"], "enforce", "the mode is as a person set it");
    assert_eq!(site.count("P-1", "over_limit_packets"), 1);
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("OPEN") && text.contains("watchdog_open"), "{text}");
    assert_eq!(standing(&site), before, "opening is no detaching");

    let daemon = site.start();
    daemon.logs("adopted");
    assert_eq!(standing(&site), before, "adopted, untouched");
    assert!(is_open(&site), "it does not close at once");
    let told = || site.status()["controller"]["watchdog_lapses"] == 1;
    assert!(eventually(PATIENCE, told), "{}", site.status());
    assert!(eventually(PATIENCE, || site.status()["stance"] == "enforcing"), "{}", daemon.log());
    assert!(!site.passes(STRANGERS[0]), "closed again");
    assert_eq!(site.count("P-1", "dropped_packets"), 3, "counters go on");
}

/// Ending the service is no removal either: the same for SIGTERM and SIGINT.
#[test]
fn sigterm_and_sigint_leave_the_guard_in_place() {
    let Some(site) = site("12s", "1s") else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let daemon = site.start();
        let before = standing(&site);
        assert_eq!(daemon.end(signal), Some(0), "{signal} is a regular end");
        assert_eq!(standing(&site), before);
        assert!(!site.passes(STRANGERS[0]), "the verdict is unchanged");
    }
    assert!(opens(&site));
    assert!(site.passes(STRANGERS[0]));
}

/// The heartbeat keeps the guard closed for longer than the watchdog.
#[test]
fn a_living_daemon_keeps_the_guard_closed() {
    let Some(site) = site("5s", "1s") else { return };
    let daemon = site.start();
    assert!(!eventually(WATCHDOG, || is_open(&site)), "{}", daemon.log());
    assert!(!site.passes(STRANGERS[0]));
    assert_eq!(site.status()["alarms"]["watchdog_open"], 0);
}

/// A stopped daemon (SIGSTOP, a hung disk) is as good as a dead one.
#[test]
fn a_daemon_that_hangs_opens_the_guard() {
    let Some(site) = site("5s", "1s") else { return };
    let daemon = site.start();
    let process = nix::unistd::Pid::from_raw(i32::try_from(daemon.process()).unwrap());
    nix::sys::signal::kill(process, Signal::SIGSTOP).unwrap();
    assert!(opens(&site));
    assert!(site.passes(STRANGERS[0]));
    nix::sys::signal::kill(process, Signal::SIGCONT).unwrap();
    assert!(eventually(PATIENCE, || site.status()["stance"] == "enforcing"));
    assert!(!site.passes(STRANGERS[0]));
}

/// The kernel half says that it opened, to whoever asked for its log.
#[test]
fn the_kernel_half_tells_that_the_watchdog_ran_out() {
    let Some(site) = site("5s", "1s") else { return };
    let file = site.file();
    let daemon = site.start_with(&["run", "--config", &file.to_string_lossy(), "--kernel-log"]);
    let process = nix::unistd::Pid::from_raw(i32::try_from(daemon.process()).unwrap());
    nix::sys::signal::kill(process, Signal::SIGSTOP).unwrap();
    assert!(opens(&site));
    assert!(site.passes(STRANGERS[0]));
    nix::sys::signal::kill(process, Signal::SIGCONT).unwrap();
    daemon.logs("watchdog ran out");
}
