//! Cargo's helpers: the test runner, the licence checker and the packager.
//!
//! One that is installed already serves; else it is built, at a version known to compile
//! with the workspace's Rust, into the target directory, so that nothing outside changes.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::locate;
use crate::project::Project;
use crate::run;

/// A cargo subcommand that can be built from crates.io.
#[derive(Clone, Copy)]
pub struct Tool {
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

/// Runs the tests. Without its self-update, which is half of what it compiles.
pub const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
    features: &["--no-default-features", "--features", "default-no-update"],
};

/// Checks licences, sources and duplicates.
pub const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", features: &[] };

/// Makes the Debian package.
pub const CARGO_DEB: Tool =
    Tool { name: "cargo-deb", version: "3.8.0", features: &["--no-default-features"] };

impl Tool {
    /// The crate's and the program's name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The program, when it is there: the project's own before the machine's.
    pub fn find(self, project: &Project) -> Option<PathBuf> {
        let own = project.tool(self.name);
        if own.is_file() {
            return Some(own);
        }
        locate(self.name)
    }

    /// The program, built when it is not there.
    pub fn ensure(self, project: &Project) -> Result<PathBuf> {
        if let Some(found) = self.find(project) {
            return Ok(found);
        }
        let mut install = project.cargo("install");
        install
            // Its own temporary directory: the project's is not the place for strangers.
            .env_remove("CARGO_TARGET_DIR")
            .arg("--locked")
            .args(self.features)
            .arg("--root")
            .arg(project.tools())
            .arg(format!("{}@{}", self.name, self.version));
        run::step(&format!("build {} {}", self.name, self.version), &mut install)?;
        Ok(project.tool(self.name))
    }
}
