//! G6, G7: the big switches. Bypass works with the daemon dead and the disk full or gone.

use std::fs;

use guard_tests::guard_process::{STRANGERS, Site, WAN};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::site;

/// A disk of its own below the state directory; unmounted when dropped, or the directory stays.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(site: &Site, size: &str) -> Self {
        let disk = Self(site.state());
        fs::create_dir(&disk.0).unwrap();
        let size = format!("size={size}");
        mount(Some("tmpfs"), &disk.0, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))
            .unwrap();
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Should it fail, the mount goes with the test's mount namespace.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// Asserts that bypass works at once, and goes off again.
fn bypass_works(site: &Site, noted: bool) {
    let program = site.program_on(WAN);
    let answer = site.guard(&["bypass", "on", "--reason", "ticket 4714"]).done();
    assert!(answer.out.contains("bypass is ON"), "{}", answer.out);
    assert_eq!(answer.err.is_empty(), noted, "only the note may fail: {}", answer.err);
    assert!(site.passes(STRANGERS[0]), "everything passes");
    assert_eq!(site.program_on(WAN), program, "bypass is no detaching");
    let off = site.guard(&["bypass", "off"]).done();
    assert!(off.out.contains("bypass is off"), "{}", off.out);
}

#[test]
fn monitor_counts_what_enforce_drops() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
    let _ = site.guard(&["mode", "monitor"]).done();
    assert_eq!(site.status()["stance"], "monitoring");
    assert!(site.passes(STRANGERS[0]));
    let drops = site.rows(&["drops"]);
    assert_eq!(drops[0]["reason"], "denied");
    assert_eq!(drops[0]["dropped_packets"], 1);
    assert_eq!(drops[0]["would_drop_packets"], 1);
    let _ = site.guard(&["mode", "enforce"]).done();
    assert_eq!(site.status()["stance"], "enforcing");
    assert!(!site.passes(STRANGERS[0]));
}

/// The default is to monitor: a first start drops nothing.
#[test]
fn the_first_start_monitors_unless_told_otherwise() {
    let Some(site) = site() else { return };
    let config = fs::read_to_string(site.file()).unwrap().replace("mode = 'enforce'\n", "");
    site.configure(&config);
    let _daemon = site.start();
    assert_eq!(site.status()["stance"], "monitoring");
    assert!(site.passes(STRANGERS[0]));
    assert_eq!(site.count("P-1", "dropped_packets"), 0);
}

/// Enforcing needs a configuration that is complete enough for it.
#[test]
fn enforce_is_refused_where_media_would_be_dropped() {
    let Some(site) = site() else { return };
    let config = fs::read_to_string(site.file()).unwrap();
    let config = config.replace("enforce", "monitor").replace(":5060/udp", ":5061/tls");
    site.configure(&config);
    let _daemon = site.start();
    site.guard(&["mode", "enforce"]).fails(3, &["P-1", "media"]);
    assert_eq!(site.status()["mode"], "monitor");
}

#[test]
fn bypass_counts_on_and_says_who_and_why() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    bypass_works(&site, true);
    assert!(!site.passes(STRANGERS[0]), "off again");
    let _ = site.guard(&["bypass", "on", "--reason", "ticket 4714"]).done();
    let status = site.status();
    assert_eq!(status["stance"], "bypassed");
    assert_eq!(status["mode"], "enforce", "the mode is as it was");
    assert_eq!(status["bypass"]["reason"], "ticket 4714");
    assert!(status["bypass"]["by"].as_str().unwrap().starts_with("uid 0"));
    let before = site.count("P-1", "over_limit_packets");
    assert!(site.passes(STRANGERS[0]));
    assert_eq!(site.count("P-1", "over_limit_packets"), before + 1, "counting goes on");
    // A restart of the daemon changes nothing about it.
    daemon.kill();
    let _daemon = site.start();
    assert_eq!(site.status()["stance"], "bypassed");
    assert!(site.passes(STRANGERS[0]));
}

