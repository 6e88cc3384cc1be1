//! `cargo xtask package`: what is delivered, in target/package: a Debian package and a tarball
//! with a static binary.
//!
//! Owns what goes where in the tarball; for the Debian package `guard-user/Cargo.toml` says it.
//! Man pages and completions are made by the binary itself. What installing and removing does is
//! in `packaging/debian`.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::{Profile, Project};
use crate::setup;
use crate::{build, run};

/// Files of the tarball besides binary, man pages and completions: from the workspace, and its
/// folder there.
const FILES: &[(&str, &str)] = &[
    ("packaging/guard.service", ""),
    ("packaging/guard.toml", ""),
    ("packaging/sysusers.conf", ""),
    ("LICENSE-APACHE", ""),
    ("LICENSE-MIT", ""),
    ("README.md", ""),
    ("CHANGELOG.md", ""),
    ("docs", ""),
];

/// Makes a Debian package and a tarball with a static binary, in target/package.
#[derive(clap::Args)]
pub struct Args {
    /// Only the Debian package.
    #[arg(long, conflicts_with = "tarball")]
    deb: bool,
    /// Only the tarball.
    #[arg(long)]
    tarball: bool,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    build::both(project, Profile::Release)?;
    pages(project)?;
    if !args.tarball {
        println!("{}", deb(project)?.display());
    }
    if !args.deb {
        println!("{}", tarball(project)?.display());
    }
    Ok(())
}

/// Both, of what has been built, for the tests.
pub fn all(project: &Project) -> Result<()> {
    pages(project)?;
    deb(project)?;
    tarball(project).map(drop)
}

/// Man pages and completions, from the binary; cargo-deb finds them beside it.
fn pages(project: &Project) -> Result<()> {
    let guard = project.binary(Profile::Release, "guard");
    let pages = project.binary(Profile::Release, "pages");
    empty(&pages)?;
    for what in ["man", "completions"] {
        run::answer(Command::new(&guard).args(["generate", what]).arg(pages.join(what)))?;
    }
    // As Debian has them; without a date, the same pages give the same bytes.
    let man = pages.join("man");
    run::answer(Command::new("gzip").args(["--recursive", "--best", "--no-name"]).arg(man))?;
    Ok(())
}

/// The Debian package.
fn deb(project: &Project) -> Result<PathBuf> {
    let cargo_deb = setup::cargo_deb(project)?;
    let folder = project.packages().join("deb");
    empty(&folder)?;
    let mut command = Command::new(cargo_deb);
    project.dress(&mut command);
    command
        .current_dir(project.root())
        // Built just now, with its kernel half.
        .args(["--package", "guard-user", "--no-build", "--strip", "--output"])
        .arg(&folder);
    run::step("make the Debian package", &mut command)?;
    only(&folder)
}

/// The tarball: its binary needs no library, so that it runs on any Linux of this architecture.
fn tarball(project: &Project) -> Result<PathBuf> {
    let name = format!("guard-{}-{ARCH}-static", env!("CARGO_PKG_VERSION"));
    let work = project.packages().join("tarball");
    let folder = work.join(&name);
    empty(&folder)?;
    copy(&static_binary(project)?, &folder)?;
    let pages = project.binary(Profile::Release, "pages");
    for what in ["man", "completions"] {
        copy(&pages.join(what), &folder)?;
    }
    for (file, to) in FILES {
        copy(&project.root().join(file), &folder.join(to))?;
    }
    let tarball = project.packages().join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    // The same files give the same bytes.
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"])
        .env("GZIP", "-n")
        .arg("--create")
        .arg("--gzip")
        .arg("--file")
        .arg(&tarball)
        .arg("--directory")
        .args([work.as_path(), Path::new(&name)]);
    run::step("make the tarball", &mut tar)?;
    Ok(tarball)
}

/// The guard binary with glibc inside. No target but the host's is needed for that.
fn static_binary(project: &Project) -> Result<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-gnu");
    let folder = project.static_build();
    let mut cargo = project.cargo("build");
    cargo
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\u{1f}-Cstrip=debuginfo")
        // With a target named, build scripts and procedural macros stay dynamic.
        .args(["--release", "--package", "guard-user", "--target", &target]);
    run::step("build guard, static", &mut cargo)?;
    Ok(folder.join(target).join("release/guard"))
}

/// A folder without anything in it.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| cannot(folder))?;
    }
    fs::create_dir_all(folder).with_context(|| cannot(folder))
}

/// Copies a file or a folder into a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    run::answer(Command::new("cp").args(["--recursive", "--preserve=mode"]).args([from, to]))
        .map(drop)
}

fn cannot(path: &Path) -> String {
    format!("cannot write {}; is it yours?", path.display())
}

/// The one file of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| cannot(folder))?;
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    ensure!(paths.len() == 1, "{}: one package was to be made: {paths:?}", folder.display());
    paths.into_iter().next().context("there is one")
}
