//! Who did what: every change leaves a record, and no record keeps anybody from anything.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use guard_tests::guard_process::{STRANGERS, Site};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

use crate::{denying, passing, site};

fn records(site: &Site) -> Vec<Value> {
    site.rows(&["audit", "--last", "100"]).as_array().unwrap().clone()
}

#[test]
fn every_change_leaves_a_record() {
    let Some(mut site) = site() else { return };
    site.environment.push(("SUDO_USER", "kim"));
    let daemon = site.start();
    let second = STRANGERS[1].to_string();
    let file = site.file().to_string_lossy().into_owned();
    let verbs: [(&[&str], &str); 12] = [
        (&["deny", "add", &second, "--reason", "ticket 1"], "deny add 198.51.100.66"),
        (&["deny", "remove", &second, "--reason", "t"], "deny remove 198.51.100.66"),
        (&["allow", "add", &second, "--reason", "t"], "allow add 198.51.100.66"),
        (&["allow", "remove", &second], "allow remove 198.51.100.66"),
        (&["peer", "add", "x", "--address", "192.0.2.1"], "peer add x"),
        (&["peer", "remove", "x", "--reason", "t"], "peer remove x"),
        (&["mode", "monitor", "--reason", "t"], "mode monitor"),
        (&["mode", "enforce"], "mode enforce"),
        (&["bypass", "on", "--reason", "t"], "bypass on"),
        (&["bypass", "off"], "bypass off"),
        (&["rollback", "--reason", "t"], "rollback 1"),
        (&["rollback", "--reason", "t"], "rollback 1"),
    ];
    for (verb, _) in verbs {
        let _ = site.guard(verb).done();
    }
    site.configure(&denying(&site, &[0, 1]));
    let _ = site.guard(&["apply", &file, "--confirm-within", "1h", "--reason", "t"]).done();
    let _ = site.guard(&["confirm", "--reason", "t"]).done();
    site.guard(&["psap", "remove", "nobody"]).fails(3, &["no such entry"]);
    daemon.kill();
    let _ = site.guard(&["unload", "--reason", "t"]).done();

    let records = records(&site);
    let whats: Vec<&str> = records.iter().map(|record| record["what"].as_str().unwrap()).collect();
    let apply = format!("apply {file}");
    let mut expected = vec!["start"];
    expected.extend(verbs.map(|(_, what)| what));
    expected.extend([apply.as_str(), "confirm", "psap remove nobody", "unload"]);
    assert_eq!(whats, expected);
    assert_eq!((&records[0]["who"], &records[0]["result"]), (&"daemon".into(), &"loaded".into()));
    let first = &records[1];
    assert_eq!(first["schema"], 1);
    assert_eq!((&first["who"], &first["uid"]), (&"root".into(), &0.into()));
    assert_eq!((&first["sudo_user"], &first["why"]), (&"kim".into(), &"ticket 1".into()));
    assert_eq!((&first["generation"], &first["result"]), (&1.into(), &"done".into()));
    // What went through gates says for how long, and how soon after them it was in effect.
    for record in &records {
        let what = record["what"].as_str().unwrap();
        let is_gated = ["deny", "allow", "peer", "mode enforce", "rollback", "apply"]
            .iter()
            .any(|verb| what.starts_with(verb));
        let times = ["gates_ms", "effect_ms"].map(|field| record[field].as_f64());
        assert_eq!(
            times.iter().all(|time| time.is_some_and(|time| time > 0.0)),
            is_gated,
            "{record}"
        );
        assert_eq!(times.iter().all(Option::is_none), !is_gated, "{record}");
    }
    let refused = &records[records.len() - 2];
    assert!(refused["result"].as_str().unwrap().contains("no such entry"), "{refused}");
    let mode = fs::metadata(site.state().join("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let table = site.guard(&["audit", "--last", "3"]).done().out;
    assert!(table.lines().count() >= 4 && table.contains("kim"), "{table}");
}

/// What the daemon does by itself is on record, too.
#[test]
fn what_nobody_said_is_on_record() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    site.configure(&denying(&site, &[0, 1]));
    let file = site.file().to_string_lossy().into_owned();
    let _ = site.guard(&["apply", &file, "--confirm-within", "1s"]).done();
    let told = || records(&site).iter().any(|record| record["what"] == "unconfirmed change");
    assert!(guard_tests::guard_process::eventually(std::time::Duration::from_secs(40), told));
    let records = records(&site);
    let record = records.last().unwrap();
    assert_eq!((&record["who"], &record["result"]), (&"daemon".into(), &"rolled back".into()));
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Should it fail, the mount goes with the test's mount namespace.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// The log on a disk that fills up, or takes nothing any more: bypass, mode and what needs no
/// file work, and say that they are not on record.
#[test]
fn no_record_keeps_anybody_from_anything() {
    let Some(site) = site() else { return };
    let nothing = None::<&str>;
    let state = site.state();
    fs::create_dir(&state).unwrap();
    mount(Some("tmpfs"), &state, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
    let _mounted = Mounted(state.clone());
    site.start().kill();
    assert!(fs::write(state.join("filler"), vec![0; 2 << 20]).is_err(), "the disk is full");
    let works = || {
        let answer = site.guard(&["bypass", "on"]).done();
        assert_eq!(passing(&site), [true; 3]);
        let _ = site.guard(&["bypass", "off"]).done();
        assert_eq!(passing(&site), [false, true, true]);
        let _ = site.guard(&["mode", "monitor"]).done();
        assert_eq!(passing(&site), [true; 3]);
        let _ = site.guard(&["mode", "enforce"]).done();
        answer.err
    };
    works();
    fs::remove_file(state.join("filler")).unwrap();
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(nothing, &state, nothing, read_only, nothing).unwrap();
    let told = works();
    assert!(told.contains("not in the audit log"), "{told}");
    site.guard(&["rollback"]).fails(1, &["next: "]);
}

/// A roll-back needs no log.
#[test]
fn a_roll_back_needs_no_log() {
    let Some(site) = site() else { return };
    site.start().kill();
    let _ = site.guard(&["deny", "add", &STRANGERS[1].to_string(), "--reason", "r"]).done();
    fs::remove_file(site.state().join("audit.jsonl")).unwrap();
    fs::create_dir(site.state().join("audit.jsonl")).unwrap();
    let answer = site.guard(&["rollback"]).done();
    assert!(answer.err.contains("not in the audit log"), "{}", answer.err);
    assert_eq!(passing(&site), [false, true, true]);
}
