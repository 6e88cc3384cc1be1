//! `cargo xtask build`: the kernel objects, then the guard binary that carries them.
//!
//! Owns the flags of the kernel half and where its objects end up. Whether anything is
//! compiled anew is cargo's decision alone.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::{Profile, Project};
use crate::run;
use crate::setup::{self, BuildTools};

/// Binaries of guard-ebpf: the firewall, and the packet generator of tests and bench.
const OBJECTS: &[&str] = &["guard", "generator"];

/// Programs run on the machine that builds them, so the byte order is the host's.
const TARGET: &str =
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };

/// Builds the kernel objects and the guard binary.
#[derive(clap::Args)]
pub struct Args {
    /// Build the user half without optimisation (the verifier needs the kernel half optimised).
    #[arg(long)]
    debug: bool,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    let profile = if args.debug { Profile::Dev } else { Profile::Release };
    both(project, profile)?;
    println!("{}", project.binary(profile, "guard").display());
    Ok(())
}

/// Sets up what building needs and builds both halves.
pub fn both(project: &Project, profile: Profile) -> Result<BuildTools> {
    let tools = setup::build_tools(project)?;
    kernel(project, &tools)?;
    user(project, profile, &["--package", "guard-user"], "guard")?;
    Ok(tools)
}

/// Builds part of the host workspace, which needs the kernel objects.
pub fn user(project: &Project, profile: Profile, what: &[&str], name: &str) -> Result<()> {
    let mut cargo = project.cargo("build");
    if matches!(profile, Profile::Release) {
        cargo.arg("--release");
    }
    run::step(&format!("build {name}"), cargo.args(what))
}

/// Builds the kernel half and puts its objects where the host half looks for them.
pub fn kernel(project: &Project, tools: &BuildTools) -> Result<()> {
    let mut cargo = kernel_cargo(project, tools, "build");
    run::step("build the kernel half", cargo.arg("--bins"))?;
    let built = project.bpf_build().join(TARGET).join("release");
    let kept = project.bpf();
    fs::create_dir_all(&kept)
        .with_context(|| format!("cannot create {}; is it yours?", kept.display()))?;
    for name in OBJECTS {
        keep(&built.join(name), &kept.join(format!("{name}.o")))?;
    }
    Ok(())
}

/// Cargo for the kernel half, with its target and flags; a verb's own arguments follow.
pub fn kernel_cargo(project: &Project, tools: &BuildTools, verb: &str) -> Command {
    let mut cargo = tools.toolchain.cargo();
    cargo
        .current_dir(project.root())
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&tools.linker).join("\u{1f}"))
        .args([verb, "--release", "--package", "guard-ebpf"])
        // The targets have no ready-made core.
        .args(["-Z", "build-std=core", "--target", TARGET])
        .arg("--target-dir")
        .arg(project.bpf_build());
    cargo
}

fn flags(linker: &Path) -> Vec<String> {
    vec![
        // aya's bindings of registers and structures are the host's.
        format!("--cfg=bpf_target_arch=\"{ARCH}\""),
        // BTF is made from debug information.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // By default the linker turns every memset into a call to a loop over bytes.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
        // Atomic exchange and 32-bit arithmetic; in every supported kernel.
        "-Ctarget-cpu=v3".to_owned(),
        // Packets have no alignment; without this every wide read becomes one load a byte.
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access".to_owned(),
        format!("-Clinker={}", linker.display()),
    ]
}

/// Copies an object unless the copy is the same: a new date would build the host half anew.
fn keep(built: &Path, kept: &Path) -> Result<()> {
    let new = fs::read(built).with_context(|| {
        format!("the kernel half was built without {}; see guard-ebpf/Cargo.toml", built.display())
    })?;
    if fs::read(kept).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(kept, new).with_context(|| format!("cannot write {}; is it yours?", kept.display()))
}
