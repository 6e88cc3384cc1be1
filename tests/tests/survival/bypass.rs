//! G7: a bypass with an end, by whatever clock, with and without a daemon and a disk.

use std::fs;
use std::time::{Duration, Instant};

use aya::maps::{Array, Map, MapData};
use guard_common::abi::state::switch;
use guard_tests::guard_process::{STRANGERS, Site, eventually};
use guard_user::live::Live;

use crate::{SOON, site, stands};

fn set(site: &Site, number: u32, value: u64) {
    let map = MapData::from_pin(site.pins().join("state/SWITCHES")).unwrap();
    let mut switches = Array::<_, u64>::try_from(Map::from_map_data(map).unwrap()).unwrap();
    switches.set(number, value, 0).unwrap();
}

fn on(site: &Site, lasting: &str) {
    let answer = site.guard(&["bypass", "on", "--for", lasting, "--reason", "ticket 4715"]).done();
    assert!(answer.out.contains("ends it in"), "{}", answer.out);
}

#[test]
fn it_ends_at_its_time_and_warns_before() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let begun = Instant::now();
    // Long enough for all that is asked before its end, each with a disk to wait for.
    on(&site, "15s");
    let status = site.status();
    assert_eq!(status["stance"], "bypassed");
    assert!(status["bypass"]["until"].is_string(), "{status}");
    assert!(status["bypass"]["left_seconds"].as_f64().unwrap() > 3.0, "{status}");
    assert!(site.guard(&["status"]).done().out.contains("ends in"));
    assert!(site.passes(STRANGERS[0]));
    let warned = || daemon.log().contains("the bypass ends in");
    assert!(eventually(SOON, warned), "{}", daemon.log());
    assert_eq!(site.status()["stance"], "bypassed", "warned before the end");
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
    assert!(begun.elapsed() >= Duration::from_secs(15), "too early");
    assert!(!site.passes(STRANGERS[0]));
    // The switch comes first, and the rest as fast as the disk lets it.
    daemon.logs("has ended");
    assert!(!site.state().join("bypass.json").exists());
}

/// Another one begins anew, and one without an end has none.
#[test]
fn a_new_one_replaces_the_end() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    on(&site, "3s");
    let _ = site.guard(&["bypass", "on", "--reason", "for good"]).done();
    std::thread::sleep(Duration::from_secs(7));
    let status = site.status();
    assert_eq!(status["stance"], "bypassed");
    assert!(status["bypass"]["left_seconds"].is_null());
    for bad in ["0s", "90d", "soon"] {
        site.guard(&["bypass", "on", "--for", bad]).code.filter(|code| *code == 2).expect(bad);
    }
}

/// Nobody takes it away while the controller has found that 911 may not pass.
#[test]
fn it_does_not_end_while_an_alarm_is_open() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    // Before: its end may come before a slow disk lets the verb return.
    set(&site, switch::OPENED, 1);
    on(&site, "3s");
    daemon.logs("while an alarm is open");
    assert_eq!(site.status()["stance"], "bypassed");
    assert!(site.guard(&["status"]).done().out.contains("past its end"));
    set(&site, switch::OPENED, 0);
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
}

/// With the daemon dead nobody ends it; the next daemon does.
#[test]
fn without_a_daemon_it_lasts() {
    let Some(site) = site() else { return };
    site.start().kill();
    on(&site, "2s");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(site.status()["stance"], "bypassed");
    assert!(site.passes(STRANGERS[0]));
    assert!(site.guard(&["status"]).done().out.contains("ends when the controller is back"));
    let _daemon = site.start();
    assert!(stands(&site, "enforcing"));
}

/// The end is in the kernel: it needs no note.
#[test]
fn it_ends_without_a_disk() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    // The daemon may be writing something.
    assert!(eventually(SOON, || fs::remove_dir_all(site.state()).is_ok()));
    let answer = site.guard(&["bypass", "on", "--for", "3s"]).done();
    assert!(answer.err.contains("could not be noted"), "{}", answer.err);
    assert_eq!(site.status()["stance"], "bypassed");
    assert!(stands(&site, "enforcing"));
}

/// A reboot gives it the rest of its time by the clock on the wall.
#[test]
fn a_reboot_keeps_its_end() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    on(&site, "1h");
    daemon.kill();
    let site = site.reboot();
    let daemon = site.start();
    let left = site.status()["bypass"]["left_seconds"].as_f64().unwrap();
    assert!((3_500.0..=3_600.0).contains(&left), "{left}");
    daemon.kill();
    // The machine was down for longer than that, as far as its clock can tell.
    let note = site.state().join("bypass.json");
    let text = fs::read_to_string(&note).unwrap();
    let year = |text: &str| {
        text.split(['"', '-'])
            .find(|part| part.len() == 4 && part.starts_with("20"))
            .unwrap()
            .to_owned()
    };
    fs::write(&note, text.replace(&year(&text), "2020")).unwrap();
    let site = site.reboot();
    let daemon = site.start();
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
}

/// One that was begun while the daemon was about to end another goes on, and so does its note.
#[test]
fn one_that_was_begun_meanwhile_is_not_ended() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    on(&site, "1h");
    let live = Live::new(&site.pins(), &site.state());
    let word = live.pins.switches().unwrap().get(switch::BYPASS).unwrap();
    on(&site, "2h");
    let note = fs::read(site.state().join("bypass.json")).unwrap();
    assert!(live.expire_bypass(word).unwrap().is_none());
    // Who switches at the same moment is waited for, and not for ever.
    let lock = live.pins.lock_bypass().unwrap();
    let word = live.pins.switches().unwrap().get(switch::BYPASS).unwrap();
    assert!(live.expire_bypass(word).unwrap().is_none());
    on(&site, "3h");
    drop(lock);
    assert_eq!(site.status()["stance"], "bypassed", "{}", daemon.log());
    assert_ne!(fs::read(site.state().join("bypass.json")).unwrap(), note, "the third's");
    let word = live.pins.switches().unwrap().get(switch::BYPASS).unwrap();
    live.expire_bypass(word).unwrap().unwrap().unwrap();
    assert_eq!(site.status()["stance"], "enforcing", "{}", daemon.log());
}
