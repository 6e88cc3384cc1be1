//! A compiler that can build `core` for BPF: a rustup nightly with `rust-src`, or Debian's.
//!
//! Finds one, or installs what is missing by the first way that works, and says of every
//! way that did not why. Never touches the toolchain that compiles the host half.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{linker, packages};
use crate::project::forget_own_package;
use crate::run;

/// The workspace's `rust-version`: an older compiler refuses the kernel half.
const OLDEST_MINOR: u32 = 95;
/// A nightly whose LLVM the linker knows; the newest one may be ahead of the linker.
const KNOWN_NIGHTLY: &str = "nightly-2026-05-20";
/// Overrides the search: `debian`, or the name of a rustup toolchain.
const CHOICE: &str = "GUARD_BPF_TOOLCHAIN";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];

/// Where a compiler comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A rustup toolchain of that name.
    Rustup(String),
    /// The distribution's, in /usr/bin beside rustup's.
    Debian,
}

/// A compiler and what matters about it here.
pub struct Toolchain {
    pub(super) source: Source,
    pub(super) llvm: u32,
    /// Release and commit: changes whenever the compiler does.
    pub(super) identity: String,
    sysroot: PathBuf,
}

impl Toolchain {
    /// Asks the compiler; fails when it is not there or too old, or no linker reads its LLVM.
    fn probe(source: Source) -> Result<Self> {
        let version = run::answer(rustc(&source).arg("-vV"))?;
        let about =
            |key: &str| field(&version, key).with_context(|| format!("no {key:?} in `rustc -vV`"));
        let release = about("release")?;
        let llvm = major(about("LLVM version")?).context("LLVM version is no number")?;
        ensure!(
            minor(release).is_some_and(|minor| minor >= OLDEST_MINOR),
            "Rust {release} is older than 1.{OLDEST_MINOR}"
        );
        ensure!(
            linker::recipe(&source, llvm).is_some(),
            "no released bpf-linker reads its LLVM {llvm}"
        );
        let sysroot = run::answer(rustc(&source).args(["--print", "sysroot"]))?;
        Ok(Self {
            identity: format!("{release} {}", about("commit-hash").unwrap_or("unknown")),
            sysroot: PathBuf::from(sysroot.trim()),
            source,
            llvm,
        })
    }

    /// Cargo of this toolchain, free of what the outer cargo set for its own.
    pub fn cargo(&self) -> Command {
        let mut command = match &self.source {
            Source::Rustup(name) => rustup_run(name, "cargo"),
            Source::Debian => Command::new(DEBIAN_CARGO),
        };
        forget_outer_toolchain(&mut command);
        match self.source {
            // bpf-linker opens the first libLLVM it finds, and must not find another toolchain's.
            Source::Rustup(_) => command.env("LD_LIBRARY_PATH", self.sysroot.join("lib")),
            Source::Debian => command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1"),
        };
        command
    }

    /// Whether clippy came with this toolchain.
    pub fn has_clippy(&self) -> bool {
        self.sysroot.join("bin/cargo-clippy").is_file()
    }

    fn has_core_source(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file()
    }
}

impl Display for Toolchain {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let release = self.identity.split(' ').next().unwrap_or_default();
        match &self.source {
            Source::Rustup(name) => write!(out, "{name} ({release}, LLVM {})", self.llvm),
            Source::Debian => write!(out, "Debian's ({release}, LLVM {})", self.llvm),
        }
    }
}

/// The first toolchain that is ready, without installing anything.
pub fn find() -> Option<Toolchain> {
    candidates()
        .into_iter()
        .filter_map(|source| Toolchain::probe(source).ok())
        .find(Toolchain::has_core_source)
}

/// A toolchain that is ready, by the first way that works.
///
/// Fails with what each way said and what to type.
pub fn ensure() -> Result<Toolchain> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let mut tried = Vec::new();
    for way in ways() {
        match way.take() {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => tried.push(format!("  {way}: {error:#}")),
        }
    }
    bail!(
        "no toolchain here can build `core` for BPF, and none could be installed:\n{}\n\
         type: rustup toolchain install {KNOWN_NIGHTLY} --component rust-src\n\
         or, as root: apt-get install {}",
        tried.join("\n"),
        DEBIAN_PACKAGES.join(" ")
    )
}

