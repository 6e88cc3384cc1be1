//! Evidence that turns: rolled back, or open where going back would tighten.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use guard_tests::guard_process::eventually;
use serde_json::Value;

use crate::traffic::Calls;
use crate::{SOON, actions, comes_back, config, force, site, start, with_psap, without_carrier};

/// AT&T 2017 in small: a wrong address in a list takes a carrier's calls away.
#[test]
fn a_change_that_makes_calls_fail_is_rolled_back_within_seconds() {
    let Some(site) = site("enforce") else { return };
    let (daemon, calls) = start(&site, || Calls::begin(&site));
    site.apply(&without_carrier(&site)).fails(8, &["--force"]);
    assert!(eventually(SOON, || calls.succeed()), "what is refused changes nothing");
    assert_eq!(site.rows(&["history"]).as_array().unwrap().len(), 1);
    force(&site, &without_carrier(&site));
    assert!(eventually(SOON, || calls.have_failed()), "the change makes calls fail");
    let took = comes_back(&site, &calls, &daemon);
    eprintln!(
        "calls were answered again {took:?} after they failed: {}",
        site.status()["taken_back"]
    );

    let log = daemon.log();
    assert!(log.contains("EVIDENCE TURNED, rolled back") && log.contains("took="), "{log}");
    assert_eq!(site.rows(&["history"]).as_array().unwrap().len(), 1);
    let status = site.status();
    assert_eq!(status["stance"], "enforcing");
    let back = &status["taken_back"];
    assert_eq!(back["done"]["action"], "rolled-back");
    assert!(back["turned"][0].as_str().unwrap().starts_with("P-1: "), "{back}");
    assert!(back["milliseconds"].as_u64().unwrap() < 40_000, "{back}");
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("Taken back") && text.contains("P-1: "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let actions = actions(&site);
    assert_eq!(actions.len(), 1, "{actions:?}");
    assert_eq!(actions[0]["who"], "daemon");
    assert_eq!(actions[0]["result"], "rolled back to revision 1");
    assert!(actions[0]["why"].as_str().unwrap().contains("P-1: "), "{actions:?}");
}

/// Going back would withdraw a PSAP: the guard opens, and a person closes it.
#[test]
fn where_going_back_would_tighten_the_guard_opens() {
    let Some(site) = site("enforce") else { return };
    let (daemon, calls) = start(&site, || Calls::begin(&site));
    force(&site, &with_psap(&without_carrier(&site)));
    assert!(eventually(SOON, || calls.have_failed()), "the change makes calls fail");
    let _ = comes_back(&site, &calls, &daemon);
    let status = site.status();
    assert_eq!((&status["stance"], &status["opened"]["code"]), (&"opened".into(), &2.into()));
    assert_eq!(status["configured"]["psaps"], 2, "nothing is withdrawn");
    let evidence = &status["opened"]["evidence"];
    let why = evidence["done"]["why"].as_str().unwrap();
    assert!(why.contains("psap P-2 is removed"), "{evidence}");
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("the evidence turned") && text.contains("P-1: "), "{text}");
    assert_eq!(actions(&site).len(), 1);

    // Once it is closed, it stays closed: one action for one change.
    let _ = site.guard(&["close", "--reason", "known, ticket 7"]).done();
    let aside = fs::read(site.state().join("evidence-1.json")).unwrap();
    let aside: Value = serde_json::from_slice(&aside).unwrap();
    assert_eq!(aside["closed"]["reason"], "known, ticket 7");
    assert!(!site.state().join("evidence.json").exists());
    sleep(Duration::from_secs(6));
    assert_eq!((site.status()["stance"].as_str(), calls.fail()), (Some("enforcing"), true));
    assert_eq!(actions(&site).len(), 1);
}

/// The PSAP needs a server that is in no entry before it answers. Enforcing is what takes away what
/// the server says, and no other configuration would bring it back.
#[test]
fn enforcing_that_makes_calls_fail_opens() {
    let Some(site) = site("monitor") else { return };
    let (daemon, calls) = start(&site, || Calls::located(&site));
    let _ = site.guard(&["mode", "enforce"]).done();
    assert!(eventually(SOON, || calls.have_failed()), "the change makes calls fail");
    let took = comes_back(&site, &calls, &daemon);
    eprintln!("calls were answered again {took:?} after they failed");
    let status = site.status();
    assert_eq!((&status["stance"], &status["mode"]), (&"opened".into(), &"enforce".into()));
    let evidence = &status["opened"]["evidence"];
    assert_eq!(evidence["change"], "mode enforce");
    assert!(
        evidence["turned"][0].as_str().unwrap().contains("calls answered 100 ->"),
        "{evidence}"
    );
}

/// A harmless entry after the bad change hides nothing, and the way back goes behind both.
#[test]
fn changes_in_a_row_are_one() {
    let Some(site) = site("enforce") else { return };
    let (daemon, calls) = start(&site, || Calls::begin(&site));
    // Nobody calls between the two, so that it is not taken back before the second.
    let held = calls.hold();
    force(&site, &without_carrier(&site));
    let _ = site.guard(&["deny", "add", "192.0.2.7", "--reason", "scanner"]).done();
    drop(held);
    assert!(eventually(SOON, || calls.have_failed()), "the change makes calls fail");
    let _ = comes_back(&site, &calls, &daemon);
    assert_eq!(actions(&site)[0]["result"], "rolled back to revision 1");
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 0);
    assert!(site.apply(&config(&site, "enforce")).code == Some(0));
}
