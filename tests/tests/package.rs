//! What is delivered, installed for real: the Debian package by dpkg on a host of its own that
//! systemd runs, and the static binary where there is nothing but itself.
//!
//! `cargo xtask package` makes both, and `cargo xtask test` beforehand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

#[path = "package/dpkg.rs"]
mod dpkg;
#[path = "package/service.rs"]
mod service;
#[path = "package/tarball.rs"]
mod tarball;

use std::fs;
use std::path::Path;
use std::time::Duration;

use guard_tests::debian::Debian;
use guard_tests::guard_process::eventually;
use guard_tests::packages::made;

/// How long anything may take that systemd or the daemon does by itself.
const SOON: Duration = Duration::from_secs(60);

/// What an operator writes on day one: enforces, on one interface.
const CONFIG: &str = "[guard]\nmode = 'enforce'\nwatchdog = '5s'\nread-group = 'guard-read'\n\
    oncall-group = 'guard-oncall'\n\
    [[interface]]\nname = 'wan0'\nrole = 'trusted'\n\
    [[psap]]\nid = 'P-1'\nservices = ['198.51.100.10:5060/udp']\n";

/// Installs a package there, or another version of it.
#[track_caller]
fn install(host: &Debian, package: &Path) {
    fs::copy(package, host.path("/srv").join("guard.deb")).unwrap();
    let _ = host.run(&["dpkg", "--install", "/srv/guard.deb"]).done();
}

/// A host with the package, on which an operator has made the guard enforce.
fn guarded() -> Option<Debian> {
    guarded_by(CONFIG)
}

fn guarded_by(config: &str) -> Option<Debian> {
    let host = Debian::new()?;
    install(&host, &made(".deb"));
    fs::write(host.path("/etc/guard/guard.toml"), config).unwrap();
    let _ = host.run(&["guard", "apply", "--reason", "day one"]).done();
    let _ = host.run(&["guard", "mode", "enforce", "--reason", "day one"]).done();
    Some(host)
}

/// Waits until the service is active with another process than this one; its process.
fn active(host: &Debian, before: &str) -> String {
    let process = || host.property("guard", "MainPID");
    let is_up = || {
        host.property("guard", "ActiveState") == "active" && ![before, "0"].contains(&&*process())
    };
    assert!(eventually(SOON, is_up), "{}", journal(host));
    process()
}

fn journal(host: &Debian) -> String {
    host.say(&["journalctl", "--unit", "guard", "--no-pager", "--output", "cat"])
}
