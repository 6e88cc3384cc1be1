//! Least privilege: a daemon with three capabilities and no more, readers that cannot change
//! anything, people on call who can bypass, and the unit that says so.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{
    Answer, Daemon, SECOND, STRANGERS, Site, WAN, answer, binary, eventually,
};
use guard_user::live::Live;
use serde_json::Value;

use crate::{SOON, site_with};

/// User and group of the daemon, and the two groups of people.
const DAEMON: &str = "47110";
const READ: &str = "47111";
const ONCALL: &str = "47112";
/// What the unit grants.
const CAPABILITIES: [&str; 3] = ["bpf", "net_admin", "perfmon"];
const DENY: [&str; 5] = ["deny", "add", "192.0.2.1", "--reason", "r"];

/// A site prepared as the unit does it, for a daemon that is not root.
fn prepared() -> Option<Site> {
    let keys = format!("read-group = '{READ}'\noncall-group = '{ONCALL}'");
    let site = site_with(&keys)?;
    let id = Some(DAEMON.parse().unwrap());
    for (folder, mode) in [(site.pins(), 0o710), (site.state(), 0o750)] {
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        chown(&folder, id, id).unwrap();
    }
    // As ExecStartPre= does with /sys/fs/bpf.
    fs::set_permissions(site.path("bpf"), Permissions::from_mode(0o711)).unwrap();
    Some(site)
}

/// The daemon with the rights of the unit.
fn start(site: &Site) -> Daemon {
    let held = CAPABILITIES.map(|name| format!("+{name}")).join(",");
    let groups = format!("--groups={READ},{ONCALL}");
    let [inherited, ambient, bounds] =
        ["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}=-all,{held}"));
    let (user, group) = (format!("--reuid={DAEMON}"), format!("--regid={DAEMON}"));
    let limits = ["prlimit", "--rtprio=5", "--memlock=67108864"];
    let rights =
        ["setpriv", &user, &group, &groups, &inherited, &ambient, &bounds, "--no-new-privs"];
    // Limits can be raised by CAP_SYS_RESOURCE alone, which containers lack.
    let can_raise = answer(Command::new(limits[0]).args(&limits[1..]).arg("true")).code == Some(0);
    let limits = if can_raise { &limits[..] } else { &[] };
    let starter = [limits, &rights].concat();
    let file = site.file();
    site.ready(site.command_by(&starter, &["run", "--config", &file.to_string_lossy()]))
}

/// A verb by somebody without any capability.
fn by(site: &Site, user: &str, groups: &[&str], arguments: &[&str]) -> Answer {
    let user = format!("--reuid={user}");
    let groups = match groups {
        [] => "--clear-groups".to_owned(),
        groups => format!("--groups={}", groups.join(",")),
    };
    let starter =
        ["setpriv", &user, "--regid=47200", &groups, "--inh-caps=-all", "--bounding-set=-all"];
    answer(&mut site.command_by(&starter, arguments))
}