/// G7: with the daemon dead, before the watchdog does it.
#[test]
fn bypass_works_with_the_daemon_dead() {
    let Some(site) = site() else { return };
    site.start().kill();
    assert!(!site.passes(STRANGERS[0]));
    bypass_works(&site, true);
}

/// G7: with the configuration broken.
#[test]
fn bypass_works_with_every_file_broken() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    site.configure("this is no configuration");
    for name in ["generation.json", "slots.json", "bypass.json"] {
        fs::write(site.state().join(name), "{ garbage").unwrap();
    }
    bypass_works(&site, true);
}

/// G7: with the disk full.
#[test]
fn bypass_works_with_the_disk_full() {
    let Some(site) = site() else { return };
    let _disk = Disk::mount(&site, "64k");
    let _daemon = site.start();
    let filler = fs::write(site.state().join("filler"), vec![0; 1 << 20]);
    assert!(filler.is_err(), "the disk is not full");
    bypass_works(&site, false);
    // A change that cannot be kept is not made: nobody could list or remove it.
    let [_, second, _] = STRANGERS;
    let service = format!("{}:5060/udp", guard_tests::guard_process::SECOND);
    let before = (site.program_on(WAN), site.pinned());
    site.guard(&["deny", "add", &second.to_string(), "--reason", "r"]).fails(1, &[".json"]);
    site.guard(&["psap", "add", "P-2", "--service", &service]).fails(1, &[".json"]);
    assert_eq!((site.program_on(WAN), site.pinned()), before);
    assert!(site.passes(second));
}

/// G7: with the disk read-only, as a file system with errors is.
#[test]
fn bypass_works_with_the_disk_read_only() {
    let Some(site) = site() else { return };
    let nothing = None::<&str>;
    let _disk = Disk::mount(&site, "1m");
    site.start().kill();
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(nothing, &site.state(), nothing, read_only, nothing).unwrap();
    let answer = site.guard(&["bypass", "on"]).done();
    assert!(answer.err.contains("could not be noted"), "{}", answer.err);
    assert!(site.passes(STRANGERS[0]));
    assert_eq!(site.status()["stance"], "bypassed");
}

/// G7: with the state directory gone altogether; `status` must not call that "no guard".
#[test]
fn bypass_works_with_the_state_gone() {
    let Some(site) = site() else { return };
    site.start().kill();
    fs::remove_dir_all(site.state()).unwrap();
    assert!(!site.passes(STRANGERS[0]));
    let answer = site.guard(&["bypass", "on"]).done();
    assert!(answer.err.contains("could not be noted"), "{}", answer.err);
    assert!(site.passes(STRANGERS[0]));
    let status = site.status();
    assert_eq!(status["stance"], "bypassed", "what the kernel knows is told");
    assert_eq!(status["generation"]["number"], 1);
    assert_eq!(status["interfaces"][0]["guarded"], true);
    assert!(status["unknown"].as_str().unwrap().contains("generation.json"), "{status}");
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("BYPASSED") && text.contains("UNKNOWN"), "{text}");
    site.guard(&["psaps"]).fails(1, &["generation.json", "a guard is loaded"]);
    // Started anew, it is whole again.
    let _daemon = site.start();
    assert!(site.status()["unknown"].is_null());
    assert_eq!(site.status()["configured"]["psaps"], 1);
    assert!(site.passes(STRANGERS[0]), "still bypassed");
}

/// A bypass that was on when the machine went down is on when it comes up.
#[test]
fn bypass_survives_a_reboot() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let _ = site.guard(&["bypass", "on", "--reason", "ticket 4714"]).done();
    daemon.kill();
    let site = site.reboot();
    site.guard(&["status"]).fails(4, &["no guard is loaded"]);
    let daemon = site.start();
    assert_eq!(site.status()["stance"], "bypassed");
    assert_eq!(site.status()["bypass"]["reason"], "ticket 4714");
    assert!(site.passes(STRANGERS[0]));
    let _ = site.guard(&["bypass", "off"]).done();
    assert!(!site.passes(STRANGERS[0]));
    daemon.kill();
    let site = site.reboot();
    let _daemon = site.start();
    assert_eq!(site.status()["stance"], "enforcing", "off is off, after a reboot, too");
}
