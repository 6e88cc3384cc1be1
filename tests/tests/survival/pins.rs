//! The BPF file system taken away under a running guard.

use std::time::Duration;

use guard_tests::guard_process::{STRANGERS, WAN, eventually};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{SOON, site};

/// The daemon keeps it from being unmounted, and beats on where it is done by force; verbs name
/// what is wrong; a start without it does, too; and with it all is as new.
#[test]
fn a_bpffs_unmounted_is_named_and_nothing_is_dropped_for_it() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let bpffs = site.path("bpf");
    assert_eq!(umount2(&bpffs, MntFlags::empty()), Err(Errno::EBUSY), "the daemon holds it");
    umount2(&bpffs, MntFlags::MNT_DETACH).unwrap();
    daemon.logs("the pins are gone");
    for verb in [&["status"][..], &["psaps"], &["bypass", "on"], &["mode", "monitor"]] {
        site.guard(verb).fails(4, &["no BPF file system", "mount -t bpf"]);
    }
    // What was loaded works on, and its heart beats, for longer than the watchdog.
    std::thread::sleep(Duration::from_secs(6));
    assert!(site.program_on(WAN).is_some());
    assert!(!site.passes(STRANGERS[0]), "{}", daemon.log());
    // With the daemon it ends: everything passes.
    daemon.kill();
    assert!(eventually(SOON, || site.program_on(WAN).is_none()));
    assert!(site.passes(STRANGERS[0]));
    let file = site.file();
    site.guard(&["run", "-c", &file.to_string_lossy()])
        .fails(1, &["no BPF file system", "mount -t bpf"]);
    mount(Some("bpf"), &bpffs, Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
    let _daemon = site.start();
    assert!(!site.passes(STRANGERS[0]));
}