/// Three capabilities and the limits of the unit are all it takes, for everything a daemon does;
/// and root's verbs leave nothing that it cannot work on.
#[test]
fn a_daemon_needs_three_capabilities_and_no_root() {
    let Some(site) = prepared() else { return };
    let daemon = start(&site);
    let troubled = |line: &&str| {
        // Its priority is a matter of limits, see above.
        (line.contains("WARN") || line.contains("ERROR")) && !line.contains("heartbeat")
    };
    assert_eq!(daemon.log().lines().find(troubled), None);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    assert_eq!(mask, 1 << 39 | 1 << 12 | 1 << 38, "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON");
    assert!(!site.passes(STRANGERS[0]));
    // Root makes a generation, the daemon the next one: an address of the host is new.
    let service = format!("{SECOND}:5060/udp");
    let _ = site.guard(&["psap", "add", "P-2", "--service", &service]).done();
    let number = || site.status()["generation"]["number"].as_u64().unwrap();
    let before = number();
    site.host.ip(&["address", "add", "198.51.100.12/24", "dev", WAN]).unwrap();
    assert!(eventually(SOON, || number() > before), "{}", daemon.log());
    // An interface that comes back is guarded again; a bypass ends; a restart adopts.
    let pin = site.pins().join("links").join(WAN);
    site.host.succeed("bpftool", &["link", "detach", "pinned", &pin.to_string_lossy()]).unwrap();
    let guarded = || site.status()["interfaces"][0]["guarded"] == true;
    assert!(eventually(SOON, guarded), "{}", daemon.log());
    let _ = site.guard(&["bypass", "on", "--for", "2s"]).done();
    assert!(eventually(SOON, || site.status()["stance"] == "enforcing"), "{}", daemon.log());
    // The switch comes first, and the rest as fast as the disk lets it.
    daemon.logs("has ended");
    assert!(!site.state().join("bypass.json").exists(), "{}", daemon.log());
    daemon.kill();
    let _ = site.guard(&DENY).done();
    let daemon = start(&site);
    daemon.logs("adopted");
    // Everything has its owner, and nothing is open to everybody.
    let owner: u32 = DAEMON.parse().unwrap();
    for path in site.pinned() {
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.uid(), owner, "{}", path.display());
        assert_eq!(found.mode() & 0o007, 0, "{}", path.display());
        assert_eq!(found.mode() & 0o020, 0, "{}", path.display());
    }
    for entry in fs::read_dir(site.state()).unwrap() {
        let path = entry.unwrap().path();
        let found = match fs::metadata(&path) {
            // Just being written when it was listed: it has got its name by now.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found.unwrap(),
        };
        assert_eq!((found.uid(), found.mode() & 0o007), (owner, 0), "{}", path.display());
    }
}

/// What a verb says, less what moves, and what is root's alone: the audit log and programs.
fn without_moving(mut value: Value) -> Value {
    for moving in [
        "/controller/watchdog_left_seconds",
        "/canary/age_seconds",
        "/recent/rates",
        "/mode_set",
        "/interfaces/0/tag",
    ] {
        if let Some(value) = value.pointer_mut(moving) {
            value.take();
        }
    }
    value
}

/// Who is in read-group sees what root sees, with the daemon alive and dead, and changes nothing.
#[test]
fn readers_read_and_change_nothing() {
    let Some(site) = prepared() else { return };
    let daemon = start(&site);
    assert!(!site.passes(STRANGERS[0]));
    let reader = |arguments: &[&str]| by(&site, "47301", &[READ], arguments);
    let same = || {
        for verb in ["status", "psaps", "drops"] {
            let both = || {
                let seen = reader(&[verb, "--json"]).done().json();
                [seen, site.json(&[verb])].map(without_moving)
            };
            // Between the two the canary may have looked, and a frame may have come.
            let agree = || {
                let [seen, roots] = both();
                seen == roots
            };
            if !eventually(SOON, agree) {
                let [seen, roots] = both();
                assert_eq!(seen, roots, "{verb}");
            }
        }
    };
    same();
    assert!(!reader(&["status"]).done().out.contains("NOT THE GUARD"));
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    let file = site.file();
    let service = format!("{SECOND}:5060/udp");
    let changes: [&[&str]; 8] = [
        &["bypass", "on"],
        &["bypass", "off"],
        &["mode", "monitor"],
        &DENY,
        &["deny", "remove", "198.51.100.65"],
        &["psap", "add", "P-2", "--service", &service],
        &["unload"],
        &["run", "-c", &file.to_string_lossy()],
    ];
    for verb in changes {
        let answer = reader(verb);
        let refused =
            matches!(answer.code, Some(5)) || (verb[0] == "unload" && answer.code == Some(1));
        assert!(refused, "{verb:?}: {answer:?}");
    }
    let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    assert_eq!(after, before);
    assert_eq!(site.status()["stance"], "enforcing");
    // Nor by other tools: not the maps, not the programs, not the locks.
    let as_reader = |program: &str, arguments: &[&str]| {
        let mut command = site.host.command("setpriv");
        command.args(["--reuid=47301", "--regid=47200", &format!("--groups={READ}")]);
        command.args(["--inh-caps=-all", "--bounding-set=-all", program]).args(arguments);
        answer(&mut command).code == Some(0)
    };
    let switches = site.pins().join("state/SWITCHES");
    let switches = switches.to_string_lossy();
    let update = ["map", "update", "pinned", &switches, "key", "1", "0", "0", "0", "value"];
    let value = ["1", "0", "0", "0", "0", "0", "0", "0"];
    assert!(!as_reader("bpftool", &[&update[..], &value].concat()));
    let program = site.pins().join("generations/1/program");
    assert!(!as_reader("bpftool", &["prog", "show", "pinned", &program.to_string_lossy()]));
    for locked in [site.pins(), site.pins().join("daemon"), site.state().join("daemon.lock")] {
        assert!(!as_reader("flock", &["-n", &locked.to_string_lossy(), "true"]), "{locked:?}");
    }
    daemon.kill();
    same();
    // Who is in no group sees nothing.
    for verb in ["status", "psaps", "drops"] {
        by(&site, "47302", &[], &[verb]).fails(5, &["not permitted"]);
    }
}

