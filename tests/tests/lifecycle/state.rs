//! What is on disk or pinned is not what the guard wrote: a clear error, and nothing touched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use aya::maps::{Array, Map, MapData};
use guard_common::abi::ABI_VERSION;
use guard_common::abi::state::switch;
use guard_tests::guard_process::{Answer, STRANGERS, Site, WAN, answer, binary};

use crate::site;

fn run(site: &Site) -> Answer {
    site.guard(&["run", "-c", &site.file().to_string_lossy()])
}

fn set_abi(site: &Site, version: u64) {
    let pin = site.pins().join("state/SWITCHES");
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    let mut switches = Array::<_, u64>::try_from(map).unwrap();
    switches.set(switch::ABI, version, 0).unwrap();
}

/// State of another version is not touched, only named, by any verb; opening works.
#[test]
fn no_verb_touches_state_of_another_version() {
    let Some(site) = site() else { return };
    site.start().kill();
    let before = (site.program_on(WAN), site.pinned());
    set_abi(&site, u64::from(ABI_VERSION) + 1);
    let found = format!("version {}", ABI_VERSION + 1);
    let change = ["deny", "add", "192.0.2.1", "--reason", "r"];
    for verb in [&["status"][..], &["psaps"], &["drops"], &change] {
        site.guard(verb).fails(7, &["SWITCHES", &found, "left alone"]);
    }
    assert_eq!((site.program_on(WAN), site.pinned()), before);
    // G7: opening works whatever the version.
    let _ = site.guard(&["bypass", "on"]).done();
    assert!(site.passes(STRANGERS[0]));
    let _ = site.guard(&["bypass", "off"]).done();
    set_abi(&site, u64::from(ABI_VERSION));
    let daemon = site.start();
    daemon.logs("adopted");
    assert!(!site.passes(STRANGERS[0]));
}

/// A start replaces it, cleanly: nothing of it is read but whether the guard is open, and its mode.
#[test]
fn a_start_replaces_state_of_another_version() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
    let (pins, program) = (site.pinned().len(), site.program_on(WAN));
    let _ = site.guard(&["bypass", "on"]).done();
    daemon.kill();
    set_abi(&site, u64::from(ABI_VERSION) + 1);
    let daemon = site.start();
    let log = daemon.log();
    assert!(log.contains("replaced") && log.contains("another version"), "{log}");
    assert_ne!(site.program_on(WAN), program);
    assert_eq!(site.pinned().len(), pins, "nothing of it is left: {:?}", site.pinned());
    assert_eq!(site.count("P-1", "dropped_packets"), 0, "counters begin anew");
    assert!(site.passes(STRANGERS[0]), "the bypass is on as before");
    let _ = site.guard(&["bypass", "off"]).done();
    assert!(!site.passes(STRANGERS[0]));
    let _ = site.guard(&["mode", "monitor"]).done();
    daemon.kill();
    set_abi(&site, u64::from(ABI_VERSION) - 1);
    let daemon = site.start();
    assert_eq!(site.status()["mode"], "monitor", "{}", daemon.log());
    let _ = site.guard(&["psap", "list"]).done();
    daemon.kill();
    let daemon = site.start();
    daemon.logs("adopted");
}

/// Garbage, truncated and empty files: named, never a panic, the guard that runs goes on.
#[test]
fn broken_state_files_are_named() {
    let Some(site) = site() else { return };
    site.start().kill();
    let _ = site.guard(&["deny", "add", "192.0.2.1", "--reason", "r"]).done();
    let before = (site.program_on(WAN), site.pinned());
    for name in ["slots.json", "generation.json"] {
        let path = site.state().join(name);
        let good = fs::read(&path).unwrap();
        let half = good[..good.len() / 2].to_vec();
        for bad in [half, Vec::new(), b"\xff\xfe\0garbage".to_vec(), b"[]]".to_vec()] {
            fs::write(&path, &bad).unwrap();
            if name == "slots.json" {
                // What is loaded is not touched by its loss: it is adopted, and guards on.
                site.start().kill();
                site.guard(&["psaps"]).fails(1, &[name, "move it away"]);
            } else {
                run(&site).fails(1, &[name, "move it away"]);
            }
            for verb in ["status", "psaps", "drops"] {
                let answer = site.guard(&[verb]);
                assert!(matches!(answer.code, Some(0 | 1)), "{verb}: {}", answer.err);
            }
            let _ = site.guard(&["bypass", "on"]).done();
            let _ = site.guard(&["bypass", "off"]).done();
        }
        fs::write(&path, &good).unwrap();
        assert_eq!((site.program_on(WAN), site.pinned()), before, "{name}");
    }
    let daemon = site.start();
    daemon.logs("adopted");
}

/// A left-over `.new` of a write that a crash interrupted is of no consequence.
#[test]
fn an_interrupted_write_is_of_no_consequence() {
    let Some(site) = site() else { return };
    site.start().kill();
    fs::write(site.state().join("generation.json.new"), "{\"num").unwrap();
    let _daemon = site.start();
    let _ = site.guard(&["deny", "add", "192.0.2.1", "--reason", "r"]).done();
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 2);
}

/// Without privilege every verb says so, with the next step, and changes nothing.
#[test]
fn missing_privilege_is_named() {
    let Some(site) = site() else { return };
    fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |arguments: &[&str]| {
        // Where nobody may read: the binary's own folder may be root's alone.
        let copy = site.path("guard-copy");
        if !copy.exists() {
            fs::copy(binary(), &copy).unwrap();
        }
        let mut command = site.host.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg("--inh-caps=-all").arg(copy).args(arguments);
        command.env("GUARD_PIN_DIR", site.pins()).env("GUARD_STATE_DIR", site.path("theirs"));
        answer(&mut command)
    };
    let file = site.file();
    let run = ["run", "-c", &file.to_string_lossy()];
    let words = ["not permitted", "root"];
    // No right to make the state directory, then none to load.
    as_nobody(&run).fails(5, &words);
    let theirs = site.path("theirs");
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65534), Some(65534)).unwrap();
    as_nobody(&run).fails(5, &words);
    assert_eq!(site.program_on(WAN), None);

    let daemon = site.start();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    for verb in [
        &run[..],
        &["status"],
        &["psaps"],
        &["bypass", "on"],
        &["mode", "monitor"],
        &["deny", "add", "192.0.2.1", "--reason", "r"],
        &["unload"],
    ] {
        as_nobody(verb).fails(5, &words);
    }
    let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    assert_eq!(before, after, "{}", daemon.log());
    let _ = as_nobody(&["check", &file.to_string_lossy()]).done();
}

/// A pin directory that is on no BPF file system is named before anything is made.
#[test]
fn a_pin_directory_elsewhere_is_refused() {
    let Some(site) = site() else { return };
    let elsewhere = site.path("elsewhere");
    let file = site.file();
    let arguments =
        ["run", "-c", &file.to_string_lossy(), "--pin-dir", &elsewhere.to_string_lossy()];
    site.guard(&arguments).fails(1, &["no BPF file system", "mount"]);
    assert!(!elsewhere.exists());
    site.is_bare();
}
