//! Somebody else's XDP program on an interface of ours: told, left alone, and no fight.

use std::fs;
use std::time::Duration;

use aya::Ebpf;
use aya::programs::Xdp;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use guard_tests::guard_process::{LAN, STRANGERS, Site, WAN, eventually, generator_object};

use crate::{SOON, site};

/// Replaces the program in our own link, as whoever can read our pins may do.
fn replace(site: &Site, device: &str) -> Ebpf {
    let mut foreign = Ebpf::load_file(generator_object()).unwrap();
    let program: &mut Xdp = foreign.program_mut("floor_pass").unwrap().try_into().unwrap();
    program.load().unwrap();
    let link = PinnedLink::from_pin(site.pins().join("links").join(device)).unwrap();
    program.attach_to_link(XdpLink::try_from(FdLink::from(link)).unwrap()).unwrap();
    foreign
}

/// Both ways lead to the same: the link updated, and the link gone and the interface taken.
#[test]
fn another_program_is_told_and_left_alone() {
    let Some(site) = site() else { return };
    let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n");
    site.configure(&(fs::read_to_string(site.file()).unwrap() + &second));
    let daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
    let ours = site.program_on(LAN);
    let foreign = replace(&site, WAN);
    let theirs = site.program_on(WAN);
    assert_ne!(theirs, ours);
    daemon.logs(&format!("{WAN}: the guard is not on it, program"));
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(site.program_on(WAN), theirs, "no fight");
    assert_eq!(daemon.log().matches("the guard is not on it, program").count(), 1, "told once");
    assert!(site.passes(STRANGERS[0]), "nothing is dropped where the guard is not");
    let status = site.status();
    assert_eq!(status["interfaces"][0]["guarded"], false);
    assert_eq!(status["interfaces"][1]["guarded"], true);
    assert!(site.guard(&["status"]).done().out.contains("is NOT THE GUARD"));

    // It keeps nobody from changing anything, nor the guard from starting.
    let _ = site.guard(&["peer", "add", "new", "--address", "198.51.100.90"]).done();
    assert_eq!(site.program_on(WAN), theirs);
    assert_ne!(site.program_on(LAN), ours, "a new generation");
    daemon.kill();
    let daemon = site.start();
    assert_eq!(site.program_on(WAN), theirs);
    daemon.logs("was left alone");

    // Its link taken off, as `bpftool link detach` does: the interface is free, and guarded again.
    let pin = site.pins().join("links").join(WAN);
    let detached =
        site.host.succeed("bpftool", &["link", "detach", "pinned", &pin.to_string_lossy()]);
    detached.unwrap();
    drop(foreign);
    assert!(eventually(SOON, || !site.passes(STRANGERS[0])), "{}", daemon.log());
    assert_eq!(site.status()["interfaces"][0]["guarded"], true);
}

/// The link detached and the interface taken at once, by the tool of another program.
#[test]
fn an_interface_taken_over_is_left_alone() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    // Stopped meanwhile, so that the interface is not guarded again in between.
    let process = nix::unistd::Pid::from_raw(i32::try_from(daemon.process()).unwrap());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let pin = site.pins().join("links").join(WAN);
    site.host.succeed("bpftool", &["link", "detach", "pinned", &pin.to_string_lossy()]).unwrap();
    let foreign = site.occupy(WAN);
    let theirs = site.program_on(WAN);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGCONT).unwrap();
    daemon.logs(&format!("{WAN}: the guard is not on it, program"));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(site.program_on(WAN), theirs, "no fight");
    assert!(site.passes(STRANGERS[0]));
    // It leaves: the guard is back, once.
    drop(foreign);
    assert!(eventually(SOON, || !site.passes(STRANGERS[0])), "{}", daemon.log());
}
