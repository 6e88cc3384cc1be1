//! What `cargo xtask package` has made, which is where `cargo xtask test` says.

#![expect(clippy::panic, reason = "a test without what it needs fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The file that `cargo xtask package` made and whose name ends so.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn made(ending: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/package");
    let folder = std::env::var_os("GUARD_PACKAGES").map_or(built, PathBuf::from);
    let folders = [folder.join("deb"), folder.clone()];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let mut paths = entries.flatten().map(|entry| entry.path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(ending));
    found.unwrap_or_else(|| panic!("no *{ending} in {}; `cargo xtask package`", folder.display()))
}
