//! Where the program goes on, and how.

use guard_tests::guard_process::{CARRIER, LAN, PSAP, SIP, STRANGERS, Site, WAN};

use crate::{denying, site};

const NATIVE: u64 = 1;
const GENERIC: u64 = 2;

/// The same configuration with another way to attach to the first interface.
fn attached_by(site: &Site, attach: &str) -> String {
    site.config().replace("role = 'trusted'", &format!("role = 'trusted'\nattach = '{attach}'"))
}

/// Sends frames of the carrier's signalling to the PSAP.
fn send(site: &Site, frames: u64) {
    let receiver = site.listen(PSAP, SIP);
    let sender = site.speak(CARRIER);
    for number in 0..frames {
        sender.send_to(&number.to_be_bytes(), (PSAP, SIP)).unwrap();
        let mut buffer = [0; 64];
        receiver.recv(&mut buffer).expect("the guard passes signalling of peers");
    }
}

/// G3: attached in the driver, and every frame of the PSAP is counted exactly once.
#[test]
fn native_is_the_default_and_counts_each_frame() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let status = site.status();
    let (mode, program) = site.program_on(WAN).expect("the kernel sees a program");
    assert_eq!(mode, NATIVE);
    assert_eq!(status["interfaces"][0]["name"], WAN);
    assert_eq!(status["interfaces"][0]["mode"], "native");
    assert_eq!(status["interfaces"][0]["program"], program);
    assert_eq!(status["interfaces"][0]["guarded"], true);
    assert_eq!(status["controller"]["process"], daemon.process());
    assert_eq!(site.program_on(LAN), None, "not configured, not touched");
    send(&site, 100);
    assert_eq!(site.count("P-1", "protected_packets"), 100);
    assert_eq!(site.count("P-1", "passed_packets"), 100);
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
}

/// The slow way is taken only by choice, and said.
#[test]
fn generic_by_choice_is_a_warning() {
    let Some(site) = site() else { return };
    site.configure(&attached_by(&site, "generic"));
    let daemon = site.start();
    assert_eq!(site.status()["interfaces"][0]["mode"], "generic");
    assert_eq!(site.program_on(WAN).expect("attached").0, GENERIC);
    daemon.logs("WARN");
    daemon.logs("generic");
    send(&site, 20);
    assert_eq!(site.count("P-1", "protected_packets"), 20);
}

#[test]
fn auto_is_native_where_the_driver_can() {
    let Some(site) = site() else { return };
    site.configure(&attached_by(&site, "auto"));
    let daemon = site.start();
    assert_eq!(site.program_on(WAN).expect("attached").0, NATIVE);
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
}

/// A driver that cannot run XDP (a bridge's): `auto` falls back with a warning, `native`
/// is refused with the way out, and nothing is left of the attempt.
#[test]
fn auto_falls_back_with_a_warning_and_native_does_not() {
    let Some(site) = site() else { return };
    if site.host.ip(&["link", "add", "dull0", "type", "bridge"]).is_err() {
        guard_tests::privilege::skip("this kernel has no bridges");
        return;
    }
    site.host.ip(&["link", "set", "dull0", "up"]).unwrap();
    let config = |attach: &str| attached_by(&site, attach).replace(WAN, "dull0");
    site.configure(&config("native"));
    let file = site.file();
    site.guard(&["run", "-c", &file.to_string_lossy()])
        .fails(7, &["interface dull0", "native", "auto"]);
    site.is_bare();
    site.configure(&config("auto"));
    let daemon = site.start();
    assert_eq!(site.program_on("dull0").expect("attached").0, GENERIC);
    assert_eq!(site.status()["interfaces"][0]["mode"], "generic");
    daemon.logs("WARN");
}

/// One guard on several interfaces: the same program, one set of counters.
#[test]
fn several_interfaces_have_one_program() {
    let Some(site) = site() else { return };
    let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n");
    site.configure(&(site.config() + &second));
    let _daemon = site.start();
    let program = site.program_on(WAN).expect("attached");
    assert_eq!(site.program_on(LAN), Some(program));
    let before = site.status()["totals"]["passed_packets"].as_u64().unwrap();
    let receiver = site.listen([203, 0, 113, 1], 7000);
    assert!(site.reaches([203, 0, 113, 2], &receiver), "monitoring what is not over a limit");
    let after = site.status()["totals"]["passed_packets"].as_u64().unwrap();
    assert!(after >= before + 2, "one frame by each interface: {before} to {after}");
    assert_eq!(site.count("P-1", "passed_packets"), 1);

    // An interface that is no longer configured is left, the other keeps its guard.
    let _ = site.apply(&site.config()).done();
    assert_eq!(site.program_on(LAN), None);
    assert!(site.program_on(WAN).is_some());
}

/// The daemon says when somebody takes the program off an interface, and so does `status`.
#[test]
fn an_interface_that_lost_the_guard_is_told() {
    let Some(site) = site() else { return };
    let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n");
    site.configure(&(denying(&site) + &second));
    let daemon = site.start();
    site.host.ip(&["link", "del", LAN]).unwrap();
    daemon.logs(&format!("{LAN}: the guard is not on it"));
    let status = site.status();
    assert_eq!(status["interfaces"][1]["guarded"], false);
    assert_eq!(status["interfaces"][0]["guarded"], true);
    // A dead card keeps nobody from changing anything, nor the guard from starting.
    let _ = site.guard(&["deny", "add", &STRANGERS[1].to_string(), "--reason", "r"]).done();
    daemon.kill();
    let _daemon = site.start();
    assert!(!site.passes(STRANGERS[0]) && !site.passes(STRANGERS[1]));
}
