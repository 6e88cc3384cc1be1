//! `cargo xtask setup`: makes a machine able to build, test, show and measure guard.
//!
//! Owns which purpose needs what. How each thing is found or installed is in the modules
//! below; every other verb comes here first and asks only for what it needs itself.

mod linker;
mod machine;
mod packages;
mod prometheus;
mod toolchain;
mod tools;
mod unpacked;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::project::Project;

pub use machine::{Machine, Release};
pub use packages::{locate, root};
pub use toolchain::Toolchain;

/// Installs what is missing: BPF toolchain and linker, Debian packages, cargo tools.
#[derive(clap::Args)]
pub struct Args {
    /// What the machine shall be able to do.
    #[arg(long = "for", value_enum, default_value = "all", value_name = "PURPOSE")]
    purpose: Purpose,
    /// Only say what is there and what is missing; fail when something is.
    #[arg(long)]
    check: bool,
}

/// What a machine is set up for; each includes building.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Compile both halves.
    Build,
    /// Run the tests.
    Test,
    /// Check format, lints and licences.
    Lint,
    /// Run the demonstration.
    Demo,
    /// Measure.
    Bench,
    /// Fuzz.
    Fuzz,
    /// Make packages.
    Package,
    /// All of these.
    All,
    /// Run the tests on another kernel, too; not part of `all`.
    Kernel,
}

impl Purpose {
    fn includes(self, other: Self) -> bool {
        self == other || (self == Self::All && other != Self::Kernel)
    }
}

/// What compiles the kernel half.
pub struct BuildTools {
    /// A compiler that can build `core` for BPF.
    pub toolchain: Toolchain,
    /// A linker whose LLVM reads that compiler's output.
    pub linker: PathBuf,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    if args.check {
        return check(project, args.purpose);
    }
    let tools = build_tools(project)?;
    eprintln!("ok  BPF toolchain: {}", tools.toolchain);
    eprintln!("ok  BPF linker: {}", tools.linker.display());
    packages::ensure(args.purpose)?;
    eprintln!("ok  system packages");
    if args.purpose.includes(Purpose::Test) {
        eprintln!("ok  cargo-nextest: {}", nextest(project)?.display());
        eprintln!("ok  prometheus: {}", prometheus(project)?.display());
    }
    if args.purpose.includes(Purpose::Lint) {
        eprintln!("ok  cargo-deny: {}", deny(project)?.display());
    }
    if args.purpose.includes(Purpose::Package) {
        eprintln!("ok  cargo-deb: {}", cargo_deb(project)?.display());
    }
    if args.purpose.includes(Purpose::Kernel) {
        for release in Release::ALL {
            eprintln!(
                "ok  Linux {}: {}",
                release.name(),
                machine(project, *release)?.kernel.display()
            );
        }
    }
    Ok(())
}

/// Finds or installs what compiles the kernel half.
pub fn build_tools(project: &Project) -> Result<BuildTools> {
    let toolchain = toolchain::ensure()?;
    let linker = linker::ensure(project, &toolchain)?;
    Ok(BuildTools { toolchain, linker })
}

/// Finds or installs the programs that a purpose needs besides compilers.
pub fn programs(purpose: Purpose) -> Result<()> {
    packages::ensure(purpose)
}

/// Finds or downloads what boots another kernel.
pub fn machine(project: &Project, release: Release) -> Result<Machine> {
    packages::ensure(Purpose::Kernel)?;
    machine::ensure(project, release)
}

/// Finds or builds the test runner.
pub fn nextest(project: &Project) -> Result<PathBuf> {
    tools::NEXTEST.ensure(project)
}

/// Finds or downloads what checks the metrics: the folder with `prometheus` and `promtool`.
pub fn prometheus(project: &Project) -> Result<PathBuf> {
    prometheus::ensure(project)
}

/// Finds or builds the licence checker.
pub fn deny(project: &Project) -> Result<PathBuf> {
    tools::DENY.ensure(project)
}

/// Finds or builds the packager.
pub fn cargo_deb(project: &Project) -> Result<PathBuf> {
    tools::CARGO_DEB.ensure(project)
}

/// Reports without changing anything.
fn check(project: &Project, purpose: Purpose) -> Result<()> {
    let mut missing = Vec::new();
    let mut report = |what: &str, found: Option<String>| match found {
        Some(found) => eprintln!("ok       {what}: {found}"),
        None => {
            eprintln!("MISSING  {what}");
            missing.push(what.to_owned());
        }
    };
    let toolchain = toolchain::find();
    let linker = toolchain.as_ref().and_then(|toolchain| linker::find(project, toolchain));
    report("BPF toolchain", toolchain.map(|found| found.to_string()));
    report("BPF linker", linker.map(|path| path.display().to_string()));
    for (package, present) in packages::state(purpose) {
        report(package, present.map(|path| path.display().to_string()));
    }
    for (wanted, tool) in [
        (Purpose::Test, tools::NEXTEST),
        (Purpose::Lint, tools::DENY),
        (Purpose::Package, tools::CARGO_DEB),
    ] {
        if purpose.includes(wanted) {
            let found = tool.find(project);
            report(tool.name(), found.map(|path| path.display().to_string()));
        }
    }
    if purpose.includes(Purpose::Test) {
        let found = prometheus::find(project);
        report(prometheus::PACKAGE, found.map(|path| path.display().to_string()));
    }
    for release in Release::ALL.iter().filter(|_| purpose.includes(Purpose::Kernel)) {
        for (part, found) in machine::state(project, *release) {
            report(&part, found.map(|path| path.display().to_string()));
        }
    }
    anyhow::ensure!(
        missing.is_empty(),
        "setup is incomplete: {}; the same without --check gets it",
        missing.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_what_any_supported_machine_can_do() {
        for purpose in Purpose::value_variants() {
            assert_eq!(Purpose::All.includes(*purpose), *purpose != Purpose::Kernel);
            assert!(purpose.includes(*purpose));
        }
    }
}