/// Who is in oncall-group bypasses, by way of the daemon; everybody else is refused.
#[test]
fn people_on_call_bypass_and_no_more() {
    let Some(site) = prepared() else { return };
    let daemon = start(&site);
    let oncall = |arguments: &[&str]| by(&site, "47303", &[READ, ONCALL], arguments);
    let said = oncall(&["bypass", "on", "--reason", "ticket\u{7} 4716", "--for", "1h"]).done();
    assert!(said.out.contains("bypass is ON"), "{}", said.out);
    let status = site.status();
    assert_eq!(status["stance"], "bypassed");
    assert_eq!(status["bypass"]["reason"], "ticket 4716", "no control characters");
    assert!(status["bypass"]["by"].as_str().unwrap().starts_with("uid 47303"), "{status}");
    assert!(status["bypass"]["left_seconds"].as_f64().unwrap() > 3_000.0);
    assert!(site.passes(STRANGERS[0]));
    let _ = oncall(&["bypass", "off"]).done();
    assert!(!site.passes(STRANGERS[0]));
    for verb in [&DENY[..], &["mode", "monitor"]] {
        oncall(verb).fails(5, &["not permitted"]);
    }
    for (user, groups) in [("47301", &[READ][..]), ("47302", &[])] {
        by(&site, user, groups, &["bypass", "on"]).fails(5, &["not permitted"]);
    }
    assert_eq!(site.status()["stance"], "enforcing");
    // With the daemon dead there is nobody to ask, and the guard opens by itself.
    daemon.kill();
    oncall(&["bypass", "on"]).fails(5, &["not permitted"]);
    assert!(eventually(SOON, || site.status()["stance"] == "open_by_watchdog"));
}

/// And takes back the last change, under its own name.
#[test]
fn people_on_call_roll_back() {
    let Some(site) = prepared() else { return };
    let _daemon = start(&site);
    assert!(site.passes(STRANGERS[1]));
    let denied = STRANGERS[1].to_string();
    let _ = site.guard(&["deny", "add", &denied, "--reason", "ticket 4717"]).done();
    assert!(!site.passes(STRANGERS[1]), "denied");
    for (user, groups) in [("47301", &[READ][..]), ("47302", &[])] {
        by(&site, user, groups, &["rollback"]).fails(5, &["not permitted"]);
    }
    let said = by(&site, "47303", &[READ, ONCALL], &["rollback", "--reason", "wrong one"]).done();
    assert!(said.out.contains("is live, as of"), "{}", said.out);
    assert!(site.passes(STRANGERS[1]), "no more denied");
    let log = site.guard(&["audit", "--last", "1", "--json"]).done().out;
    for part in ["rollback 1", "47303", "wrong one", "done"] {
        assert!(log.contains(part), "no {part} in {log}");
    }
    let again = by(&site, "47303", &[READ, ONCALL], &["rollback", "7"]);
    again.fails(1, &["refuses", "to go back to"]);
}

