//! Programs from the distribution: which purpose needs which, and getting the missing ones.
//!
//! A program that is on the path counts, wherever it came from. Nothing is ever removed,
//! and where installing is not allowed the error is the line to type.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::Purpose;
use crate::run;

/// A Debian package, the program that proves it is there, and who needs it.
struct Package {
    name: &'static str,
    program: &'static str,
    purposes: &'static [Purpose],
}

use Purpose::{Bench, Demo, Fuzz, Kernel, Test};

const PACKAGES: &[Package] = &[
    // Network namespaces and veth pairs.
    Package { name: "iproute2", program: "ip", purposes: &[Test, Demo, Bench, Kernel] },
    // Offloads of the veth ends, which decide how frames look to XDP.
    Package { name: "ethtool", program: "ethtool", purposes: &[Test, Demo, Bench, Kernel] },
    // SIP callers and callees.
    Package { name: "sip-tester", program: "sipp", purposes: &[Test, Demo, Bench] },
    // An ESRP that calls go by.
    Package { name: "kamailio", program: "kamailio", purposes: &[Test] },
    // The neighbour whose rules guard must not disturb, and the one it is compared with.
    Package { name: "nftables", program: "nft", purposes: &[Test, Bench] },
    // Reads the maps from outside; loads xdp-filter's objects.
    Package { name: "bpftool", program: "bpftool", purposes: &[Test, Bench] },
    // The other XDP filter, to compare with.
    Package { name: "xdp-tools", program: "xdp-filter", purposes: &[Bench] },
    // Packet time stamps that do not depend on the traffic tool's clock.
    Package { name: "tcpdump", program: "tcpdump", purposes: &[Test, Bench] },
    // Kills the controller at each of its system calls.
    Package { name: "strace", program: "strace", purposes: &[Test] },
    // A clock on the wall that jumps.
    Package { name: "faketime", program: "faketime", purposes: &[Test] },
    // Certificates of the metrics' endpoint.
    Package { name: "openssl", program: "openssl", purposes: &[Test] },
    // Checks the unit of the service.
    Package { name: "systemd", program: "systemd-analyze", purposes: &[Test] },
    // libFuzzer is C++.
    Package { name: "g++", program: "c++", purposes: &[Fuzz] },
];

/// Beyond `PATH`: where Debian puts administrators' programs.
const ADMIN_PATHS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Each package a purpose needs, with its program when it is there.
pub fn state(purpose: Purpose) -> Vec<(&'static str, Option<PathBuf>)> {
    PACKAGES
        .iter()
        .filter(|package| package.purposes.iter().any(|other| purpose.includes(*other)))
        .map(|package| (package.name, locate(package.program)))
        .collect()
}

/// Installs the packages that a purpose needs and that are missing.
pub fn ensure(purpose: Purpose) -> Result<()> {
    let missing: Vec<&str> = state(purpose)
        .into_iter()
        .filter_map(|(name, found)| found.is_none().then_some(name))
        .collect();
    install(&missing)
}

/// Installs Debian packages, as root or through a `sudo` that does not ask.
///
/// Fails, with the line to type, where neither is possible or apt refuses.
pub fn install(names: &[&str]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let list = names.join(" ");
    let by_hand =
        format!("as root: apt-get update && apt-get install --no-install-recommends {list}");
    if locate("apt-get").is_none() {
        bail!("missing programs, and no apt-get to install them: get what Debian calls {list}");
    }
    if !root() && !sudo_is_silent() {
        bail!("missing packages: {list}; installing needs root; type, {by_hand}");
    }
    // Stale lists may still do; the installation decides.
    let update = update();
    let install = run::step(
        &format!("install {list}"),
        // A package that would push another out is a matter for the machine's owner.
        apt().args(["install", "-y", "--no-install-recommends", "--no-remove"]).args(names),
    );
    let Err(error) = install else { return Ok(()) };
    let stale = update.map_or_else(|error| format!("{error:#}; "), |()| String::new());
    bail!("{stale}{error:#}; by hand, {by_hand}")
}

/// Brings apt's lists up to date where that is allowed; stale ones may still do.
pub fn refresh() {
    if !root() && !sudo_is_silent() {
        return;
    }
    if let Err(error) = update() {
        eprintln!("warning: {error:#}");
    }
}

fn update() -> Result<()> {
    run::step("update package lists", apt().arg("update"))
}

/// Whether this process is root, which network namespaces and loading programs need.
pub fn root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

/// A program on `PATH` or in the administrators' directories.
pub fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(ADMIN_PATHS.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn sudo_is_silent() -> bool {
    run::answer(Command::new("sudo").args(["-n", "true"])).is_ok()
}

fn apt() -> Command {
    let mut command = if root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        // sudo clears the environment, so the variable goes in as an argument.
        sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // Another installation may be under way.
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
    command
}
