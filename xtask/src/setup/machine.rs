//! What an emulated machine with another kernel is made of: emulator, kernel, busybox.
//!
//! An emulator on the path serves; everything else, and the emulator where there is none, is
//! unpacked into the target directory. Nothing is installed: a kernel least of all. How the
//! machine runs is not known here.

use std::env;
use std::env::consts::ARCH;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::{packages, unpacked};
use crate::project::Project;

const EMULATOR: &str = "qemu-system-x86_64";
const EMULATOR_PACKAGE: &str = "qemu-system-x86";
const BUSYBOX_PACKAGE: &str = "busybox-static";

/// Kernels that the tests can be run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Release {
    /// Debian 12's, the oldest long-term kernel that guard supports.
    #[value(name = "6.1")]
    Linux6_1,
}

impl Release {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Linux6_1];

    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux6_1 => "6.1",
        }
    }

    /// The metapackage that stands for it, in the Debian that has it.
    fn package(self) -> &'static str {
        match self {
            Self::Linux6_1 => "linux-image-cloud-amd64",
        }
    }
}

/// Paths of all the parts.
pub struct Machine {
    emulator: PathBuf,
    /// Where the emulator was unpacked, if it was.
    unpacked: Option<PathBuf>,
    /// A shell and what it takes to start up, in one static program.
    pub busybox: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// Its modules: what is below `kernel/` there.
    pub modules: PathBuf,
}

impl Machine {
    /// The emulator, told where its libraries and firmware are.
    pub fn emulator(&self) -> Command {
        let mut command = Command::new(&self.emulator);
        if let Some(root) = &self.unpacked {
            // Debian 12 keeps some libraries outside of /usr.
            let folders =
                ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|f| root.join(f));
            command.env("LD_LIBRARY_PATH", env::join_paths(folders).unwrap_or_default());
            for firmware in ["usr/share/qemu", "usr/share/seabios"] {
                command.arg("-L").arg(root.join(firmware));
            }
        }
        command
    }
}

/// Each part with its place, when it is there.
pub fn state(project: &Project, release: Release) -> [(String, Option<PathBuf>); 3] {
    [
        (EMULATOR.to_owned(), emulator(project).map(|(program, _)| program)),
        (BUSYBOX_PACKAGE.to_owned(), present(busybox(project))),
        (format!("Linux {}", release.name()), present(linux(project, release))),
    ]
}

/// Finds the parts; downloads what is missing.
pub fn ensure(project: &Project, release: Release) -> Result<Machine> {
    ensure!(
        ARCH == "x86_64",
        "the tests run on another kernel on x86-64 only: they are this machine's own binaries, \
         which is {ARCH}"
    );
    if state(project, release).iter().any(|(_, found)| found.is_none()) {
        download(project, release).with_context(|| {
            format!(
                "cannot get what boots Linux {} (Debian's {EMULATOR_PACKAGE}, {BUSYBOX_PACKAGE} \
                 and {} of Debian 12)",
                release.name(),
                release.package()
            )
        })?;
    }
    let (emulator, unpacked) =
        emulator(project).with_context(|| format!("{EMULATOR_PACKAGE} is without {EMULATOR}"))?;
    let linux = linux(project, release);
    Ok(Machine {
        emulator,
        unpacked,
        busybox: present(busybox(project))
            .with_context(|| format!("{BUSYBOX_PACKAGE} is without busybox"))?,
        kernel: unpacked::only(&linux.join("boot"), "vmlinuz-")?,
        modules: unpacked::only(&linux.join("lib/modules"), release.name())?,
    })
}

fn download(project: &Project, release: Release) -> Result<()> {
    fs::create_dir_all(project.machines()).context("the target directory cannot be written")?;
    packages::refresh();
    if emulator(project).is_none() {
        // Installed, it would need root, and on some machines push out another qemu.
        let others = unpacked::missing_for(EMULATOR_PACKAGE)?;
        unpacked::fetch(EMULATOR_PACKAGE, &others, &own_emulator(project))?;
    }
    if present(busybox(project)).is_none() {
        let folder = project.machines().join(BUSYBOX_PACKAGE);
        unpacked::fetch(BUSYBOX_PACKAGE, &[], &folder)?;
    }
    let linux = linux(project, release);
    if !linux.is_dir() {
        let package = unpacked::behind(release.package())?;
        ensure!(
            is_of(release, &package),
            "{} is {package} here; Linux {} is in Debian 12: name its archive in apt's sources, or \
             unpack its kernel package into {}",
            release.package(),
            release.name(),
            linux.display()
        );
        unpacked::fetch(&package, &[], &linux)?;
    }
    Ok(())
}

/// The machine's own emulator, else the one that was unpacked, with its root.
fn emulator(project: &Project) -> Option<(PathBuf, Option<PathBuf>)> {
    if let Some(found) = packages::locate(EMULATOR) {
        return Some((found, None));
    }
    let root = own_emulator(project);
    present(root.join("usr/bin").join(EMULATOR)).map(|program| (program, Some(root)))
}

fn own_emulator(project: &Project) -> PathBuf {
    project.machines().join(EMULATOR_PACKAGE)
}

fn busybox(project: &Project) -> PathBuf {
    project.machines().join(BUSYBOX_PACKAGE).join("bin/busybox")
}

fn linux(project: &Project, release: Release) -> PathBuf {
    project.machines().join(format!("linux-{}", release.name()))
}

fn present(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

/// Whether a kernel package is of this release and not of one whose name begins alike.
fn is_of(release: Release, package: &str) -> bool {
    let rest =
        package.strip_prefix("linux-image-").and_then(|rest| rest.strip_prefix(release.name()));
    rest.is_some_and(|rest| rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_package_is_told_from_that_of_another_release() {
        assert!(is_of(Release::Linux6_1, "linux-image-6.1.0-56-cloud-amd64"));
        assert!(!is_of(Release::Linux6_1, "linux-image-6.12.9-cloud-amd64"));
        assert!(!is_of(Release::Linux6_1, "linux-image-cloud-amd64"));
    }

    #[test]
    fn every_release_goes_by_its_name_on_the_command_line() {
        for release in Release::ALL {
            assert_eq!(Release::from_str(release.name(), false), Ok(*release));
        }
        assert!(Release::from_str("5.15", false).is_err());
    }
}
