//! `cargo xtask lint`: format, clippy for both halves, documentation, licences.
//!
//! Every check runs, whatever the others found; the failures are listed at the end.

use std::process::Command;

use anyhow::{Result, bail};

use crate::project::Project;
use crate::setup::{self, BuildTools};
use crate::{build, run};

/// Checks format, lints, documentation and licences.
#[derive(clap::Args)]
pub struct Args {
    /// Also check for known vulnerabilities (downloads the advisory database).
    #[arg(long)]
    advisories: bool,
}

/// The host workspace: everything that does not need the BPF target.
const HOST: &[&str] = &["--workspace", "--exclude", "guard-ebpf"];

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    // The host half does not compile without the kernel objects.
    let tools = setup::build_tools(project)?;
    build::kernel(project, &tools)?;
    let checks = [
        format(project),
        clippy_host(project),
        clippy_kernel(project, &tools),
        documentation(project),
        dependencies(project, args.advisories),
    ];
    let mut failed = 0_u32;
    for check in checks {
        if let Err(error) = check {
            failed += 1;
            eprintln!("error: {error:#}");
        }
    }
    if failed > 0 {
        bail!("lint: {failed} of 5 checks failed, listed above; their output is further up");
    }
    eprintln!("ok  lint");
    Ok(())
}

fn format(project: &Project) -> Result<()> {
    run::step("format", project.cargo("fmt").args(["--all", "--check"]))
}

fn clippy_host(project: &Project) -> Result<()> {
    let mut cargo = project.cargo("clippy");
    cargo.args(HOST).args(["--all-targets", "--", "-D", "warnings"]);
    run::step("clippy, user half", &mut cargo)
}

/// Says so, and passes, where the BPF toolchain came without clippy.
fn clippy_kernel(project: &Project, tools: &BuildTools) -> Result<()> {
    if !tools.toolchain.has_clippy() {
        eprintln!(
            "SKIPPED  clippy, kernel half: {} has no clippy; \
             add it with `rustup component add clippy --toolchain <name>`",
            tools.toolchain
        );
        return Ok(());
    }
    let mut cargo = build::kernel_cargo(project, tools, "clippy");
    cargo.args(["--bins", "--", "-D", "warnings"]);
    run::step("clippy, kernel half", &mut cargo)
}

fn documentation(project: &Project) -> Result<()> {
    let mut cargo = project.cargo("doc");
    cargo.arg("--no-deps").args(HOST).env("RUSTDOCFLAGS", "-D warnings");
    run::step("documentation", &mut cargo)
}

fn dependencies(project: &Project, advisories: bool) -> Result<()> {
    let mut deny = Command::new(setup::deny(project)?);
    project.dress(&mut deny);
    deny.current_dir(project.root()).args([
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    if advisories {
        deny.arg("advisories");
    }
    run::step("licences, bans, sources", &mut deny)
}
