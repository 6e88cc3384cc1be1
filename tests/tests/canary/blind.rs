//! What keeps the canary from looking is said, and is no reason to open.

use std::fs;
use std::time::Duration;

use guard_tests::guard_process::{CARRIER, PSAP, STRANGERS, WAN, eventually};
use guard_user::kernel::object;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{START, comes_to_say, is_open, live_folder, says, site};

/// A policy map without its pin cannot be shared with a copy that has to be made anew.
#[test]
fn lost_pins_are_blind() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    fs::remove_file(live_folder(&site).join(object::POLICY)).unwrap();
    comes_to_say(&site, "blind", START);
    daemon.logs("BLIND");
    std::thread::sleep(Duration::from_secs(3));
    assert!(!is_open(&site));
    assert!(!site.passes(STRANGERS[0]), "still enforcing");
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("BLIND"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let _ = site.guard(&["canary"]).fails(1, &["POLICY"]);
    assert_eq!(daemon.log().matches("BLIND").count(), 1, "said once");
}

/// Without its interface nothing can come in, and nothing can be proved. A card that is plugged in
/// again is guarded again, without anybody's help.
#[test]
fn a_lost_interface_is_blind_until_it_returns() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    let (mode, _) = site.program_on(WAN).unwrap();
    site.host.ip(&["link", "del", WAN]).unwrap();
    comes_to_say(&site, "blind", START);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!is_open(&site));
    site.lay_first_cable();
    let is_on = || site.program_on(WAN).is_some_and(|(now, _)| now == mode);
    assert!(eventually(START, is_on), "{}", daemon.log());
    assert!(!site.passes(STRANGERS[0]) && site.passes(CARRIER));
    comes_to_say(&site, "ok", START);
    assert_eq!(site.status()["interfaces"][0]["guarded"], true);
    assert!(!is_open(&site));
}

/// The interface takes in frames, and what the guard is known to count by does not move.
#[test]
fn counters_that_stand_still_are_blind() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    comes_to_say(&site, "ok", START);
    // Another map of the same shape in place of the one that counts.
    let pin = site.pins().join("state").join(object::COUNTERS);
    let pin = pin.to_string_lossy();
    let shape: Value = {
        let shown =
            site.host.command("bpftool").args(["-j", "map", "show", "pinned", &pin]).output();
        serde_json::from_slice(&shown.unwrap().stdout).unwrap()
    };
    fs::remove_file(&*pin).unwrap();
    let [value, entries] = ["bytes_value", "max_entries"].map(|key| shape[key].to_string());
    let map = ["map", "create", &pin, "type", "percpu_array", "key", "4", "value", &value];
    let map = [&map[..], &["entries", &entries, "name", "COUNTERS"]].concat();
    site.host.succeed("bpftool", &map).unwrap();
    let stranger = site.speak(STRANGERS[1]);
    let came = eventually(Duration::from_secs(60), || {
        for _ in 0..40 {
            stranger.send_to(b"x", (PSAP, 9)).unwrap();
        }
        says(&site) == "blind"
    });
    assert!(came, "{}", site.status());
    assert!(site.status()["canary"]["why"].as_str().unwrap().contains("counts none"));
    assert!(!is_open(&site));
}

/// Somebody else's program in place of ours: what is proved is not what decides.
#[test]
fn a_foreign_program_is_blind() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    // Its link is detached, and somebody is quicker than the daemon, which is stopped meanwhile.
    let process = Pid::from_raw(i32::try_from(daemon.process()).unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    let pin = site.pins().join("links").join(WAN);
    let detached = site
        .host
        .command("bpftool")
        .args(["link", "detach", "pinned"])
        .arg(&pin)
        .status()
        .is_ok_and(|status| status.success());
    assert!(detached, "bpftool is installed");
    let _foreign = site.occupy(WAN);
    kill(process, Signal::SIGCONT).unwrap();
    comes_to_say(&site, "blind", START);
    assert!(!is_open(&site), "opening changes nothing about what is not ours");
    let why = site.status()["canary"]["why"].as_str().unwrap().to_owned();
    assert!(why.contains(WAN), "{why}");
    assert!(eventually(Duration::from_secs(1), || !is_open(&site)));
}
