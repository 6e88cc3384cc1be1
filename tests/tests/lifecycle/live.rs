//! Live changes: in effect when the verb returns, kept for restarts, made with the daemon dead.

use std::time::Duration;

use guard_tests::guard_process::{PSAP, SECOND, SIP, STRANGER6, STRANGERS, Site, WAN, eventually};

use crate::{patient, site};

const REASON: [&str; 2] = ["--reason", "test"];

fn list(site: &Site, what: &str) -> Vec<serde_json::Value> {
    site.rows(&[what, "list"]).as_array().unwrap().clone()
}

fn add(site: &Site, list: &str, scope: &[&str]) {
    let _ = site.guard(&[&[list, "add"], scope, &REASON].concat()).done();
}

fn remove(site: &Site, list: &str, scope: &[&str]) {
    let _ = site.guard(&[&[list, "remove"], scope].concat()).done();
}

/// A deny or allow entry meets the very next frame, and so does its removal.
#[test]
fn deny_and_allow_act_at_once() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let [first, second, _] = STRANGERS;
    let program = site.program_on(WAN);
    assert!(site.passes(second));
    add(&site, "deny", &[&second.to_string()]);
    assert!(!site.passes(second));
    assert_eq!(list(&site, "deny").len(), 2);
    assert_eq!(list(&site, "deny")[1]["source"], second.to_string());
    remove(&site, "deny", &[&second.to_string()]);
    assert!(site.passes(second));
    assert_eq!(list(&site, "deny").len(), 1);

    // An allow wins over every deny.
    let around = "198.51.100.64/31";
    add(&site, "allow", &[around]);
    assert!(site.passes(first), "denied by itself, allowed by the prefix around it");
    remove(&site, "allow", &[around]);
    assert!(!site.passes(first));
    assert_eq!(site.program_on(WAN), program, "lists change in place");
}

/// The longest prefix is not the only one that counts: what is denied around stays denied.
#[test]
fn prefixes_nest() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let [first, second, third] = STRANGERS;
    add(&site, "deny", &["198.51.100.64/28"]);
    assert!(!site.passes(first) && !site.passes(second) && !site.passes(third));
    add(&site, "allow", &[&second.to_string()]);
    assert!(site.passes(second) && !site.passes(third));
    remove(&site, "deny", &[&first.to_string()]);
    assert!(!site.passes(first), "the prefix around it still says so");
    remove(&site, "deny", &["198.51.100.64/28"]);
    assert!(site.passes(first) && site.passes(second) && site.passes(third));
}

/// An entry with a destination or service is about those frames alone.
#[test]
fn destination_and_service_narrow_an_entry() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let source = STRANGERS[1];
    let scope = [&source.to_string(), "--destination", &PSAP.to_string(), "--service", "5060/udp"];
    let (other_port, other_host) = (site.listen(PSAP, 7000), site.listen(SECOND, SIP));
    let reached = || {
        let signalling = site.passes(source);
        [signalling, site.reaches(source, &other_port), site.reaches(source, &other_host)]
    };
    assert_eq!(reached(), [true, true, true]);
    add(&site, "deny", &scope);
    assert_eq!(reached(), [false, true, true]);
    let rows = list(&site, "deny");
    assert_eq!(rows[1]["destination"], PSAP.to_string());
    assert_eq!(rows[1]["service"], "5060/udp");
    remove(&site, "deny", &scope);
    assert_eq!(reached(), [true, true, true]);
}

#[test]
fn ipv6_sources_are_denied_too() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let receiver = site.listen("2001:db8::10".parse::<std::net::Ipv6Addr>().unwrap(), 7000);
    let source: std::net::Ipv6Addr = STRANGER6.parse().unwrap();
    assert!(site.reaches(source, &receiver));
    for prefix in ["2001:db8::65", "2001:db8::/64"] {
        add(&site, "deny", &[prefix]);
        assert!(!site.reaches(source, &receiver), "{prefix}");
        remove(&site, "deny", &[prefix]);
        assert!(site.reaches(source, &receiver), "{prefix}");
    }
}

/// `--for` ends in the data plane by itself, with nobody there to end it.
#[test]
fn an_entry_with_a_time_ends_by_itself() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let source = STRANGERS[1];
    // Its time begins before the disk is waited for.
    add(&site, "deny", &[&source.to_string(), "--for", "10s"]);
    assert!(list(&site, "deny")[1]["expires"].is_string());
    daemon.kill();
    assert!(!site.passes(source));
    assert!(eventually(Duration::from_secs(30), || site.passes(source)), "it never ends");
    assert_eq!(site.status()["stance"], "enforcing");
    assert!(!site.passes(STRANGERS[0]), "the other entry has no end");
}

/// An entry that has ended says nothing any more, also not by being the longest prefix.
#[test]
fn an_entry_that_ended_hides_none_around_it() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let source = STRANGERS[1];
    add(&site, "allow", &[&source.to_string(), "--for", "1s"]);
    std::thread::sleep(Duration::from_millis(1500));
    add(&site, "deny", &["198.51.100.64/28"]);
    assert!(!site.passes(source), "the ended entry hides what is denied around it");
    assert_eq!(list(&site, "allow").len(), 0, "it is not kept for ever");
}

