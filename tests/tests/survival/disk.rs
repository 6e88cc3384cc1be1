//! The state directory full, read-only or gone, at the start and while the guard runs.

use std::fs;
use std::time::Duration;

use guard_tests::guard_process::{STRANGERS, Site, WAN};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{site, stands};

/// A disk of its own at the state directory; unmounted when dropped.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(site: &Site) -> Self {
        let disk = Self(site.state());
        fs::create_dir_all(&disk.0).unwrap();
        let size = Some("size=256k");
        mount(Some("tmpfs"), &disk.0, Some("tmpfs"), MsFlags::empty(), size).unwrap();
        disk
    }

    fn fill(&self) {
        assert!(fs::write(self.0.join("filler"), vec![0; 1 << 20]).is_err(), "it is not full");
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    /// Read-only on top of itself: the daemon keeps files open below.
    fn read_only(&self) {
        let nothing = None::<&str>;
        mount(Some(&self.0), &self.0, nothing, MsFlags::MS_BIND, nothing).unwrap();
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(nothing, &self.0, nothing, flags, nothing).unwrap();
    }

    fn writable(&self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Should it fail, the mount goes with the test's mount namespace.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn refused(site: &Site) {
    site.guard(&["run", "-c", &site.file().to_string_lossy()]).fails(1, &["state"]);
}

/// A first start that cannot write down what it does leaves nothing, and everything passes.
#[test]
fn a_start_without_a_disk_is_refused_and_leaves_nothing() {
    let Some(site) = site() else { return };
    let disk = Disk::mount(&site);
    disk.fill();
    refused(&site);
    site.is_bare();
    disk.empty();
    disk.read_only();
    refused(&site);
    site.is_bare();
    assert!(site.passes(STRANGERS[0]));
    disk.writable();
    let _daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
}

/// A guard that runs does so without a disk: its heart beats, its bypass works, its changes are
/// refused.
#[test]
fn a_running_guard_needs_no_disk() {
    let Some(site) = site() else { return };
    let disk = Disk::mount(&site);
    let daemon = site.start();
    for break_it in [true, false] {
        if break_it {
            disk.fill();
        } else {
            disk.empty();
            disk.read_only();
        }
        // Longer than the watchdog.
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(site.status()["stance"], "enforcing", "{}", daemon.log());
        let before = site.program_on(WAN);
        site.guard(&["deny", "add", "192.0.2.9", "--reason", "r"]).fails(1, &["state"]);
        assert_eq!(site.program_on(WAN), before);
        let answer = site.guard(&["bypass", "on"]).done();
        assert!(answer.err.contains("could not be noted"), "{}", answer.err);
        assert!(site.passes(STRANGERS[0]));
        let _ = site.guard(&["bypass", "off"]).done();
        assert!(!site.passes(STRANGERS[0]));
    }
    // A daemon that dies there comes back when the disk does.
    daemon.kill();
    refused(&site);
    disk.writable();
    let _daemon = site.start();
    assert!(stands(&site, "enforcing"));
}
