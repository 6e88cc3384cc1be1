//! Recorded traffic: what the guard keeps of frames, what it never keeps, and what it makes of
//! that.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "recorded/compare.rs"]
mod compare;
#[path = "recorded/keep.rs"]
mod keep;
#[path = "recorded/ring.rs"]
mod ring;
#[path = "recorded/suggest.rs"]
mod suggest;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use guard_common::reason::Reason;
use guard_tests::fixtures::sip::{request, response};
use guard_tests::guard_process::{CARRIER, PSAP, SECOND, SIP, STRANGERS, Site, eventually};
use guard_user::recorded::{Kept, Store};

/// What nobody may ever read on the disk.
const NUMBER: &str = "6175550123";

/// A site with two PSAPs, what leaves it watched; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(config)
}

fn config(site: &Site) -> String {
    let role = "role = 'trusted'\noutgoing = true";
    format!(
        "{}\n[[psap]]\nid = 'P-2'\nservices = ['{SECOND}:5060/udp']\n\n\
         [limits.sip]\nper-source = '5/s'\nper-source-burst = 5\nper-psap = '50/s'\n",
        site.config().replace("role = 'trusted'", role)
    )
}

/// A call of somebody to a PSAP, whose number is in it wherever numbers are, and its answer.
fn call(site: &Site, from: Ipv4Addr, to: Ipv4Addr, uri: &str) {
    let (service, caller) = (site.listen(to, SIP), site.speak(from));
    speak(&caller, &service, &request("INVITE", uri).replace("6175550100", NUMBER));
    speak(&service, &caller, &response("200 OK").replace("6175550100", NUMBER));
    speak(&caller, &service, &request("BYE", &format!("sip:+1{NUMBER}@psap.example")));
}

fn speak(from: &UdpSocket, to: &UdpSocket, message: &str) {
    from.send_to(message.as_bytes(), to.local_addr().unwrap()).unwrap();
    to.recv(&mut [0; 2048]).expect("it passes");
}

fn emergency() -> &'static str {
    "sip:911@198.51.100.10;user=phone"
}

fn store(site: &Site) -> Store {
    Store::new(&site.state())
}

fn kept(site: &Site) -> Vec<Kept> {
    store(site).frames(UNIX_EPOCH).collect()
}

/// Whether something of an owner was kept for a reason.
fn has(site: &Site, owner: &str, reason: Reason) -> bool {
    kept(site).iter().any(|kept| kept.owner.as_deref() == Some(owner) && kept.reason() == reason)
}

/// Waits until something of an owner was kept for a reason.
#[track_caller]
fn await_kept(site: &Site, owner: &str, reason: Reason) {
    let came = eventually(Duration::from_secs(5), || has(site, owner, reason));
    assert!(came, "nothing of {owner} as {}: {:#?}", reason.name(), kept(site));
}

/// All files with samples.
fn files(site: &Site) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(store(site).path()) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A carrier's call and a stranger's, to the first PSAP.
fn calls(site: &Site) {
    call(site, CARRIER, PSAP, &format!("sip:+1{NUMBER}@198.51.100.10"));
    call(site, STRANGERS[0], PSAP, emergency());
    await_kept(site, "P-1", Reason::SIGNALLING);
    await_kept(site, "P-1", Reason::MARKED);
    await_kept(site, "P-1", Reason::ELEMENT_OUT);
}