/// A PSAP is protected when `psap add` returns: its peers' calls pass, and are counted as its own.
#[test]
fn a_new_psap_is_protected_at_once() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let service = format!("{SECOND}:5060/udp");
    let receiver = site.listen(SECOND, SIP);
    let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
    assert!(site.reaches(guard_tests::guard_process::CARRIER, &receiver));
    assert_eq!(site.count("P-2", "protected_packets"), 1);
    assert_eq!(list(&site, "psap").len(), 2);
    let _ = site.guard(&["psap", "remove", "P-2", "--force", "--reason", "moved"]).done();
    assert_eq!(list(&site, "psap").len(), 1);
    // What was counted for it stays readable, under its name.
    let printed = site.guard(&["psaps"]).done().out;
    assert!(printed.lines().any(|row| row.contains("P-2") && row.contains("removed")), "{printed}");
    assert_eq!(site.count("P-2", "protected_packets"), 1);
    // And it is there again when it comes back.
    let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
    assert_eq!(site.count("P-2", "protected_packets"), 1);
}

/// A peer's signalling is protected when `peer add` returns, and a stranger's again after.
#[test]
fn a_new_peer_is_believed_at_once() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let source = STRANGERS[1];
    let protected = || site.count("P-1", "protected_packets");
    let add = ["peer", "add", "new", "--address", &source.to_string()];
    let _ = site.guard(&add).done();
    let before = protected();
    assert!(site.passes(source));
    assert_eq!(protected(), before + 2, "its frame and the carrier's behind it");
    assert_eq!(list(&site, "peer").len(), 2);
    let _ = site.guard(&["peer", "remove", "new", "--force", "--reason", "moved"]).done();
    let before = protected();
    assert!(site.passes(source));
    assert_eq!(protected(), before + 1, "the carrier's alone");
}

/// Live changes are made with the daemon dead, and a restart keeps them.
#[test]
fn changes_need_no_daemon_and_survive_its_restart() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    add(&site, "deny", &[&STRANGERS[1].to_string()]);
    daemon.kill();
    add(&site, "deny", &[&STRANGERS[2].to_string()]);
    remove(&site, "deny", &[&STRANGERS[0].to_string()]);
    let service = format!("{SECOND}:5060/udp");
    let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
    let as_changed = || {
        STRANGERS.map(|source| site.passes(source)) == [true, false, false]
            && list(&site, "psap").len() == 2
            && site.status()["generation"]["live_changes"] == 4
    };
    let daemon = site.start();
    daemon.logs("adopted");
    assert!(as_changed());
    daemon.kill();
    let changed = patient(&site) + "\n[limits.sip]\nper-source = '10/s'\n";
    let _ = site.apply(&changed).done();
    let daemon = site.start();
    daemon.logs("adopted");
    assert_eq!(STRANGERS.map(|source| site.passes(source)), [true, false, false]);
    assert_eq!(list(&site, "psap").len(), 2);
    daemon.kill();
    let site = site.reboot();
    let _daemon = site.start();
    assert_eq!(STRANGERS.map(|source| site.passes(source)), [true, false, false]);
}

/// What cannot be is refused by exit code 3, and the running guard is untouched.
#[test]
fn wrong_changes_change_nothing() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let standing = || {
        let status = site.status();
        (site.program_on(WAN), site.pinned(), status["generation"].clone(), list(&site, "deny"))
    };
    let before = standing();
    let elsewhere = format!("{SECOND}:5060/udp");
    let taken = format!("{PSAP}:5060/udp");
    for (arguments, words) in [
        (&["deny", "remove", "198.51.100.99"][..], &["no such entry", "guard deny list"][..]),
        (&["allow", "remove", "198.51.100.65"], &["no such entry"]),
        (&["psap", "remove", "P-9"], &["P-9", "no such entry"]),
        (&["peer", "remove", "nobody"], &["nobody", "no such entry"]),
        (&["psap", "add", "P-1", "--service", &elsewhere], &["P-1", "more than one psap"]),
        (&["psap", "add", "carrier", "--service", &elsewhere], &["carrier", "peer"]),
        (&["psap", "add", "P-2", "--service", &taken], &["P-2"]),
        (&["psap", "add", "P-2"], &["P-2", "nothing reaches"]),
        (&["psap", "add", "P-2", "--site", "nowhere"], &["nowhere"]),
        (&["deny", "add", &PSAP.to_string(), "--reason", "r"], &["P-1"]),
        (&["deny", "add", "198.51.100.0/24", "--reason", "r"], &["fail-safe"]),
        (&["allow", "add", "198.51.100.65", "--reason", "r"], &["allowed and denied"]),
        (&["deny", "add", "198.51.100.77", "--reason", " "], &["reason"]),
    ] {
        let error = site.guard(arguments).fails(3, words);
        assert!(error.contains("live change"), "{error}");
        assert_eq!(standing(), before, "{arguments:?} changed something");
    }
    assert!(!site.passes(STRANGERS[0]) && site.passes(STRANGERS[1]));
}
