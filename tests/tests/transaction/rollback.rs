//! `guard history` and `guard rollback`: with the daemon alive and dead.

use guard_tests::guard_process::{STRANGERS, Site};

use crate::{denying, passing, site, standing};

fn history(site: &Site) -> Vec<serde_json::Value> {
    site.rows(&["history"]).as_array().unwrap().clone()
}

/// Step by step back over a file, an entry in place and an entry of a new generation.
#[test]
fn every_change_is_a_step_back() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let second = STRANGERS[1].to_string();
    let _ = site.guard(&["deny", "add", &second, "--reason", "ticket 1"]).done();
    let _ = site.guard(&["psap", "add", "P-2", "--service", "198.51.100.11:5060/udp"]).done();
    let _ = site.apply(&denying(&site, &[2])).done();
    assert_eq!(passing(&site), [true, false, false]);
    let steps = history(&site);
    assert_eq!(steps.len(), 4);
    assert_eq!(steps[2]["what"], "deny 198.51.100.66 is new (ticket 1; uid 0)");
    assert_eq!(steps[2]["why"], "ticket 1");
    assert_eq!(steps[3]["what"], "a first start");
    let table = site.guard(&["history"]).done().out;
    assert!(table.contains("live") && table.contains("ticket 1"), "{table}");

    let answer = site.guard(&["rollback"]).done();
    assert!(answer.out.contains("deny 198.51.100.65 is new"), "{}", answer.out);
    assert_eq!(passing(&site), [false, false, true]);
    daemon.kill();
    let _ = site.guard(&["rollback", "2", "--reason", "it was us"]).done();
    assert_eq!(passing(&site), [false, true, true]);
    assert_eq!(site.status()["configured"]["psaps"], 1);
    assert_eq!(history(&site).len(), 1);

    // There is nothing before; and what was abandoned never comes back by going back.
    let before = standing(&site);
    for steps in ["1", "2", "4000000000"] {
        site.guard(&["rollback", steps]).fails(1, &["configurations to go back to", "history"]);
    }
    assert_eq!(standing(&site), before);
    let _ = site.guard(&["deny", "add", &second, "--reason", "again"]).done();
    let _ = site.guard(&["rollback"]).done();
    assert_eq!(passing(&site), [false, true, true]);
}

/// The history is bounded, and the newest is what is kept.
#[test]
fn the_history_is_bounded() {
    let Some(site) = site() else { return };
    site.start().kill();
    for number in 1..=14 {
        let source = format!("192.0.2.{number}");
        let _ = site.guard(&["deny", "add", &source, "--reason", "r"]).done();
    }
    let steps = history(&site);
    assert_eq!(steps.len(), 11);
    assert!(steps[10]["what"].as_str().unwrap().contains("192.0.2.4 "), "{:?}", steps[10]);
    let _ = site.guard(&["rollback", "10"]).done();
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 5);
}

/// What only this host changed is no step: going back must not land on the same again.
#[test]
fn a_renewal_is_no_step() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let _ = site.guard(&["deny", "add", "192.0.2.7", "--reason", "r"]).done();
    site.host.ip(&["address", "add", "198.51.100.12/24", "dev", "wan0"]).unwrap();
    let renewed = || site.status()["generation"]["number"] == 2;
    let patience = std::time::Duration::from_secs(40);
    assert!(guard_tests::guard_process::eventually(patience, renewed), "{}", daemon.log());
    assert_eq!(history(&site).len(), 2);
    let _ = site.guard(&["rollback"]).done();
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 1);
}

/// A damaged entry is named; the others, and what runs, are as they were.
#[test]
fn a_damaged_entry_is_named() {
    let Some(site) = site() else { return };
    site.start().kill();
    let _ = site.guard(&["deny", "add", "192.0.2.7", "--reason", "r"]).done();
    let entry = site.state().join("history/1.json");
    std::fs::write(&entry, "{ half").unwrap();
    let before = standing(&site);
    site.guard(&["rollback"]).fails(1, &["1.json", "not what the guard wrote"]);
    assert_eq!(standing(&site), before);
}
