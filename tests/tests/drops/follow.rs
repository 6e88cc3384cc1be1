//! `guard drops --follow`: each drop, with the daemon alive, dead and alive again.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use guard_tests::guard_process::{STRANGERS, eventually};
use serde_json::Value;

use crate::{Following, NUMBER, config, denied, site};

#[test]
fn drops_are_told_as_they_come() {
    let Some(site) = site("") else { return };
    let _daemon = site.start();
    let (json, text) = (Following::spawn(&site, &["--json"]), Following::spawn(&site, &[]));
    let other = Following::start(&site, &["--psap", "P-2"]);
    let length = denied(&site);
    let drop = json.json();
    let expected: [(&str, Value); 10] = [
        ("reason", "denied".into()),
        ("class", "denied".into()),
        ("dropped", true.into()),
        ("psap", "P-1".into()),
        ("interface", "wan0".into()),
        ("source", STRANGERS[0].to_string().into()),
        ("destination", "198.51.100.10".into()),
        ("destination_port", 5060.into()),
        ("protocol", "udp".into()),
        ("length", (length + 42).into()),
    ];
    for (field, value) in expected {
        assert_eq!(drop[field], value, "{field} of {drop}");
    }
    let line = text.line();
    assert!(line.contains(" P-1 denied udp 198.51.100.65:"), "{line}");
    assert!(line.ends_with(" -> 198.51.100.10:5060 wan0"), "{line}");
    assert!(!drop.to_string().contains(NUMBER) && !line.contains(NUMBER));
    // In monitor mode it passes, and is told as what would have been dropped.
    let _ = site.guard(&["mode", "monitor"]).done();
    denied(&site);
    assert_eq!(json.json()["dropped"], false);
    assert!(text.line().ends_with(" wan0 (passed)"));
    assert!(other.is_silent(), "it is of another PSAP");
}

/// The daemon reads the ring while it lives, and who follows when it is dead: nothing is lost
/// between the two, and no two read at once.
#[test]
fn it_goes_on_without_the_daemon_and_with_it_again() {
    let Some(site) = site("") else { return };
    let daemon = site.start();
    let following = Following::start(&site, &["--json"]);
    denied(&site);
    assert_eq!(following.json()["dropped"], true);
    daemon.kill();
    for _ in 0..3 {
        denied(&site);
        following.json();
    }
    site.guard(&["drops", "--follow"]).fails(6, &["holds", "process"]);
    let _daemon = site.start();
    // It waits for the ring until who follows has let it go.
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..3 {
        denied(&site);
        following.json();
    }
    assert!(following.is_silent(), "nothing is told twice");
}

#[test]
fn what_was_kept_is_told_first_and_rubbish_never() {
    let Some(site) = site("") else { return };
    let daemon = site.start();
    denied(&site);
    let file = site.state().join("drops.jsonl");
    let kept = || fs::read_to_string(&file).unwrap_or_default().lines().count() == 1;
    assert!(eventually(Duration::from_secs(20), kept));
    daemon.kill();
    let mut text = fs::OpenOptions::new().append(true).open(&file).unwrap();
    text.write_all(b"{}\n\xff\xfe\n{\"at\":1,\"reason\":4}\n[[[[\n{\"at\":").unwrap();
    let daemon = site.start();
    let following = Following::start(&site, &["--json", "--since", "1h"]);
    assert_eq!(following.json()["reason"], "denied");
    assert!(following.is_silent());
    denied(&site);
    assert_eq!(following.json()["reason"], "denied");
    assert!(Following::start(&site, &["--since", "1h", "--reason", "marked"]).is_silent());
    drop(daemon);
}

#[test]
fn it_can_be_switched_off() {
    let Some(site) = site("drops = 0") else { return };
    let _daemon = site.start();
    denied(&site);
    site.guard(&["drops", "--follow"]).fails(1, &["no samples", "[samples]"]);
    assert_eq!(site.rows(&["drops"])[0]["dropped_packets"], 1, "it is counted all the same");
    let _ = site.apply(&config(&site, "drops = 5")).done();
    let following = Following::spawn(&site, &["--json"]);
    // The daemon takes it up in a while.
    let told = || {
        denied(&site);
        following.lines.recv_timeout(Duration::from_secs(1)).is_ok()
    };
    assert!(eventually(Duration::from_secs(30), told), "nothing is sampled");
    site.apply(&config(&site, "drops = 5000")).fails(3, &["samples", "drops"]);
}
