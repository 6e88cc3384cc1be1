//! `--confirm-within`: taken back by the daemon, opened by the data plane, decided by a person.

use std::time::Duration;

use guard_common::abi::state::{opened, switch};
use guard_tests::guard_process::{SECOND, STRANGERS, Site, eventually};

use crate::{denying, get, passing, site};

/// Longer than any deadline here, on a machine whose disk is slow.
const PATIENCE: Duration = Duration::from_secs(40);
/// A deadline that has not passed yet when a change is made, as it begins before the disk is
/// waited for.
const DEADLINE: &str = "12s";

fn apply_for(site: &Site, text: &str, time: &str) {
    site.configure(text);
    let file = site.file().to_string_lossy().into_owned();
    let answer = site.guard(&["apply", &file, "--confirm-within", time]).done();
    assert!(answer.out.contains("guard confirm"), "{}", answer.out);
}

/// A configuration from which going back withdraws a PSAP.
fn with_psap(site: &Site) -> String {
    denying(site, &[0, 1]) + &format!("[[psap]]\nid = 'P-2'\nservices = ['{SECOND}:5060/udp']\n")
}

fn settled(site: &Site) -> [u64; 2] {
    [get(site, switch::CONFIRM_BY), get(site, switch::OPENED)]
}

#[test]
fn what_is_confirmed_stays() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    site.guard(&["confirm"]).fails(1, &["no change waits", "guard history"]);
    apply_for(&site, &denying(&site, &[0, 1]), DEADLINE);
    assert_eq!(passing(&site), [false, false, true]);
    assert!(site.rows(&["history"])[0]["confirm_until"].is_string());
    assert!(site.status()["generation"]["confirm_until"].is_string());
    assert!(site.guard(&["status"]).done().out.contains("guard confirm"));
    let _ = site.guard(&["confirm"]).done();
    assert_eq!(settled(&site), [0, 0]);
    std::thread::sleep(Duration::from_secs(13));
    assert_eq!(passing(&site), [false, false, true], "{}", daemon.log());
    assert!(site.rows(&["history"])[0]["confirm_until"].is_null());
}

/// The data plane opens at the deadline, and the daemon goes back.
#[test]
fn the_daemon_takes_back_what_nobody_confirms() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    apply_for(&site, &denying(&site, &[0, 1]), DEADLINE);
    assert_eq!(passing(&site), [false, false, true]);
    let back = || site.status()["generation"]["number"] == 3;
    assert!(eventually(PATIENCE, back), "{}", daemon.log());
    // What is live is written down before that.
    assert!(eventually(PATIENCE, || settled(&site) == [0, 0]), "closed again");
    assert_eq!(passing(&site), [false, true, true]);
    daemon.logs("nobody confirmed");
    assert_eq!(site.rows(&["history"]).as_array().unwrap().len(), 1);
}

/// With the daemon dead it opens and stays open; the next start goes back.
#[test]
fn the_data_plane_opens_by_itself_and_the_next_start_goes_back() {
    let Some(site) = site() else { return };
    site.start().kill();
    apply_for(&site, &denying(&site, &[0, 1]), DEADLINE);
    assert_eq!(passing(&site), [false, false, true]);
    assert!(eventually(PATIENCE, || passing(&site) == [true, true, true]));
    assert_eq!(site.status()["stance"], "unconfirmed");
    let daemon = site.start();
    daemon.logs("rolled back");
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, true, true]));
}

/// Before the deadline a start of the daemon changes nothing about it.
#[test]
fn a_restart_before_the_deadline_goes_on_waiting() {
    let Some(site) = site() else { return };
    site.start().kill();
    apply_for(&site, &denying(&site, &[0, 1]), "60s");
    let deadline = get(&site, switch::CONFIRM_BY);
    let daemon = site.start();
    daemon.logs("adopted");
    assert_eq!(get(&site, switch::CONFIRM_BY), deadline);
    let _ = site.guard(&["confirm"]).done();
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, false, true]));
}

