//! Gate 1 on every way in: file, live verb, mode, first start.

use guard_tests::guard_process::PSAP;

use crate::{denying, passing, site, standing};

/// The operator's own session, as `sshd` tells of it.
const SSH: (&str, &str) = ("SSH_CONNECTION", "192.0.2.9 50000 198.51.100.10 22");

#[test]
fn nothing_that_is_needed_can_be_denied_whichever_way_it_comes() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let before = standing(&site);
    for (source, reason) in [
        (PSAP.to_string(), "fail-safe"),
        ("198.51.100.16/28".to_owned(), "fail-safe"),
        ("10.0.0.0/8".to_owned(), "[gates]"),
        ("2001:d00::/24".to_owned(), "[gates]"),
        ("fe80::/64".to_owned(), "link-local"),
    ] {
        let entry = format!("[[deny]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'\n");
        site.apply(&(denying(&site, &[0]) + &entry)).fails(3, &[reason]);
        site.guard(&["deny", "add", &source, "--reason", "r"]).fails(3, &[reason]);
        assert_eq!(standing(&site), before, "{source}");
    }
}

#[test]
fn enforcing_is_refused_from_where_it_would_limit_oneself() {
    let Some(mut site) = site() else { return };
    let monitoring = denying(&site, &[0]).replace("mode = 'enforce'", "mode = 'monitor'");
    site.configure(&denying(&site, &[0]));
    site.environment.push(SSH);
    let file = site.file().to_string_lossy().into_owned();
    site.guard(&["run", "-c", &file]).fails(8, &["192.0.2.9", "management"]);
    site.is_bare();
    site.configure(&monitoring);
    let _daemon = site.start();
    site.guard(&["mode", "enforce"]).fails(8, &["192.0.2.9", "[[management]]"]);
    assert_eq!(site.status()["mode"], "monitor");
    let station = "[[management]]\nid = 'noc'\naddresses = ['192.0.2.0/28']\n";
    let _ = site.apply(&format!("{monitoring}{station}")).done();
    let _ = site.guard(&["mode", "enforce"]).done();
    assert_eq!(passing(&site), [false, true, true]);
    // And the way in cannot be taken away while it enforces.
    let before = standing(&site);
    site.apply(&monitoring).fails(8, &["192.0.2.9"]);
    assert_eq!(standing(&site), before);
}

/// What is left to a person's judgement needs their word, and is on record.
#[test]
fn many_withdrawn_at_once_need_a_persons_word() {
    let Some(site) = site() else { return };
    let four: String = (21..25)
        .map(|n| format!("[[psap]]\nid = 'P-{n}'\nservices = ['198.51.100.{n}:5060/udp']\n"))
        .collect();
    site.configure(&(denying(&site, &[0]) + &four));
    let _daemon = site.start();
    let before = standing(&site);
    site.apply(&denying(&site, &[0])).fails(8, &["4 of 5 psap", "--force"]);
    let file = site.file().to_string_lossy().into_owned();
    assert_eq!(site.guard(&["apply", &file, "--force"]).code, Some(2), "without a reason");
    assert_eq!(standing(&site), before);
    let _ = site.guard(&["apply", &file, "--force", "--reason", "moved, ticket 5"]).done();
    assert_eq!(site.status()["configured"]["psaps"], 1);
    let record = site.rows(&["audit", "--last", "1"]);
    assert!(record[0]["what"].as_str().unwrap().ends_with("--force"), "{record}");
    assert_eq!(record[0]["why"], "moved, ticket 5");
}
