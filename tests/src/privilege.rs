//! Whether tests may load the kernel half here, and the network namespace they run frames in.
//!
//! A test that cannot run says so on standard error and returns; with `GUARD_REQUIRE_BPF=1`, or
//! in CI, it fails instead. Knows nothing about what is tested.

#![expect(clippy::expect_used, reason = "a test without what it needs fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

/// Makes a kernel test that cannot run fail instead of skip.
const REQUIRE: &str = "GUARD_REQUIRE_BPF";

/// Bit of `CAP_BPF` in the masks of `/proc/self/status`.
const CAP_BPF: u32 = 39;
/// Bit of `CAP_SYS_ADMIN`: a namespace of one's own needs it.
const CAP_SYS_ADMIN: u32 = 21;

/// Whether kernel tests can run; if not, says why and counts as skipped.
#[must_use]
pub fn require_bpf() -> bool {
    match hindrance() {
        None => true,
        Some(why) => {
            skip(&format!("the kernel half cannot be loaded: {why}"));
            false
        }
    }
}

/// Says in a line of its own that the test of this thread is skipped; fails it where skipping is
/// not allowed.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(!must_run(), "{test} cannot run, and {REQUIRE}=1 (or CI) forbids to skip it: {why}");
    eprintln!("SKIPPED  {test}: {why}");
}

fn must_run() -> bool {
    match std::env::var(REQUIRE) {
        Ok(value) => value == "1",
        Err(_) => std::env::var("CI").is_ok_and(|value| value == "true"),
    }
}

/// What keeps kernel tests from running.
fn hindrance() -> Option<String> {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("this kernel has no BTF (/sys/kernel/btf/vmlinux)".to_owned());
    }
    if !Uid::effective().is_root() {
        return Some("not root: sudo -E env PATH=\"$PATH\" cargo xtask test".to_owned());
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    [(CAP_BPF, "CAP_BPF"), (CAP_SYS_ADMIN, "CAP_SYS_ADMIN")]
        .into_iter()
        .find(|(bit, _)| mask & (1 << bit) == 0)
        .map(|(_, name)| format!("{name} is missing"))
}

/// A network namespace for this thread (and those it starts) with these interfaces; their kernel
/// indexes by name. A test run names the interface a frame came in by, and it must exist.
#[must_use]
pub fn own_network(interfaces: &[&str]) -> BTreeMap<String, u32> {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs CAP_SYS_ADMIN");
    // A veth pair brings two interfaces; the far ends of odd ones get a name nobody asks for.
    for pair in interfaces.chunks(2) {
        let (near, far) = match pair {
            [near, far] => (*near, (*far).to_owned()),
            [near] => (*near, format!("{near}-far")),
            _ => continue,
        };
        ip(&["link", "add", near, "type", "veth", "peer", "name", &far]);
    }
    let index = |name: &str| nix::net::if_::if_nametoindex(name).ok();
    let indexes = interfaces.iter().map(|name| ((*name).to_owned(), index(name)));
    indexes.map(|(name, index)| (name, index.expect("made just now"))).collect()
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {error}", arguments.join(" "));
}

/// Captures and messages made by others, if they are here: `GUARD_CORPUS`, else `shared/data`
/// beside the workspace.
#[must_use]
pub fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("GUARD_CORPUS").map_or(beside, PathBuf::from);
    path.is_dir().then_some(path)
}
