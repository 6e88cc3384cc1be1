//! G5: what follows a change is watched. Calls that fail after it have it rolled back, or the guard
//! opened, within seconds; what looks like it and is none does not.
//!
//! Calls are real: SIP with a description by UDP, a few a second, answered by a PSAP on the guarded
//! host, in a kernel with the daemon running.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

#[path = "watching/left_alone.rs"]
mod left_alone;
#[path = "watching/traffic.rs"]
mod traffic;
#[path = "watching/turned.rs"]
mod turned;

use std::thread::sleep;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{CARRIER, Daemon, SECOND, Site, eventually};
use serde_json::Value;

use self::traffic::Calls;

/// How long what follows a change is watched here.
const WATCH: Duration = Duration::from_secs(15);
/// Long enough before a change to be held against: six stretches are needed, of a second then, and
/// a busy machine makes fewer of them.
const BEFORE: Duration = Duration::from_secs(11);
/// How soon something has to be done: what is looked at takes three seconds to be seen twice, and
/// calls that hear nothing four to be given up; the machine may be busy and its disk slow.
const SOON: Duration = Duration::from_secs(40);
const FORCE: [&str; 3] = ["--force", "--reason", "ticket 4711"];

/// A site whose guard knows the carrier and is short with strangers; `None`, said loudly, where no
/// test can run.
fn site(mode: &str) -> Option<Site> {
    Site::with(|site| config(site, mode))
}

fn config(site: &Site, mode: &str) -> String {
    // Nothing here may be let pass by a watchdog that runs out.
    let text = site.config().replace("'5s'", "'60s'").replace("'enforce'", &format!("'{mode}'"));
    let text = text.replace(&format!("'{CARRIER}'"), &format!("'{CARRIER}', '198.51.100.21'"));
    let text = text.replace("role = 'trusted'", "role = 'trusted'\noutgoing = true");
    // Nor because the daemon has just started.
    let limit = "per-source = '1/s'\nper-source-burst = 1\n";
    format!(
        "{text}\n[limits.sip]\n{limit}\n[limits.udp]\n{limit}\n[gates]\nwatch = '{}s'\n\n\
         [pins]\nopen-for = '1s'\n",
        WATCH.as_secs()
    )
}

/// The configuration without one of the carrier's addresses: its calls are a stranger's.
fn without_carrier(site: &Site) -> String {
    config(site, "enforce").replace(&format!("'{CARRIER}', "), "")
}

/// The same, with a PSAP that going back would withdraw.
fn with_psap(text: &str) -> String {
    format!("{text}\n[[psap]]\nid = 'P-2'\nservices = ['{SECOND}:5060/udp']\n")
}

/// Applies it, whatever the gates say.
fn force(site: &Site, text: &str) {
    site.configure(text);
    let file = site.file().to_string_lossy().into_owned();
    let _ = site.guard(&[["apply", &file].as_slice(), &FORCE].concat()).done();
}

/// A daemon whose canary holds, and calls that are answered for as long as it takes.
fn start(site: &Site, calls: impl FnOnce() -> Calls) -> (Daemon, Calls) {
    let daemon = site.start();
    let calls = calls();
    let ok = || site.status()["canary"]["result"] == "ok";
    assert!(eventually(Duration::from_secs(20), ok), "{}", daemon.log());
    sleep(BEFORE);
    assert!(eventually(SOON, || calls.succeed()), "before anything was changed");
    calls.forget_failures();
    (daemon, calls)
}

/// Waits until calls are answered again, and until what was done is told and written down; how long
/// the calls took.
#[track_caller]
fn comes_back(site: &Site, calls: &Calls, daemon: &Daemon) -> Duration {
    let began = Instant::now();
    assert!(eventually(SOON, || calls.succeed()), "{}", daemon.log());
    let took = began.elapsed();
    // Calls come back before that: all the rest waits for the disk.
    daemon.logs("EVIDENCE TURNED");
    let kept = site.state().join("evidence.json");
    assert!(eventually(SOON, || kept.exists()), "{}", daemon.log());
    took
}

/// What was done by itself, as the audit log tells.
fn actions(site: &Site) -> Vec<Value> {
    let log = site.rows(&["audit"]);
    let is_ours = |entry: &&Value| entry["what"].as_str().unwrap().starts_with("evidence turned");
    log.as_array().unwrap().iter().filter(is_ours).cloned().collect()
}
