//! What is on board of the emulated machine: busybox, the tests, and what they start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Job;
use super::initramfs::{Initramfs, read};
use crate::project::{Profile, Project};
use crate::run;
use crate::setup::{self, Machine};

const INIT: &str = include_str!("init.sh");

/// Programs of this machine that the tests start.
const PROGRAMS: &[&str] = &["ip", "ethtool"];

/// Modules in the order they load in: each after what it needs.
const MODULES: &[&str] = &[
    "net/llc/llc.ko",
    "net/802/stp.ko",
    // An interface without native XDP.
    "net/bridge/bridge.ko",
    "drivers/net/veth.ko",
    // What holds tc programs where there are no TCX links.
    "net/sched/sch_ingress.ko",
    "net/sched/cls_bpf.ko",
];

/// Writes the initramfs that runs these jobs; where it is.
pub fn build(project: &Project, machine: &Machine, jobs: &[Job]) -> Result<PathBuf> {
    let mut image = Initramfs::default();
    image.file("init", INIT.as_bytes())?;
    image.file("plan", plan(jobs).as_bytes())?;
    // The one program without libraries.
    image.file("bin/busybox", &read(&machine.busybox)?)?;
    for program in PROGRAMS {
        let path = setup::locate(program).with_context(|| format!("{program} is not there"))?;
        image.program(&format!("bin/{program}"), &path)?;
    }
    for (number, module) in MODULES.iter().enumerate() {
        let path = machine.modules.join("kernel").join(module);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        image.file(&format!("modules/{number}-{name}"), &read(&path)?)?;
    }
    let bare = project.machines().join("stripped");
    let guard = project.binary(Profile::Release, "guard");
    image.program("bin/guard", &without_debug_information(&guard, &bare)?)?;
    for job in jobs {
        let name = format!("tests/{}", job.name);
        image.program(&name, &without_debug_information(&job.binary, &bare)?)?;
    }
    let path = project.machines().join("initramfs.cpio");
    fs::write(&path, image.finish()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// A line for each job, as `init.sh` reads it.
fn plan(jobs: &[Job]) -> String {
    jobs.iter().map(|job| format!("{} {}\n", job.name, job.arguments.join(" "))).collect()
}

/// A copy an eighth of the size: all of it goes into the machine's memory, twice.
fn without_debug_information(program: &Path, bare: &Path) -> Result<PathBuf> {
    run::answer(Command::new("strip").arg("-o").args([bare, program]))?;
    Ok(bare.to_path_buf())
}
