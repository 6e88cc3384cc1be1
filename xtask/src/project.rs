//! Where things are: the workspace, its target directory, the tools and objects below it.
//!
//! Every path another module uses is spelled here once. Knows no commands but cargo's
//! own environment.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace and its output directory, both absolute.
pub struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Finds the workspace this binary belongs to.
    ///
    /// Fails when the current directory cannot be read or the workspace is gone.
    pub fn locate() -> Result<Self> {
        // At run time cargo says where the crate is now; the compiled-in path serves a bare run.
        let own = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own
            .parent()
            .context("xtask has no parent directory; run it as `cargo xtask` in the workspace")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            // Cargo reads a relative one against the current directory.
            Some(chosen) if !chosen.is_empty() => env::current_dir()
                .context("the current directory cannot be read; change to the workspace")?
                .join(chosen),
            _ => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The workspace's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Root for `cargo install --root`: tools built for this project alone.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Where a tool of that name is, once it is built.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    /// Cargo's directory for the kernel half: its own, as the flags differ from the host's.
    pub fn bpf_build(&self) -> PathBuf {
        self.target.join("bpf-build")
    }

    /// Cargo's directory for the fuzz target, whose flags differ, too; and what fuzzing found.
    pub fn fuzz_build(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// What `cargo xtask package` makes.
    pub fn packages(&self) -> PathBuf {
        self.target.join("package")
    }

    /// Cargo's directory for the static binary, whose flags differ from the dynamic one's.
    pub fn static_build(&self) -> PathBuf {
        self.target.join("static")
    }

    /// Where the finished kernel objects lie; guard-user embeds them from here.
    pub fn bpf(&self) -> PathBuf {
        self.target.join("bpf")
    }

    /// Emulators and kernels unpacked for this project alone.
    pub fn machines(&self) -> PathBuf {
        self.target.join("machines")
    }

    /// Prometheus, unpacked.
    pub fn prometheus(&self) -> PathBuf {
        self.target.join("prometheus")
    }

    /// A binary of the host workspace.
    pub fn binary(&self, profile: Profile, name: &str) -> PathBuf {
        self.target.join(profile.directory()).join(name)
    }

    /// Whether the test crate has a file of that name.
    pub fn is_test_file(&self, name: &str) -> bool {
        self.root.join("tests/tests").join(name).with_extension("rs").is_file()
    }

    /// The cargo that runs this xtask, pointed at this workspace and its kernel objects.
    pub fn cargo(&self, verb: &str) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned());
        let mut command = Command::new(cargo);
        command.arg(verb).current_dir(&self.root);
        self.dress(&mut command);
        command
    }

    /// Gives a command what guard's build script and tests look for, and takes away what
    /// cargo set for xtask itself.
    pub fn dress(&self, command: &mut Command) {
        forget_own_package(command);
        command.env("CARGO_TARGET_DIR", &self.target).env("GUARD_BPF_DIR", self.bpf());
    }
}

/// How the host half is compiled.
#[derive(Clone, Copy)]
pub enum Profile {
    /// Quick to compile.
    Dev,
    /// What is shipped, and what tests, demo and bench run.
    Release,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Removes the variables by which cargo tells a binary about its own package.
///
/// A nested cargo does not need them, and a build script that watches one would run again.
pub fn forget_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}
