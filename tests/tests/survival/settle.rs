//! A driver that resets the link when a program comes or goes, and what comes after it.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use guard_tests::guard_process::{CARRIER, LAN, Site, WAN, eventually};
use guard_tests::netns::Namespace;
use guard_user::kernel::interface;
use guard_user::live::settle::Calm;

use crate::site;

const A_SECOND: Duration = Duration::from_secs(1);
/// What a wait may take that is none, on a busy machine, and a patience that is longer than that.
const NO_WAIT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// Both interfaces guarded, and the carrier known to the first.
fn two_interfaces(site: &Site) {
    let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n");
    site.configure(&(fs::read_to_string(site.file()).unwrap() + &second));
    meet(site);
}

/// Has the host talk to the carrier, which makes it a neighbour that answers.
fn meet(site: &Site) {
    let socket = site.host.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap().unwrap();
    socket.send_to(b"x", (CARRIER, 9)).unwrap();
    let known = eventually(Duration::from_secs(5), || {
        let shown = site.host.command("ip").args(["neigh", "show", "dev", WAN]).output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        shown.lines().any(|line| {
            line.starts_with(&CARRIER.to_string()) && line.trim_end().ends_with("REACHABLE")
        })
    });
    assert!(known, "the carrier does not answer");
}

/// What a bad driver does: as soon as the interface has a program, or has none any more, its link
/// is down, for a while.
struct Driver {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    fn start(
        site: &Site,
        (near, far): (&'static str, &'static str),
        attached: bool,
        down: Duration,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, host) = (Arc::clone(&stop), site.host.clone());
        // Started before it is needed: the link must not be down too late.
        let mut ip = waiting_ip(&site.outside);
        let work = move || {
            let has = || interface::attached(near).unwrap().is_some() == attached;
            host.run(|| {
                while !has() && !stopped.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(1));
                }
            })
            .unwrap();
            writeln!(ip.0, "link set {far} down").unwrap();
            let begun = Instant::now();
            while begun.elapsed() < down && !stopped.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(5));
            }
            writeln!(ip.0, "link set {far} up").unwrap();
            drop(ip.0);
            assert!(ip.1.wait().unwrap().success(), "the link is not set");
        };
        Self { stop, thread: Some(thread::spawn(work)) }
    }
}

/// An `ip` that does each line that is written to it at once.
fn waiting_ip(namespace: &Namespace) -> (ChildStdin, Child) {
    let mut command = namespace.command("ip");
    let mut ip = command.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    (ip.stdin.take().unwrap(), ip)
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Link and neighbours, as the kernel tells of them, are waited for, for so long and no longer.
#[test]
fn an_interface_is_calm_again_with_its_link_and_neighbours() {
    let Some(site) = site() else { return };
    meet(&site);
    let calm = || site.host.run(|| Calm::of(WAN)).unwrap();
    let again = |calm: &Calm, patience| {
        let begun = Instant::now();
        let answer = site.host.run(|| calm.again(patience)).unwrap().map_err(|e| e.to_string());
        (answer, begun.elapsed())
    };
    let (answer, time) = again(&calm(), PATIENCE);
    assert!(answer.is_ok() && time < NO_WAIT, "nothing happened: {answer:?} {time:?}");

    let before = calm();
    site.outside.ip(&["link", "set", "far0", "down"]).unwrap();
    let (answer, time) = again(&before, A_SECOND);
    assert!(answer.unwrap_err().contains("the link did not come up again"));
    assert!(time >= A_SECOND);
    // The link is there again, the carrier is not.
    site.outside.ip(&["address", "del", &format!("{CARRIER}/24"), "dev", "far0"]).unwrap();
    site.outside.ip(&["link", "set", "far0", "up"]).unwrap();
    let (answer, _) = again(&before, A_SECOND * 2);
    let error = answer.unwrap_err();
    assert!(error.contains("1 of 1 neighbours"), "{error}");
    site.outside.ip(&["address", "add", &format!("{CARRIER}/24"), "dev", "far0"]).unwrap();
    let (answer, _) = again(&before, PATIENCE);
    assert_eq!(answer, Ok(()), "nobody but the guard looked for it");
    // A link that was down before is not waited for.
    site.outside.ip(&["link", "set", "far0", "down"]).unwrap();
    let down = calm();
    assert!(again(&down, PATIENCE).1 < NO_WAIT);
}

/// The second interface is attached only when the first one has its link back.
#[test]
fn the_first_attach_waits_for_the_link() {
    let Some(site) = site() else { return };
    two_interfaces(&site);
    let driver = Driver::start(&site, (WAN, "far0"), true, A_SECOND * 2);
    let daemon = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            // That the first one is attached may be seen late.
            let begun = Instant::now();
            assert!(eventually(PATIENCE, || site.program_on(LAN).is_some()));
            begun.elapsed()
        });
        let daemon = site.start();
        let between = watch.join().unwrap();
        assert!(between >= A_SECOND * 2, "{between:?}");
        daemon
    });
    drop(driver);
    meet(&site);
    daemon.kill();
    // And so does leaving.
    let driver = Driver::start(&site, (WAN, "far0"), false, A_SECOND * 2);
    let begun = Instant::now();
    let _ = site.guard(&["unload"]).done();
    assert!(begun.elapsed() >= A_SECOND * 2);
    drop(driver);
    site.is_bare();
}

/// One that does not come back: the start stops there, gives it back what it had, and leaves the
/// rest alone.
#[test]
fn a_link_that_does_not_come_back_stops_the_start() {
    let Some(site) = site() else { return };
    two_interfaces(&site);
    let driver = Driver::start(&site, (WAN, "far0"), true, A_SECOND * 60);
    let file = site.file();
    let arguments = ["run", "-c", &file.to_string_lossy()];
    site.guard(&arguments).fails(7, &[WAN, "the link did not come up again", "ip link"]);
    site.is_bare();
    drop(driver);
}

/// Leaving stops there, too; the rest stays guarded, and the next attempt goes on.
#[test]
fn a_link_that_does_not_come_back_stops_the_unload() {
    let Some(site) = site() else { return };
    two_interfaces(&site);
    site.start().kill();
    // They go by name.
    let driver = Driver::start(&site, (LAN, "far1"), false, A_SECOND * 60);
    site.guard(&["unload"]).fails(7, &[LAN, "the link did not come up again"]);
    assert!(site.program_on(WAN).is_some());
    drop(driver);
    let _ = site.guard(&["unload"]).done();
    site.is_bare();
}
