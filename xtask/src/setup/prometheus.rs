//! Prometheus and promtool, which the tests of the metrics ask.
//!
//! Debian's package would make a user and start a service on this machine, and nothing here wants
//! either: it is unpacked into the target directory. One on the path serves as well.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{packages, unpacked};
use crate::project::Project;

/// Debian's package; the server's program has the same name.
pub const PACKAGE: &str = "prometheus";
/// Checks rules and metrics; of the same package.
const TOOL: &str = "promtool";

/// The folder with both programs, if it is there.
pub fn find(project: &Project) -> Option<PathBuf> {
    let folder = project.prometheus().join("usr/bin");
    if [PACKAGE, TOOL].iter().all(|program| folder.join(program).is_file()) {
        return Some(folder);
    }
    let folder = packages::locate(PACKAGE)?.parent()?.to_owned();
    folder.join(TOOL).is_file().then_some(folder)
}

/// Finds or downloads them.
pub fn ensure(project: &Project) -> Result<PathBuf> {
    if let Some(folder) = find(project) {
        return Ok(folder);
    }
    packages::refresh();
    // What the package needs besides is for its web pages.
    unpacked::fetch(PACKAGE, &[], &project.prometheus())
        .context("cannot get Debian's prometheus, which checks the metrics")?;
    find(project).context("Debian's prometheus is without promtool")
}
