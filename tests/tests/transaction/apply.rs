//! `guard diff` and `guard apply`.

use guard_common::abi::state::switch;
use guard_tests::guard_process::{PSAP, STRANGERS};

use crate::{denying, passing, site, standing};

/// Told first, then done, with the daemon alive and dead; the daemon follows.
#[test]
fn what_diff_tells_apply_does() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let file = site.file().to_string_lossy().into_owned();
    let same = site.guard(&["diff", &file]).done();
    assert!(same.out.contains("says what is live"), "{}", same.out);
    assert_eq!(site.guard(&["diff", &file, "--json"]).done().json()["rows"], serde_json::json!([]));

    site.configure(&denying(&site, &[1]).replace("Springfield", "Shelbyville"));
    let differs = site.guard(&["diff", &file]);
    assert_eq!(differs.code, Some(9));
    for line in [
        "psap P-1 Shelbyville: name Springfield -> Shelbyville",
        "deny 198.51.100.65 is removed",
        "deny 198.51.100.66 is new (scanner; noc)",
    ] {
        assert!(differs.out.lines().any(|told| told == line), "{line} in {}", differs.out);
    }
    let json = site.guard(&["diff", &file, "--json"]);
    assert_eq!(json.code, Some(9));
    assert_eq!(json.json()["rows"][1]["effect"], "opens");
    assert_eq!(passing(&site), [false, true, true], "told, not done");

    let answer = site.guard(&["apply", &file, "--reason", "ticket 1"]).done();
    assert!(answer.out.contains("generation 2 is live"), "{}", answer.out);
    assert_eq!(passing(&site), [true, false, true]);
    let again = site.guard(&["apply", &file]).done();
    assert!(again.out.contains("nothing to change"), "{}", again.out);
    assert_eq!(site.status()["generation"]["number"], 2);

    daemon.kill();
    let _ = site.apply(&denying(&site, &[2])).done();
    assert_eq!(passing(&site), [true, true, false]);
    let daemon = site.start();
    daemon.logs("adopted");
    assert!(!daemon.log().contains("differs"), "{}", daemon.log());
    assert_eq!(passing(&site), [true, true, false]);
}

/// Whatever refuses a change, nothing of it is left: no file, no switch, no pin, no program.
#[test]
fn a_change_that_fails_leaves_everything_as_it_was() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let _ = site.guard(&["deny", "add", "192.0.2.7", "--reason", "r"]).done();
    let before = standing(&site);
    let foreign = site.occupy(guard_tests::guard_process::LAN);
    let good = denying(&site, &[1]);
    let second = "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n";
    let cases = [
        ("no TOML at all".to_owned(), 3, "guard.toml"),
        (good.replace("role = 'trusted'", "role = 'trusty'"), 3, "trusty"),
        (format!("{good}[[deny]]\nsource = '{PSAP}'\nowner = 'o'\nreason = 'r'\n"), 3, "fail-safe"),
        (good.replace("wan0", "nix0"), 3, "nix0"),
        (format!("{good}{second}"), 6, "floor_pass"),
        (good.replace("[[psap]]\nid = 'P-1'", "[[psap]]\nid = 'P-1'\nsite = 's'"), 3, "site"),
        (good.replace("[[peer]]\nid = 'carrier'\naddresses = ['198.51.100.20']\n", ""), 8, "peer"),
    ];
    for (text, code, word) in cases {
        site.apply(&text).fails(code, &[word]);
        let file = site.file().to_string_lossy().into_owned();
        site.guard(&["apply", &file, "--confirm-within", "5m"]).fails(code, &[word]);
        assert_eq!(standing(&site), before, "{word}");
    }
    drop(foreign);
    assert_eq!(passing(&site), [false, true, true]);
}

/// What live verbs changed stays on top of a file, until the file says it by itself.
#[test]
fn live_changes_stay_until_the_file_says_them() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let source = STRANGERS[1].to_string();
    let _ = site.guard(&["deny", "add", &source, "--reason", "scanner", "--owner", "noc"]).done();
    let _ = site.apply(&denying(&site, &[2])).done();
    assert_eq!(passing(&site), [true, false, false]);
    assert_eq!(site.status()["generation"]["live_changes"], 1);
    let same = site.apply(&denying(&site, &[2, 1])).done();
    assert!(same.out.contains("nothing to change"), "{}", same.out);
    assert_eq!(site.status()["generation"]["live_changes"], 0);
    let _ = site.apply(&denying(&site, &[2])).done();
    assert_eq!(passing(&site), [true, true, false], "the file alone says what is denied");
}

