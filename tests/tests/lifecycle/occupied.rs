//! A second guard or a foreign XDP program: named in one error, left alone, nothing half-applied.

use std::fs;

use guard_tests::guard_process::{Answer, LAN, STRANGERS, Site, WAN, answer};

use crate::{denying, site};

/// Runs a second daemon for the same interfaces with directories of its own choice.
fn second(site: &Site, pins: &str, state: &str) -> Answer {
    let file = site.path("second.toml");
    fs::write(&file, site.config()).unwrap();
    let file = file.to_string_lossy();
    let mut command = site.host.command("timeout");
    command.arg("30").arg(guard_tests::guard_process::binary());
    command.args(["run", "-c", &file]).env_remove("RUST_LOG");
    command.env("GUARD_PIN_DIR", site.path(pins)).env("GUARD_STATE_DIR", site.path(state));
    answer(&mut command)
}

fn both(site: &Site) -> String {
    site.config() + &format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n")
}

fn run(site: &Site) -> Answer {
    site.guard(&["run", "-c", &site.file().to_string_lossy()])
}

#[test]
fn a_second_daemon_is_refused_by_name_of_the_first() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    let process = format!("process {}", daemon.process());
    second(&site, "bpf/guard", "state").fails(6, &["another guard", &process]);
    // The same pins with another state directory are the same guard, too.
    second(&site, "bpf/guard", "state2").fails(6, &["another guard", &process]);
    second(&site, "bpf/guard2", "state").fails(6, &["another guard", &process]);
    let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    assert_eq!(before, after, "the first is untouched");
    assert!(!site.passes(STRANGERS[0]));
}

#[test]
fn another_guard_on_the_interface_is_named() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let before = (site.program_on(WAN), site.pinned());
    second(&site, "bpf/guard2", "state2").fails(6, &[WAN, "another guard", "--pin-dir"]);
    assert_eq!((site.program_on(WAN), site.pinned()), before);
    // Also with its daemon dead: it guards.
    daemon.kill();
    second(&site, "bpf/guard2", "state2").fails(6, &[WAN, "another guard"]);
    assert_eq!((site.program_on(WAN), site.pinned()), before);
    assert!(!site.passes(STRANGERS[0]));
}

#[test]
fn a_foreign_program_is_named_and_left_alone() {
    let Some(site) = site() else { return };
    let foreign = site.occupy(WAN);
    let (mode, id) = site.program_on(WAN).expect("it is attached");
    for attach in ["native", "generic", "auto"] {
        let config = site.config();
        let role = "role = 'trusted'";
        site.configure(&config.replace(role, &format!("{role}\nattach = '{attach}'")));
        let program = format!("XDP program {id} (floor_pass)");
        run(&site).fails(6, &[WAN, &program, "left alone", &format!("show id {id}")]);
        assert_eq!(site.program_on(WAN), Some((mode, id)));
        assert_eq!(site.pinned().len(), 0, "{:?}", site.pinned());
    }
    drop(foreign);
    site.configure(&denying(&site));
    let _daemon = site.start();
    assert!(!site.passes(STRANGERS[0]), "free now");
}

/// All interfaces or none: the first is given back when the second is occupied.
#[test]
fn an_occupied_second_interface_undoes_the_first() {
    let Some(site) = site() else { return };
    let foreign = site.occupy(LAN);
    site.configure(&both(&site));
    run(&site).fails(6, &[LAN, "floor_pass"]);
    assert_eq!(site.program_on(WAN), None, "detached again");
    assert_eq!(site.pinned().len(), 0, "{:?}", site.pinned());
    drop(foreign);
    let _daemon = site.start();
    assert!(site.program_on(WAN).is_some() && site.program_on(LAN).is_some());
}

/// The same with a guard that runs: it keeps its program, its generation and its pins.
#[test]
fn an_occupied_second_interface_leaves_the_running_guard_as_it_was() {
    let Some(site) = site() else { return };
    site.start().kill();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    let foreign = site.occupy(LAN);
    site.apply(&both(&site)).fails(6, &[LAN, "floor_pass"]);
    let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    assert_eq!(before, after);
    assert!(!site.passes(STRANGERS[0]), "the old file's deny is in effect");
    drop(foreign);
}
