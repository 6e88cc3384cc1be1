//! Outages of 911 that had a change behind them, acted out on a guarded host: each shows what the
//! guard refuses, opens or leaves alone, and how long that took.
//!
//! Each test has namespaces, a BPF file system and directories of its own and leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "outages/content.rs"]
mod content;
#[path = "outages/lists.rs"]
mod lists;
#[path = "outages/operator.rs"]
mod operator;
#[path = "faults/traffic.rs"]
mod traffic;
#[path = "outages/upgrade.rs"]
mod upgrade;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{Answer, CARRIER, LAN, SECOND, STRANGERS, Site, WAN};
use serde_json::Value;

/// Longer than anything a refusal may take, on a machine with other work.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A site whose guard denies the first stranger; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(text)
}

fn text(site: &Site) -> String {
    let config = site.config().replace("[guard]\n", "[guard]\nwatchdog = '2m'\n");
    let config = config.replace("watchdog = '5s'\n", "");
    format!(
        "{config}\n[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n\
         [[psap]]\nid = 'P-2'\nservices = ['{SECOND}:5060/udp']\n\
         [[peer]]\nid = 'carrier-b'\naddresses = ['198.51.100.21']\n\
         [[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
        STRANGERS[0],
    )
}

/// Programs, pins, generation.
type Standing = ([Option<(u64, u64)>; 2], Vec<PathBuf>, Value);

/// What a refusal must not change.
fn standing(site: &Site) -> Standing {
    let programs = [WAN, LAN].map(|device| site.program_on(device));
    (programs, site.pinned(), site.status()["generation"].clone())
}

/// Does what was done on that day; asserts that the guard refuses it with this code and words, at
/// once, and goes on as it was; says so.
#[track_caller]
fn refuses(site: &Site, day: &str, code: i32, words: &[&str], act: impl FnOnce() -> Answer) {
    let (before, begun) = (standing(site), Instant::now());
    let answer = act();
    let took = begun.elapsed();
    let error = answer.fails(code, words);
    assert!(took < AT_ONCE, "{day}: {took:?}");
    assert_eq!(standing(site), before, "{day}");
    assert!(!site.passes(STRANGERS[0]), "{day}: what is denied is dropped as before");
    assert!(site.passes(CARRIER), "{day}");
    say(day, &format!("refused in {took:.0?}: {}", error.lines().next().unwrap_or_default()));
}

fn say(day: &str, what: &str) {
    let what: String = what.chars().take(200).collect();
    eprintln!("{day}: {what}");
}