/// A way to get a toolchain ready.
enum Way {
    AddSource(String),
    InstallNightly(&'static str),
    InstallDebian,
}

impl Way {
    fn take(&self) -> Result<Toolchain> {
        let source = match self {
            Self::AddSource(name) => {
                // Asked first: sources for a compiler that cannot serve are of no use.
                Toolchain::probe(Source::Rustup(name.clone()))?;
                run::step(
                    &self.to_string(),
                    rustup().args(["component", "add", "rust-src", "--toolchain", name]),
                )?;
                Source::Rustup(name.clone())
            }
            Self::InstallNightly(name) => {
                let mut install = rustup();
                install.args(["toolchain", "install", name, "--profile", "minimal"]);
                run::step(
                    &self.to_string(),
                    install.args(["--component", "rust-src", "--no-self-update"]),
                )?;
                Source::Rustup((*name).to_owned())
            }
            Self::InstallDebian => {
                packages::install(DEBIAN_PACKAGES)?;
                Source::Debian
            }
        };
        let toolchain = Toolchain::probe(source)?;
        ensure!(toolchain.has_core_source(), "installed, but core's source is not there");
        Ok(toolchain)
    }
}

impl Display for Way {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddSource(name) => write!(out, "add rust-src to {name}"),
            Self::InstallNightly(name) => write!(out, "install {name}"),
            Self::InstallDebian => write!(out, "install Debian's compiler"),
        }
    }
}

/// All ways, the least intrusive first.
fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for source in candidates() {
        match source {
            Source::Rustup(name) => ways.push(Way::AddSource(name)),
            Source::Debian => {}
        }
    }
    match env::var(CHOICE).ok().as_deref() {
        Some("debian") => ways.push(Way::InstallDebian),
        Some(_) => {}
        None => {
            if packages::locate("rustup").is_some() {
                ways.push(Way::InstallNightly(KNOWN_NIGHTLY));
                ways.push(Way::InstallNightly("nightly"));
            }
            ways.push(Way::InstallDebian);
        }
    }
    ways
}

/// What may be installed already: every rustup nightly, then Debian's.
fn candidates() -> Vec<Source> {
    match env::var(CHOICE) {
        Ok(name) if name == "debian" => return vec![Source::Debian],
        Ok(name) if !name.is_empty() => return vec![Source::Rustup(name)],
        _ => {}
    }
    let listed = run::answer(rustup().args(["toolchain", "list", "--quiet"])).unwrap_or_default();
    let mut found: Vec<Source> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("nightly"))
        .map(|name| Source::Rustup(name.to_owned()))
        .collect();
    if Path::new(DEBIAN_CARGO).is_file() && Path::new(DEBIAN_RUSTC).is_file() {
        found.push(Source::Debian);
    }
    found
}

fn rustup() -> Command {
    let mut command = Command::new("rustup");
    forget_outer_toolchain(&mut command);
    command
}

fn rustup_run(toolchain: &str, program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, program]);
    command
}

fn rustc(source: &Source) -> Command {
    let mut command = match source {
        Source::Rustup(name) => rustup_run(name, "rustc"),
        Source::Debian => Command::new(DEBIAN_RUSTC),
    };
    forget_outer_toolchain(&mut command);
    command
}

/// `cargo xtask` runs under one toolchain and starts another, which must not inherit its choice.
fn forget_outer_toolchain(command: &mut Command) {
    const CHOICES: &[&str] = &[
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    for name in CHOICES {
        command.env_remove(name);
    }
    forget_own_package(command);
}

/// The value of a `key: value` line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(name, value)| (name == key).then_some(value))
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_own_words_are_understood() {
        let text = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(field(text, "release").and_then(minor), Some(97));
        assert_eq!(field(text, "LLVM version").and_then(major), Some(22));
        assert_eq!(field(text, "host"), None);
    }
}
