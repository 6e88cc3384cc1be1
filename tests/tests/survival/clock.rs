//! The clock on the wall jumps by more than a year, either way: what protects goes by another one.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{CARRIER, STRANGERS, Site, eventually};
use guard_tests::privilege::skip;

use crate::{SOON, site, stands};

/// What makes a process see another time of day; not another monotonic clock.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.exists())
}

/// A site whose daemon and verbs go by a clock that [`set`] sets.
fn site_with_a_clock() -> Option<Site> {
    let mut site = site()?;
    let Some(library) = library() else {
        skip("libfaketime is not installed");
        return None;
    };
    let named = |path: PathBuf| -> &'static str { path.display().to_string().leak() };
    set(&site, "+0d");
    site.environment.extend([
        ("LD_PRELOAD", named(library)),
        ("FAKETIME_TIMESTAMP_FILE", named(site.path("clock"))),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ]);
    Some(site)
}

/// Sets the clock so far ahead, or back.
fn set(site: &Site, offset: &str) {
    let (new, file) = (site.path("clock.new"), site.path("clock"));
    fs::write(&new, offset).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn a_clock_that_jumps_changes_no_verdict() {
    let Some(site) = site_with_a_clock() else { return };
    let daemon = site.start();
    let timed = STRANGERS[1].to_string();
    let _ = site.guard(&["deny", "add", &timed, "--reason", "scanner", "--for", "1h"]).done();
    for jump in ["+400d", "-400d", "+0d"] {
        set(&site, jump);
        let last = || site.guard(&["audit", "--last", "1"]).done().out;
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(site.status()["stance"], "enforcing", "{jump}: {} {}", last(), daemon.log());
        assert!(!site.passes(STRANGERS[0]) && !site.passes(STRANGERS[1]), "{jump}");
        assert!(site.passes(STRANGERS[2]) && site.passes(CARRIER), "{jump}");
        let proved = || site.status()["canary"]["result"] == "ok";
        assert!(eventually(SOON, proved), "{jump}: {}", site.status());
    }
    assert_eq!(site.status()["controller"]["watchdog_lapses"], 0);
}

/// Ends that were said in seconds come in so many seconds.
#[test]
fn a_clock_that_jumps_moves_no_end() {
    let Some(site) = site_with_a_clock() else { return };
    let daemon = site.start();
    for jump in ["+400d", "-400d"] {
        let begun = Instant::now();
        let _ = site.guard(&["bypass", "on", "--for", "15s", "--reason", "ticket 4718"]).done();
        set(&site, jump);
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(site.status()["stance"], "bypassed", "{jump}: {}", daemon.log());
        assert!(stands(&site, "enforcing"), "{jump}: {}", daemon.log());
        assert!(begun.elapsed() >= Duration::from_secs(15), "{jump}: too early");
    }
    // Nobody confirms it.
    let text = fs::read_to_string(site.file()).unwrap();
    site.configure(&text.replace("reason = 'scanner'", "reason = 'another'"));
    let file = site.file().display().to_string();
    let _ = site.guard(&["apply", &file, "--confirm-within", "15s"]).done();
    set(&site, "+400d");
    std::thread::sleep(Duration::from_secs(4));
    assert!(site.status()["generation"]["confirm_until"].is_string(), "{}", daemon.log());
    daemon.logs("nobody confirmed");
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
}
