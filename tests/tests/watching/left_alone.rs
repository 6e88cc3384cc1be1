//! What must be left alone, however much it looks like evidence.

use std::thread::sleep;
use std::time::Duration;

use guard_tests::guard_process::{Daemon, Site, eventually};

use crate::traffic::{Calls, flooded};
use crate::{SOON, WATCH, actions, force, site, start, without_carrier};

/// Beyond what is watched, and the look at the end of it.
const OVER: Duration = Duration::from_secs(WATCH.as_secs() + 5);

#[track_caller]
fn is_left_alone(site: &Site, daemon: &Daemon, revisions: usize) {
    assert_eq!(site.status()["stance"], "enforcing", "{}", daemon.log());
    assert_eq!(site.rows(&["history"]).as_array().unwrap().len(), revisions, "{}", daemon.log());
    assert_eq!(actions(site).len(), 0, "{}", daemon.log());
    assert!(!site.state().join("evidence.json").exists());
}

/// Who changes something while an alarm is open mends an outage, or tries to.
#[test]
fn a_change_during_an_open_alarm_is_left_alone() {
    let Some(site) = site("enforce") else { return };
    let (daemon, calls) = start(&site, || Calls::begin(&site));
    let _ = site.guard(&["bypass", "on", "--reason", "outage"]).done();
    sleep(Duration::from_secs(1));
    force(&site, &without_carrier(&site));
    // The daemon looks once a second: it sees the change while the alarm is open.
    daemon.logs("made while an alarm was open");
    let _ = site.guard(&["bypass", "off"]).done();
    assert!(eventually(SOON, || calls.fail()), "the change makes calls fail");
    sleep(OVER);
    is_left_alone(&site, &daemon, 2);
    assert!(calls.fail());
}

/// Drops that begin with a change are no evidence: attackers have clocks, too.
#[test]
fn a_flood_that_begins_with_a_change_is_none() {
    let Some(site) = site("enforce") else { return };
    let (daemon, calls) = start(&site, || Calls::begin(&site));
    let mut go_on = false;
    let sent = flooded(&site, || {
        let _ = site.guard(&["deny", "add", "192.0.2.7", "--reason", "scanner"]).done();
        sleep(OVER);
        go_on = eventually(SOON, || calls.succeed());
    });
    let dropped = site.count("P-1", "dropped_packets");
    assert!(dropped > 10_000 && dropped > sent / 2, "{dropped} of {sent}");
    assert!(go_on, "calls go on");
    daemon.logs("nothing is worse than before");
    is_left_alone(&site, &daemon, 2);
}

/// Before the change there were no calls. That there are none now that get through is no evidence,
/// and that it is not known is said.
#[test]
fn a_quiet_psap_is_blind() {
    let Some(site) = site("enforce") else { return };
    let daemon = site.start();
    let ok = || site.status()["canary"]["result"] == "ok";
    assert!(eventually(Duration::from_secs(20), ok), "{}", daemon.log());
    sleep(Duration::from_secs(8));
    force(&site, &without_carrier(&site));
    let calls = Calls::begin(&site);
    sleep(OVER);
    assert!(calls.fail(), "the change makes calls fail");
    daemon.logs("BLIND, too little traffic to tell");
    is_left_alone(&site, &daemon, 2);
}
