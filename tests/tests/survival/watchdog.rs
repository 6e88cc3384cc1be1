//! G6: what the heartbeat stands, when it stops, and how the guard closes again.

use std::fs;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guard_tests::flood::frame::{Path4, invite};
use guard_tests::flood::{self, Flood, Plan};
use guard_tests::guard_process::{
    Daemon, PSAP, SIP, STRANGERS, Site, WAN, eventually, generator_object,
};
use guard_tests::netns::device;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::{SOON, site, site_with, stands};

/// How long a flood lasts that must not open the guard.
const FLOOD: Duration = Duration::from_secs(60);

/// Threads that do nothing else than compute; they end when dropped.
struct Burners(Arc<AtomicBool>);

impl Burners {
    fn start(count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..count {
            let stopped = Arc::clone(&stop);
            thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A flood of strangers' messages from every core, into the first cable.
fn floods(site: &Site) -> Vec<Flood> {
    let path = Path4 {
        from: device::hardware_address(&site.outside, "far0").unwrap(),
        to: device::hardware_address(&site.host, WAN).unwrap(),
        source: SocketAddrV4::new([198, 18, 0, 1].into(), SIP),
        destination: SocketAddrV4::new(PSAP, SIP),
    };
    let frames = vec![invite(&path).unwrap()];
    let one = |cpu| {
        let plan = Plan { frames: frames.clone(), spoofed: 0xffff, cpu: Some(cpu) };
        Flood::start(&generator_object(), &site.outside, "far0", plan).unwrap()
    };
    flood::cpus().unwrap().into_iter().map(one).collect()
}

/// Sixty seconds of a flood from every core, with as many more threads that compute as to leave
/// nothing idle, do not lapse a watchdog of five seconds.
#[test]
fn a_flood_on_every_core_does_not_open_the_guard() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let floods = floods(&site);
    let burners = Burners::start(4 * flood::cpus().unwrap().len());
    let begun = Instant::now();
    while begun.elapsed() < FLOOD {
        let status = site.status();
        assert_eq!(status["stance"], "enforcing", "{status} {}", daemon.log());
        thread::sleep(Duration::from_secs(1));
    }
    let status = site.status();
    assert_eq!(status["alarms"]["watchdog_open"], 0, "no frame found it open");
    assert_eq!(status["controller"]["watchdog_lapses"], 0);
    assert!(status["totals"]["dropped_packets"].as_u64().unwrap() > 1_000_000, "{status}");
    drop(burners);
    for flood in floods {
        flood.stop().unwrap();
    }
    assert!(!daemon.log().contains("stuck"), "{}", daemon.log());
}

/// The heartbeat goes before every ordinary thread and cannot be paged out, where that is allowed.
#[test]
fn the_heartbeat_has_real_time_priority_and_locked_memory() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let stat = fs::read_to_string(format!("{}/stat", task(&daemon, "heartbeat"))).unwrap();
    // Behind the name: state is field 3, rt_priority 40 and policy 41.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    if daemon.log().contains("no real-time priority") {
        guard_tests::privilege::skip("real-time priority is refused here");
        return;
    }
    assert_eq!((fields[37], fields[38]), ("5", "1"), "SCHED_FIFO: {stat}");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let kilobytes: u64 = locked.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kilobytes > 1_000, "{locked}");
}

