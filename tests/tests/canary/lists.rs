//! Changes of the lists go into the live generation as they are: proved before as a generation is.

use std::fmt::Write as _;

use guard_tests::guard_process::{PSAP, SECOND, STRANGERS, Site};
use guard_user::gates::Severity;
use guard_user::gates::canary::check_tables;
use guard_user::live::Live;

use crate::{START, comes_to_say, says};

/// All ranges that the canary's strangers come from.
const NOBODYS: [&str; 7] = [
    "198.18.0.0/15",
    "203.0.113.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "2001:2::/48",
    "3fff::/20",
    "2001:db8::/32",
];

/// Where nobody is left to play a stranger, nothing is proved, and a person has to take that on.
#[test]
fn what_cannot_be_proved_is_not_listed_unless_forced() {
    let Some(site) = Site::with(|site| {
        NOBODYS.iter().fold(site.config(), |mut text, range| {
            let _ =
                write!(text, "\n[[allow]]\nsource = '{range}'\nowner = 'noc'\nreason = 'test'\n");
            text
        })
    }) else {
        return;
    };
    let _daemon = site.start();
    comes_to_say(&site, "blind", START);
    let generation = site.status()["generation"]["number"].clone();
    let deny = ["deny", "add", "100.64.0.1", "--reason", "test"];
    let words = ["nobody knows whether 911 would pass", "no address", "--force"];
    let _ = site.guard(&deny).fails(8, &words);
    assert!(site.rows(&["deny", "list"]).as_array().unwrap().is_empty());
    let _ = site.guard(&[deny.as_slice(), &["--force"]].concat()).done();
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(site.status()["generation"]["number"], generation, "in place");
    // What opens something may be what helps.
    let _ = site.guard(&["deny", "remove", "100.64.0.1"]).done();
}

/// Tables by which a PSAP is somewhere else: 911 would not pass, and nothing overrides that.
#[test]
fn tables_that_lose_a_psap_are_refused() {
    let Some(site) = Site::with(Site::config) else { return };
    let _daemon = site.start();
    comes_to_say(&site, "ok", START);
    let live = Live::new(&site.pins(), &site.state());
    let (record, effective) = (live.record().unwrap(), live.effective().unwrap());
    let text = site.config();
    let check = |text: &str, tightens| {
        let tables = site.tables(text);
        let found = || check_tables(&live.pins, (&tables, &effective), &record, tightens);
        site.host.run(found).unwrap()
    };
    assert_eq!(check(&text, true), []);
    let elsewhere = text.replace(&PSAP.to_string(), &SECOND.to_string());
    let found = check(&elsewhere, true);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().all(|finding| finding.severity == Severity::Final), "{found:#?}");
    assert!(found[0].text.contains("911 would not pass"), "{found:#?}");
    // What opens something may be what helps.
    let found = check(&elsewhere, false);
    assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:#?}");
    assert_eq!(says(&site), "ok", "nothing live was touched");
    assert!(site.passes(STRANGERS[0]));
}