/// Going back would withdraw a PSAP: the guard opens instead, and a person decides.
#[test]
fn what_would_be_withdrawn_is_not_taken_back_but_opened() {
    for (decision, after) in [("confirm", [false, false, true]), ("rollback", [false, true, true])]
    {
        let Some(site) = site() else { return };
        let daemon = site.start();
        apply_for(&site, &with_psap(&site), "1s");
        let open = || get(&site, switch::OPENED) == opened::UNCONFIRMED;
        assert!(eventually(PATIENCE, open), "{}", daemon.log());
        daemon.logs("psap P-2 is removed");
        assert_eq!(passing(&site), [true; 3]);
        assert_eq!(site.status()["stance"], "opened");
        assert_eq!(site.status()["configured"]["psaps"], 2, "nothing is withdrawn");
        site.guard(&["close", "--reason", "r"]).fails(1, &["guard confirm", "guard rollback"]);
        // It stays so, over a restart, too.
        daemon.kill();
        let daemon = site.start();
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!((passing(&site), open()), ([true; 3], true), "{}", daemon.log());
        let _ = site.guard(&[decision]).done();
        assert_eq!((settled(&site), passing(&site)), ([0, 0], after), "{decision}");
    }
}

/// After a reboot the clock of the deadline is another; what was confirmed last goes on.
#[test]
fn a_reboot_goes_back() {
    let Some(site) = site() else { return };
    site.start().kill();
    apply_for(&site, &denying(&site, &[0, 1]), "1h");
    let site = site.reboot();
    let daemon = site.start();
    daemon.logs("before the reboot: rolled back");
    // The file is not what is live.
    daemon.logs("differs");
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, true, true]));
    site.guard(&["confirm"]).fails(1, &["no change waits"]);
}

/// The same where going back would withdraw: it goes on, open from its first frame.
#[test]
fn a_reboot_stays_open_where_it_must_not_go_back() {
    let Some(site) = site() else { return };
    site.start().kill();
    apply_for(&site, &with_psap(&site), "1h");
    let site = site.reboot();
    let daemon = site.start();
    daemon.logs("OPEN");
    assert_eq!(get(&site, switch::OPENED), opened::UNCONFIRMED);
    assert_eq!(passing(&site), [true; 3]);
    let _ = site.guard(&["confirm"]).done();
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, false, true]));
}

/// One change at a time waits. What live verbs do meanwhile belongs to it, and neither is buried.
#[test]
fn a_second_change_waits_for_the_first() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    apply_for(&site, &denying(&site, &[0, 1]), "1h");
    site.apply(&denying(&site, &[2])).fails(1, &["waits to be confirmed", "guard confirm"]);
    assert_eq!(passing(&site), [false, false, true]);
    let third = STRANGERS[2].to_string();
    let _ = site.guard(&["deny", "add", &third, "--reason", "r"]).done();
    assert_ne!(settled(&site)[0], 0, "still waiting");
    // One step back undoes the entry, another the change that waits.
    let _ = site.guard(&["rollback"]).done();
    assert_eq!(passing(&site), [false, false, true]);
    assert_ne!(settled(&site)[0], 0, "still waiting");
    let _ = site.guard(&["rollback"]).done();
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, true, true]));
    let _ = site.apply(&denying(&site, &[2])).done();
}

/// A deadline that a change set before it broke off opens nothing for long.
#[test]
fn a_deadline_without_a_change_is_lifted() {
    let Some(site) = site() else { return };
    site.start().kill();
    crate::map(&site).set(switch::CONFIRM_BY, 2, 0).unwrap();
    assert_eq!(passing(&site), [true; 3]);
    let daemon = site.start();
    daemon.logs("broke off");
    assert_eq!((settled(&site), passing(&site)), ([0, 0], [false, true, true]));
    crate::map(&site).set(switch::CONFIRM_BY, 2, 0).unwrap();
    assert!(eventually(PATIENCE, || settled(&site) == [0, 0]), "while it runs, too");
}

/// What the canary opened the guard for is not closed by a confirmation, nor told over and over.
#[test]
fn a_confirmation_closes_nothing_that_was_opened_for_another_reason() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    apply_for(&site, &with_psap(&site), "2s");
    crate::map(&site).set(switch::OPENED, opened::CANARY, 0).unwrap();
    daemon.logs("psap P-2 is removed");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(get(&site, switch::OPENED), opened::CANARY);
    let audit = || site.guard(&["audit", "--json"]).done().out;
    assert_eq!(audit().matches("opened the guard").count(), 1, "{}", audit());
    let _ = site.guard(&["confirm"]).done();
    assert_eq!(settled(&site), [0, opened::CANARY]);
    assert_eq!(passing(&site), [true; 3]);
    let _ = site.guard(&["close", "--reason", "looked at it"]).done();
    assert_eq!(passing(&site), [false, false, true]);
    assert_eq!(audit().matches("\"close\"").count(), 1, "{}", audit());
}
