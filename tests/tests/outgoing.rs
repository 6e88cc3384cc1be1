//! The tc programs beside XDP, on an end host: its own answers, which never come in, make a
//! stranger's call one; marked messages get the label that queues understand. By TCX links, and by
//! clsact filters as on kernels below 6.6.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "outgoing/attach.rs"]
mod attach;
#[path = "outgoing/calls.rs"]
mod calls;
#[path = "outgoing/mark.rs"]
mod mark;
#[path = "outgoing/priority.rs"]
mod priority;
#[path = "outgoing/swap.rs"]
mod swap;
#[path = "outgoing/tunnels.rs"]
mod tunnels;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use guard_common::reason::Reason;
use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS, Site, WAN};
use guard_user::kernel::filter::{self, Filter, Place};
use guard_user::kernel::interface;
use guard_user::live::Live;

/// The mark of marked messages.
const MARK: u32 = 911;
/// For how long media passes after a start.
const OPEN_FOR: Duration = Duration::from_secs(1);
const OUTGOING: &str = "outgoing";
const LABEL: &str = "label";

/// What holds the programs.
const KINDS: [&str; 2] = ["tcx", "clsact"];

/// A site whose strangers may send one frame an hour of whatever has a limit; `None`, said loudly,
/// where no test can run.
fn site(outgoing: bool, labels: &str) -> Option<Site> {
    Site::with(|site| config(site, outgoing, labels))
}

fn config(site: &Site, outgoing: bool, labels: &str) -> String {
    let limit = "per-source = '1/h'\nper-source-burst = 1\n";
    let role = format!("role = 'trusted'\noutgoing = {outgoing}");
    // Nothing here may be let pass by a watchdog that runs out.
    let text = site.config().replace("watchdog = '5s'", "watchdog = '60s'");
    format!(
        "{}\n[limits.sip]\n{limit}[limits.udp]\n{limit}[pins]\nopen-for = '1s'\n{labels}",
        text.replace("role = 'trusted'", &role)
    )
}

fn labels() -> String {
    format!("[labels]\nmark = {MARK}\npriority = 6\n")
}

/// Has the guard use this kind, if this kernel has it. The daemon is told, and it alone attaches.
fn by(site: &mut Site, kind: &str) {
    if kind == "clsact" {
        site.environment.push(("GUARD_TC_FILTERS_ONLY", "1"));
    }
}

/// The kinds this kernel has.
fn kinds() -> Vec<&'static str> {
    let release = nix::sys::utsname::uname().expect("a kernel").release().to_os_string();
    let release = release.to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next().unwrap().unwrap(), numbers.next().unwrap().unwrap());
    if version >= (6, 6) { KINDS.to_vec() } else { vec!["clsact"] }
}

/// Does something on a fresh site for each way to hold the programs.
fn each_way(outgoing: bool, labels: &str, test: impl Fn(&mut Site, &str)) {
    for kind in kinds() {
        let Some(mut site) = site(outgoing, labels) else { return };
        by(&mut site, kind);
        test(&mut site, kind);
    }
}

/// What `guard status` says about the tc programs of the first interface: outgoing and label.
fn told(site: &Site) -> [String; 2] {
    let status = site.status();
    [OUTGOING, LABEL].map(|side| status["interfaces"][0][side].as_str().unwrap().to_owned())
}

/// Programs that the kernel itself has on an interface of the host: outgoing and label.
fn programs(site: &Site, device: &str) -> [Vec<u32>; 2] {
    const TCX: [u32; 2] = [47, 46];
    const PARENT: [u32; 2] = [0xffff_fff3, 0xffff_fff2];
    let look = || {
        let index = interface::index(device).expect("the interface is there");
        [0, 1].map(|side| {
            let mut found = filter::tcx(index, TCX[side]).expect("an answer");
            let place =
                Place { interface: index, parent: PARENT[side], priority: 9, handle: 0x911 };
            let filter = filter::at(place).expect("an answer");
            found.extend(filter.map(|Filter { program, .. }| program));
            found
        })
    };
    site.host.run(look).expect("the namespace can be entered")
}

/// Frames of the PSAP that came in and passed for a reason.
fn passed(site: &Site, reason: Reason) -> u64 {
    let live = Live::new(&site.pins(), &site.state());
    let slot = live.store.slots().unwrap()["P-1"];
    let counters = live.pins.counts().unwrap().slot(slot).unwrap();
    counters.counters[usize::try_from(reason.counter()).unwrap()].packets
}

/// Whether what a stranger sends arrives. Behind it comes something of the carrier, which passes
/// in any case.
fn arrives(site: &Site, from: &UdpSocket, to: &UdpSocket, payload: &[u8]) -> bool {
    let address = to.local_addr().unwrap();
    from.send_to(payload, address).unwrap();
    site.speak(CARRIER).send_to(b"mark", address).unwrap();
    let (mut has_arrived, mut buffer) = (false, [0; 2048]);
    loop {
        let length = to.recv(&mut buffer).expect("what the carrier sends passes");
        match &buffer[..length] {
            b"mark" => break,
            other => has_arrived |= other == payload,
        }
    }
    // By another queue it may come a little later.
    let until = Instant::now() + Duration::from_millis(500);
    to.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while !has_arrived && Instant::now() < until {
        has_arrived = to.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == payload);
    }
    to.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    has_arrived
}

/// The socket of the PSAP's SIP service, and one of a stranger.
fn sip(site: &Site) -> (UdpSocket, UdpSocket) {
    (site.listen(PSAP, SIP), site.speak(STRANGERS[0]))
}

/// Asserts that the XDP program is at work whatever became of the others.
fn is_guarded(site: &Site) {
    assert!(site.program_on(WAN).is_some());
    assert_eq!(site.status()["interfaces"][0]["guarded"], true);
}