/// A roll-back that has to wait, for somebody who changes something, keeps nobody from the bypass.
#[test]
fn a_bypass_waits_for_no_roll_back() {
    let Some(site) = prepared() else { return };
    let daemon = start(&site);
    let _ = site.guard(&DENY).done();
    let oncall = |arguments: &[&str]| by(&site, "47303", &[READ, ONCALL], arguments);
    let lock = Live::new(&site.pins(), &site.state()).pins.lock().unwrap();
    std::thread::scope(|scope| {
        let back = scope.spawn(|| oncall(&["rollback"]));
        daemon.logs("RollBack");
        let begun = Instant::now();
        let _ = oncall(&["bypass", "on"]).done();
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!(site.status()["stance"], "bypassed");
        oncall(&["rollback"]).fails(1, &["a roll-back is under way"]);
        drop(lock);
        let back = back.join().unwrap().done();
        assert!(back.out.contains("is live, as of"), "{}", back.out);
    });
}

/// The socket says who may connect; and where it does not, the daemon does.
#[test]
fn the_socket_stands_whatever_is_said_to_it() {
    let Some(site) = prepared() else { return };
    let _daemon = start(&site);
    let socket = site.state().join("control");
    let found = fs::metadata(&socket).unwrap();
    assert_eq!(found.mode() & 0o777, 0o660);
    assert_eq!(found.gid().to_string(), ONCALL);
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The daemon may have heard enough before all is said.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let long = vec![b'x'; 1 << 20];
    let nulls = vec![0; 4096];
    let deep = "[".repeat(4000) + "\n";
    for bad in [
        &b"\n"[..],
        b"{}\n",
        b"\xff\xfe\n",
        &long,
        &nulls,
        deep.as_bytes(),
        b"{\"verb\":\"unload\"}\n",
    ] {
        let answer = say(bad);
        assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
    }
    // Many who say nothing: each has its two seconds, and the next one its turn.
    let silent: Vec<_> = (0..3).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let begun = Instant::now();
    let answer = say(b"{\"verb\":\"bypass-on\",\"reason\":\"r\",\"seconds\":60}\n");
    assert!(answer.contains("done"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(silent);
    assert_eq!(site.status()["stance"], "bypassed");
    let _ = site.guard(&["bypass", "off"]).done();
    // Open to everybody by mistake: the daemon looks who asks.
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let refused = by(&site, "47301", &[READ], &["bypass", "on"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("only root and oncall-group"), "{refused:?}");
    assert_eq!(site.status()["stance"], "enforcing");
}

/// The unit grants what the tests above had, and systemd finds nothing wrong with it.
#[test]
fn the_unit_grants_that_and_is_tight() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/guard.service");
    let text = fs::read_to_string(unit).unwrap();
    let mut names = CAPABILITIES.map(|name| format!("CAP_{}", name.to_uppercase()));
    names.sort();
    for key in ["CapabilityBoundingSet=", "AmbientCapabilities="] {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let mut found: Vec<_> = line.split_whitespace().collect();
        found.sort_unstable();
        assert_eq!(found, names, "{key}");
    }
    for line in ["LimitRTPRIO=5", "LimitMEMLOCK=64M", "NoNewPrivileges=yes", "User=guard"] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        guard_tests::privilege::skip("systemd-analyze is not installed");
        return;
    }
    // Where the binary is only matters to the check.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("guard.service");
    fs::write(&copy, text.replace("/usr/bin/guard", &binary().to_string_lossy())).unwrap();
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(&copy).env("SYSTEMD_LOG_LEVEL", "warning");
        answer(&mut command)
    };
    let verified = analyze(&["verify", "--man=no"]);
    assert!(!verified.err.contains("guard.service:"), "{}", verified.err);
    // 3.0 of 10: what remains is the network, which is what the guard is for.
    let _ = analyze(&["security", "--offline=true", "--threshold=30"]).done();
}
