//! A Debian host of its own, with the real dpkg and the real systemd: what installs a package and
//! runs a service here is what does so there.
//!
//! Owns how such a host is made, asked and taken away. It is this machine's file system under a
//! layer of its own, so its versions are this machine's. Knows nothing about what is tested.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without what it needs fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use serde_json::Value;
use tempfile::TempDir;

use crate::guard_process::{Answer, answer, eventually};
use crate::privilege::{require_bpf, skip};

/// What makes the host.
const BOOT: &str = include_str!("boot.sh");
/// How long systemd may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// A command that has not ended by then hangs.
const HANGS: &str = "120";

/// Numbers hosts, for the names of their control groups.
static HOSTS: AtomicU32 = AtomicU32::new(0);

/// A running host; gone when dropped.
#[derive(Debug)]
pub struct Debian {
    boot: Child,
    group: String,
    folder: TempDir,
}

/// Whether this machine can be the ground for such a host, which needs Debian's own programs and
/// a control group of its own.
fn is_possible() -> bool {
    let may_write = |path| access(path, AccessFlags::W_OK).is_ok();
    let groups = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|path| Path::new(path).join("cgroup.controllers").exists());
    groups.is_some_and(may_write)
        && ["/lib/systemd/systemd", "/usr/bin/dpkg", "/usr/bin/nsenter", "/usr/bin/unshare"]
            .iter()
            .all(|path| Path::new(path).exists())
}

impl Debian {
    /// A new one; `None`, said loudly, where there can be none.
    #[must_use]
    pub fn new() -> Option<Self> {
        if !require_bpf() {
            return None;
        }
        if !is_possible() {
            skip("no host can be made here: systemd, dpkg and writable control groups are needed");
            return None;
        }
        Some(Self::start())
    }

    /// Starts it and waits until systemd is done with that.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a directory for temporary files");
        let number = HOSTS.fetch_add(1, Ordering::Relaxed);
        let group = format!("guard-test-{}-{number}", std::process::id());
        let layer = folder.path().join("layer");
        fs::create_dir(&layer).expect("the directory is new");
        let script = folder.path().join("boot.sh");
        fs::write(&script, BOOT).expect("the directory is ours");
        let log = fs::File::create(folder.path().join("log")).expect("the directory is ours");
        let boot = Command::new("sh")
            .args([&script, &layer])
            .arg(&group)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        let host = Self { boot, group, folder };
        let is_up = || {
            host.try_run(&["systemctl", "is-system-running"])
                .is_some_and(|answer| ["running", "degraded"].contains(&answer.out.trim()))
        };
        assert!(eventually(PATIENCE, is_up), "systemd does not start: {}", host.log());
        host
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Process id, outside, of its process 1.
    fn first(&self) -> Option<u32> {
        let id = self.boot.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        let first = children.split_whitespace().next()?.parse().ok()?;
        // The shell that becomes it has children, too, before it does.
        let name = fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
        (name.trim() == "systemd").then_some(first)
    }

    fn try_run(&self, words: &[&str]) -> Option<Answer> {
        let first = self.first()?.to_string();
        let mut command = Command::new("timeout");
        command.arg(HANGS).args(["nsenter", "--target", &first, "--all", "--root", "--wd"]);
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Some(answer(command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null())))
    }

    /// Runs a program there to its end.
    pub fn run(&self, words: &[&str]) -> Answer {
        self.try_run(words).unwrap_or_else(|| panic!("systemd has ended: {}", self.log()))
    }

    /// What a program there prints; it has to work.
    #[track_caller]
    pub fn say(&self, words: &[&str]) -> String {
        self.run(words).done().out.trim().to_owned()
    }

    /// What `guard <verb> --json` says there.
    #[track_caller]
    pub fn json(&self, verb: &[&str]) -> Value {
        self.run(&[&["guard"], verb, &["--json"]].concat()).done().json()
    }

    /// A path there, as this process reaches it.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        let first = self.first().expect("systemd runs");
        PathBuf::from(format!("/proc/{first}/root{path}"))
    }

    /// A property of a unit, as `systemctl show` tells it.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.say(&["systemctl", "show", unit, "--value", "--property", name])
    }

    /// The XDP link on an interface and its program, by their ids in the kernel, which gives none
    /// of them twice.
    #[must_use]
    pub fn link(&self, device: &str) -> Option<(u64, u64)> {
        let devices = self.run(&["ip", "-json", "link", "show", "dev", device]).done().json();
        let program = devices.pointer("/0/xdp/prog/id")?.as_u64()?;
        // Old versions of bpftool do not say which interface a link is on.
        let links = self.run(&["bpftool", "--json", "link", "show"]).done().json();
        let number = |link: &Value, key: &str| link.get(key).and_then(Value::as_u64);
        let is_it = |link: &&Value| number(link, "prog_id") == Some(program);
        let link = links.as_array()?.iter().find(is_it)?;
        Some((number(link, "id")?, program))
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        // With unshare its process 1 dies, and with that everything in it. Errors mean that all
        // is gone already.
        let _ = self.boot.kill();
        let _ = self.boot.wait();
        for root in ["", "/unified", "/systemd", "/memory", "/pids"] {
            let group = PathBuf::from(format!("/sys/fs/cgroup{root}/{}", self.group));
            eventually(Duration::from_secs(5), || !group.exists() || remove_groups(&group));
        }
    }
}

/// Removes a control group and those below; whether it is gone.
fn remove_groups(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    fs::remove_dir(group).is_ok()
}