/// The folder of a thread of the daemon in `/proc`.
fn task(daemon: &Daemon, name: &str) -> String {
    let mut found = None;
    eventually(SOON, || {
        let tasks = fs::read_dir(format!("/proc/{}/task", daemon.process())).unwrap();
        let mut paths = tasks.map(|task| task.unwrap().path());
        let named = |path: &std::path::PathBuf| {
            fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        found = paths.find(named);
        found.is_some()
    });
    found.expect("a thread of that name").display().to_string()
}

/// A daemon whose heart beats while one of its workers hangs is no controller.
#[test]
fn a_stuck_worker_opens_the_guard() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let number = task(&daemon, "calls").rsplit('/').next().unwrap().parse().unwrap();
    let thread = Pid::from_raw(number);
    ptrace::seize(thread, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(thread).unwrap();
    waitpid(thread, Some(nix::sys::wait::WaitPidFlag::__WALL)).unwrap();
    // Nothing is asserted before the thread is let go: a process whose thread is held cannot end.
    thread::sleep(Duration::from_secs(15));
    let early = site.status();
    let opened =
        eventually(Duration::from_secs(25), || site.status()["stance"] == "open_by_watchdog");
    let passed = site.passes(STRANGERS[0]);
    ptrace::detach(thread, None).unwrap();
    assert_eq!(early["stance"], "enforcing", "four watchdog times are patience");
    assert!(opened && passed, "{}", daemon.log());
    daemon.logs("the reader of signalling is stuck");
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
    let told = || site.status()["controller"]["watchdog_lapses"] == 1;
    assert!(eventually(SOON, told), "{}", site.status());
}

fn reopened(site: &Site) -> Daemon {
    assert!(stands(site, "open_by_watchdog"));
    site.start()
}

/// Each lapse doubles the stable time, over restarts, and dying while it waits is another lapse.
#[test]
fn closing_again_takes_stable_time_and_twice_as_much_each_time() {
    let Some(site) = site_with("") else { return };
    let text = fs::read_to_string(site.file()).unwrap();
    site.configure(&text.replace("close-after = '1s'", "close-after = '10s'"));
    site.start().kill();
    assert!(stands(&site, "open_by_watchdog"));
    let begun = Instant::now();
    let daemon = site.start();
    let waits = || site.status()["controller"]["closes_after_seconds"] == 10;
    assert!(eventually(SOON, waits), "{}", site.status());
    assert!(site.guard(&["status"]).done().out.contains("closes after 10 s"));
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
    assert!(begun.elapsed() >= Duration::from_secs(10));
    daemon.kill();
    reopened(&site).kill();
    let daemon = site.start();
    let waits = || {
        let controller = &site.status()["controller"];
        controller["watchdog_lapses"] == 3 && controller["closes_after_seconds"] == 40
    };
    // Died before it could note its second lapse, or after.
    let early = || site.status()["controller"]["closes_after_seconds"] == 20;
    assert!(eventually(SOON, || waits() || early()), "{} {}", site.status(), daemon.log());
    assert_eq!(site.status()["stance"], "open_by_watchdog");
    assert!(site.passes(STRANGERS[0]));
}

/// Somebody else's program where the guard should be: not proven, not closed.
#[test]
fn without_the_guard_on_its_interface_it_does_not_close() {
    let Some(site) = site() else { return };
    site.start().kill();
    assert!(stands(&site, "open_by_watchdog"));
    let pin = site.pins().join("links").join(WAN);
    site.host.succeed("bpftool", &["link", "detach", "pinned", &pin.to_string_lossy()]).unwrap();
    let foreign = site.occupy(WAN);
    let daemon = site.start();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(site.status()["stance"], "open_by_watchdog", "{}", daemon.log());
    drop(foreign);
    assert!(stands(&site, "enforcing"), "{}", daemon.log());
}

/// Ended and started again by a person: at once, however long it was down.
#[test]
fn a_start_after_a_planned_end_closes_at_once() {
    let Some(site) = site() else { return };
    assert_eq!(site.start().end(Signal::SIGTERM), Some(0));
    let _daemon = reopened(&site);
    let status = site.status();
    assert_eq!(status["stance"], "enforcing");
    assert_eq!(status["controller"]["watchdog_lapses"], 0);
    assert!(!site.passes(STRANGERS[0]));
}

/// `failsafe = "hold"`: by choice, and said wherever one looks, the guard drops on alone.
#[test]
fn hold_never_opens_and_says_so() {
    let Some(site) = site_with("failsafe = 'hold'") else { return };
    let file = site.file();
    let check = site.guard(&["check", &file.to_string_lossy()]).done();
    assert!(check.err.contains("warning") && check.err.contains("hold"), "{}", check.err);
    let daemon = site.start();
    daemon.logs("failsafe is hold");
    assert!(site.guard(&["status"]).done().out.contains("failsafe HOLD"));
    daemon.kill();
    thread::sleep(Duration::from_secs(7));
    let status = site.status();
    assert_eq!(status["stance"], "enforcing");
    assert!(status["controller"]["watchdog_left_seconds"].is_null());
    assert!(site.guard(&["status"]).done().out.contains("NOT RUNNING; failsafe HOLD"));
    assert!(!site.passes(STRANGERS[0]));
    // G7: a person opens it all the same.
    let _ = site.guard(&["bypass", "on"]).done();
    assert!(site.passes(STRANGERS[0]));
    let _ = site.guard(&["bypass", "off"]).done();
    // The default again: the heartbeat gives it a deadline.
    let _ = site.apply(&fs::read_to_string(&file).unwrap().replace("'hold'", "'open'")).done();
    site.start().kill();
    assert!(stands(&site, "open_by_watchdog"));
}

/// The note of an orderly end that is left over, where the disk was full ever since, closes
/// nothing after a crash.
#[test]
fn the_note_of_an_older_end_closes_nothing() {
    let Some(site) = site() else { return };
    let note = site.state().join("watchdog.json");
    assert_eq!(site.start().end(Signal::SIGTERM), Some(0));
    let ended = fs::read(&note).unwrap();
    assert!(String::from_utf8_lossy(&ended).contains("ended-at"), "{ended:?}");
    site.start().kill();
    fs::write(&note, ended).unwrap();
    let daemon = reopened(&site);
    let lapsed = || site.status()["controller"]["watchdog_lapses"] == 1;
    assert!(eventually(SOON, lapsed), "{} {}", site.status(), daemon.log());
}