/// The daemon goes by the watchdog time of what is live.
#[test]
fn the_daemon_follows_what_was_applied() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let _ = site.apply(&denying(&site, &[1]).replace("'60s'", "'300s'")).done();
    let left = || site.status()["controller"]["watchdog_left_seconds"].as_f64().unwrap();
    let followed = || left() > 200.0;
    let patience = std::time::Duration::from_secs(40);
    assert!(guard_tests::guard_process::eventually(patience, followed), "{}", daemon.log());
    daemon.logs("another generation is live");
}

/// Where nothing is loaded, the next start takes what was applied; without it, no change ever
/// comes by a restart, and no broken file keeps the guard from starting.
#[test]
fn the_next_start_takes_what_was_applied_while_nothing_was_loaded() {
    let Some(site) = site() else { return };
    let file = site.file().to_string_lossy().into_owned();
    site.guard(&["apply", &file]).fails(4, &["no guard is loaded"]);
    site.start().kill();
    let site = site.reboot();
    site.configure(&denying(&site, &[1]));
    let daemon = site.start();
    daemon.logs("differs");
    assert_eq!(passing(&site), [false, true, true]);
    daemon.kill();

    let site = site.reboot();
    site.guard(&["apply", &file, "--confirm-within", "5m"]).fails(4, &["no guard is loaded"]);
    let answer = site.guard(&["apply", &file]).done();
    assert!(answer.out.contains("the next `guard run`"), "{}", answer.out);
    site.is_bare();
    let daemon = site.start();
    assert!(!daemon.log().contains("differs"), "{}", daemon.log());
    assert_eq!(passing(&site), [true, false, true]);
    daemon.kill();

    let site = site.reboot();
    let _ = site.guard(&["rollback"]).done();
    site.configure("no TOML at all");
    let daemon = site.start_with(&["run", "--config", &file]);
    daemon.logs("what was live goes on");
    assert_eq!(passing(&site), [false, true, true]);
}

/// Leaving is explicit; the start after it is a first one.
#[test]
fn a_start_after_unload_takes_the_file() {
    let Some(site) = site() else { return };
    site.start().kill();
    let _ = site.guard(&["unload", "--reason", "maintenance"]).done();
    site.configure(&denying(&site, &[1]));
    let _daemon = site.start();
    assert_eq!(passing(&site), [true, false, true]);
}

/// The last step of a change fails: what was live before is live, and named.
#[test]
fn a_record_that_cannot_be_replaced_leaves_everything_as_it_was() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let record = site.state().join("generation.json");
    let record = record.to_string_lossy();
    let immutable = |how| site.host.succeed("chattr", &[how, &record]);
    if immutable("+i").is_err() {
        guard_tests::privilege::skip("this file system has no immutable files");
        return;
    }
    let before = standing(&site);
    site.apply(&denying(&site, &[1])).fails(5, &["generation.json"]);
    let deny = STRANGERS[2].to_string();
    site.guard(&["deny", "add", &deny, "--reason", "r"]).fails(5, &["generation.json"]);
    assert_eq!(standing(&site), before);
    assert_eq!(passing(&site), [false, true, true]);
    immutable("-i").unwrap();
    let _ = site.apply(&denying(&site, &[1])).done();
    assert_eq!(passing(&site), [true, false, true]);
}

/// Lists that a killed change left by half are built anew by whatever change comes next.
#[test]
fn a_change_of_the_lists_does_not_bury_a_killed_one() {
    let Some(site) = site() else { return };
    site.start().kill();
    let deny = |source: &str| site.guard(&["deny", "add", source, "--reason", "r"]).done();
    let _ = deny("192.0.2.7");
    let number = || site.status()["generation"]["number"].as_u64().unwrap();
    assert_eq!(number(), 1, "in place");
    crate::map(&site).set(switch::CHANGING, 1, 0).unwrap();
    let _ = deny("192.0.2.8");
    assert_eq!((number(), crate::get(&site, switch::CHANGING)), (2, 0));
}
