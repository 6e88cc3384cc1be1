//! The service as systemd runs it: ready by its own word, back after a kill, in its sandbox, within
//! its memory.

use std::fs;

use guard_tests::guard_process::eventually;
use serde_json::Value;

use crate::{CONFIG, SOON, active, guarded, guarded_by, journal};

#[test]
fn systemd_starts_it_and_brings_it_back() {
    // It must not run out while systemd waits, and a start for its disk.
    let config = CONFIG.replace("watchdog = '5s'", "watchdog = '15s'");
    let Some(host) = guarded_by(&config) else { return };
    let process = active(&host, "");
    assert_eq!(host.property("guard", "Type"), "notify");
    let link = host.link("wan0");
    for signal in ["SIGKILL", "SIGABRT"] {
        let before = host.property("guard", "MainPID");
        let _ = host.run(&["systemctl", "kill", "--signal", signal, "guard"]).done();
        active(&host, &before);
        assert_eq!(host.link("wan0"), link, "{signal}");
        assert_eq!(host.json(&["status"])["stance"], "enforcing", "{signal}");
    }
    assert_eq!(host.property("guard", "NRestarts"), "2");
    assert_ne!(host.property("guard", "MainPID"), process);
    // Stopped, it is gone and the guard is not.
    let _ = host.run(&["systemctl", "stop", "guard"]).done();
    assert_eq!(host.property("guard", "ActiveState"), "inactive");
    assert_eq!(host.link("wan0"), link);
    let opened = || host.json(&["status"])["stance"] == "open_by_watchdog";
    assert!(eventually(SOON, opened), "a daemon that is stopped lets everything pass in time");
}

#[test]
fn the_sandbox_holds_and_warns_of_nothing() {
    let Some(host) = guarded() else { return };
    let process = active(&host, "");
    let status = fs::read_to_string(host.path(&format!("/proc/{process}/status"))).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    // CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; a filter of system calls; no way to more.
    let capabilities = format!("{:016x}", 1_u64 << 39 | 1 << 12 | 1 << 38);
    for set in ["CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), capabilities, "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    let user = host.say(&["stat", "--format=%U", &format!("/proc/{process}")]);
    assert_eq!(user, "guard");
    let group = host.say(&["stat", "--format=%G", "/var/lib/guard/control"]);
    assert_eq!(group, "guard-oncall", "{}", journal(&host));
    assert_eq!(host.json(&["status"])["interfaces"][0]["guarded"], true);
    // Limits are raised by whoever may; what a first start on nothing says is no fault.
    let expected = ["the heartbeat", "nothing is configured", "nothing to prove"];
    let troubled = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    let log = journal(&host);
    let mut trouble = log.lines().filter(troubled);
    let unexpected = trouble.find(|line| !expected.iter().any(|known| line.contains(known)));
    assert_eq!(unexpected, None, "{log}");
    let exposure = host.say(&["systemd-analyze", "security", "--no-pager", "guard.service"]);
    let (_, exposure) = exposure.rsplit_once("Overall exposure level for guard.service: ").unwrap();
    let level: f64 = exposure.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 3.0, "{exposure}");
}

/// Memory that is too small for it: it ends, systemd starts it anew, and the data plane opens when
/// the watchdog runs out, on the interface all the time.
#[test]
fn out_of_memory_the_guard_opens_and_stays() {
    let Some(host) = guarded() else { return };
    let process = active(&host, "");
    let limit: u64 = host.property("guard", "MemoryMax").parse().unwrap();
    assert!(limit < 1 << 50, "half of the host's memory, {limit} bytes");
    let used: u64 = host.property("guard", "MemoryCurrent").parse().unwrap();
    assert!(used < limit / 2, "{used} of {limit}");
    let link = host.link("wan0");
    // The heartbeat began with the usual watchdog, and takes up the configured one.
    let left = || host.json(&["status"])["controller"]["watchdog_left_seconds"].as_f64();
    assert!(eventually(SOON, || left().is_some_and(|left| left <= 5.0)), "{:?}", left());
    let _ = host.run(&["systemctl", "set-property", "--runtime", "guard", "MemoryMax=1M"]).done();
    let _ = host.run(&["systemctl", "kill", "--signal", "SIGKILL", "guard"]).done();
    // Not even a start fits.
    let fails = || host.property("guard", "NRestarts").parse::<u32>().unwrap() >= 3;
    assert!(eventually(SOON, fails), "{}", journal(&host));
    let stance = || host.json(&["status"])["stance"].clone();
    assert!(eventually(SOON, || stance() == "open_by_watchdog"), "{}", stance());
    assert_eq!(host.link("wan0"), link);
    // With memory again it comes back by itself.
    let _ = host.run(&["systemctl", "set-property", "--runtime", "guard", "MemoryMax=1G"]).done();
    let _ = host.run(&["systemctl", "reset-failed", "guard"]);
    let _ = host.run(&["systemctl", "start", "guard"]).done();
    active(&host, &process);
    let guarded = || host.json(&["status"])["interfaces"][0]["guarded"] == Value::Bool(true);
    assert!(eventually(SOON, guarded));
    assert_eq!(host.link("wan0"), link);
}
