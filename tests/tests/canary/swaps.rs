//! Changes, one after another, open nothing: in the middle of one, what is live and what is
//! written down are not of one piece.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{SECOND, Site, eventually};

use crate::{START, comes_to_say, is_open, says, site};

const REASON: [&str; 2] = ["--reason", "test"];

/// PSAPs come and go, each a new generation, for longer than a round of the canary takes.
#[test]
fn swaps_open_nothing() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    let until = Instant::now() + Duration::from_secs(12);
    let (service, mut swaps) = (format!("{SECOND}:5060/udp"), 0);
    while swaps < 10 || Instant::now() < until {
        let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
        let _ = site.guard(&["psap", "remove", "P-2"]).done();
        swaps += 2;
        assert!(!is_open(&site), "{}", daemon.log());
    }
    assert!(!daemon.log().contains("BLIND"), "{}", daemon.log());
    comes_to_say(&site, "ok", START);
}

/// Where strangers of the canary come from may be denied or allowed like any other range: the
/// canary takes another, or is heard all the same.
#[test]
fn lists_around_the_canarys_stranger_open_nothing() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    for list in ["deny", "allow"] {
        for range in ["198.18.0.0/15", "203.0.113.0/24", "2001:2::/48"] {
            let _ = site.guard(&[&[list, "add", range], REASON.as_slice()].concat()).done();
            sleep(Duration::from_millis(2500));
            assert!(!is_open(&site), "{list} {range}: {}", daemon.log());
            comes_to_say(&site, "ok", START);
            assert!(!is_open(&site), "{list} {range}: {}", daemon.log());
            let _ = site.guard(&["canary"]).done();
            let _ = site.guard(&[list, "remove", range]).done();
        }
    }
}

/// A daemon that is killed and started over and over, on a policy that changes.
#[test]
fn restarts_with_another_file_open_nothing() {
    let Some(site) = site() else { return };
    let text = |site: &Site, round: u32| {
        let mut text = site.config();
        let _ = write!(text, "\n[[deny]]\nsource = '192.0.2.{round}'\nowner = 'o'\nreason = 'r'\n");
        text
    };
    for round in 1..5 {
        let daemon = site.start();
        let _ = site.apply(&text(&site, round)).done();
        sleep(Duration::from_millis(300) * round);
        assert!(!is_open(&site), "{}", daemon.log());
        daemon.kill();
    }
    let _daemon = site.start();
    assert!(eventually(START, || says(&site) == "ok"));
}
