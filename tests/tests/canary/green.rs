//! Where all is well, it says so, and nobody else notices.

use std::time::Duration;

use guard_tests::guard_process::{Site, eventually};

use crate::{START, comes_to_say, is_open, says, site};

/// The example configuration, every key in use, on the interfaces that a test has.
fn example(site: &Site) -> String {
    let text = include_str!("../../../docs/guard.example.toml");
    let (pins, state) = (site.pins(), site.state());
    text.replace("name = \"esinet0\"", "name = \"lan0\"")
        .replace("/sys/fs/bpf/guard", &pins.to_string_lossy())
        .replace("/var/lib/guard", &state.to_string_lossy())
}

/// By hand and in the daemon: every form by every transport to every PSAP of the example.
#[test]
fn the_example_is_proved() {
    let Some(site) = Site::with(example) else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    daemon.logs("canary: 911 passes");

    let proof = site.json(&["canary"]);
    assert_eq!(proof["failed"], 0);
    assert_eq!(proof["complete"], true);
    assert_eq!(proof["skipped"], 0);
    assert_eq!(proof["targets"], 4, "MA-0001, hosted-west, lpg-east, esrp-1");
    assert!(proof["frames"].as_u64().unwrap() > 4 * 40, "{proof}");
    let text = site.guard(&["canary"]).done().out;
    assert!(text.contains("911 passes"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// One PSAP by its id, or by the id of one that shares its addresses; an unknown one is an error.
#[test]
fn a_psap_is_proved_alone() {
    let Some(site) = Site::with(example) else { return };
    let _daemon = site.start();
    let all = site.json(&["canary"])["frames"].as_u64().unwrap();
    for id in ["MA-0001", "MA-0002", "MA-0004", "esrp-1"] {
        let proof = site.json(&["canary", "--psap", id]);
        assert_eq!(proof["targets"], 1);
        assert!(proof["frames"].as_u64().unwrap() < all, "{id}");
    }
    let _ = site.guard(&["canary", "--psap", "nobody"]).fails(2, &["nobody", "guard psap list"]);
}

/// Neither rounds nor a proof by hand move a counter, an alarm or a bucket that the traffic uses.
#[test]
fn no_production_counter_moves() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    comes_to_say(&site, "ok", START);
    let counted = || {
        let status = site.status();
        (status["totals"].clone(), status["alarms"].clone())
    };
    // What comes in by itself, such as neighbour discovery, has come to an end.
    let mut before = counted();
    assert!(eventually(4 * START, || {
        std::thread::sleep(Duration::from_secs(2));
        let now = counted();
        std::mem::replace(&mut before, now.clone()) == now
    }));
    let _ = site.guard(&["canary"]).done();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(counted(), before);
    assert_eq!(says(&site), "ok");
    assert!(!is_open(&site));
}

/// Status tells how old the last word is; of a dead daemon it becomes silence.
#[test]
fn a_dead_daemon_is_silent() {
    let Some(site) = site() else { return };
    let text = |site: &Site| site.guard(&["status"]).done().out;
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    assert!(text(&site).contains("911 passes; 1 frames a second"), "{}", text(&site));
    let canary = site.status()["canary"].clone();
    assert!(canary["age_seconds"].as_f64().unwrap() < 15.0, "{canary}");
    assert_eq!(canary["forms"], 40);
    daemon.kill();
    comes_to_say(&site, "silent", Duration::from_secs(45));
    assert!(text(&site).contains("SILENT"), "{}", text(&site));
    let _ = site.guard(&["canary"]).done();
}
