//! Who owns what is pinned and kept, and who may read it: in one place, and said explicitly.
//!
//! Everything belongs to whoever owns the pin directory or the state directory, so that a daemon
//! without root's rights can work on what root's verbs make. A group may read the few maps and
//! files that `guard status`, `psaps` and `drops` need. Directories that are locked, and
//! programs, which whoever can open them can run, are not for it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, fchown};
use std::path::Path;

use nix::unistd::{Group, Uid};

/// Its owner alone.
const PRIVATE: u32 = 0o600;
/// The group reads.
const READABLE: u32 = 0o640;
/// A folder of its owner.
const FOLDER: u32 = 0o700;
/// A folder that the group may list.
const LISTED: u32 = 0o750;
/// A folder that the group may pass, and not open, so that it cannot lock it.
const PASSED: u32 = 0o710;

/// What a group that reads may do with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    None,
    /// Read a file or pin.
    Read,
    /// List a folder.
    List,
    /// Pass a folder.
    Pass,
}

/// Number of a group, which may be written as its name or as that number.
pub fn group(name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(name)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no group {name}; `groupadd --system {name}` makes it"),
        )),
    }
}

/// Gives a path the owner of `top`, and the group that may see it, if any.
pub fn set(path: &Path, top: &Path, group: Option<u32>, sight: Sight) -> io::Result<()> {
    let now = fs::metadata(path)?;
    let owner = fs::metadata(top)?.uid();
    // Only root gives away, and it may have to.
    let owner = (Uid::effective().is_root() && owner != now.uid()).then_some(owner);
    let group_now = now.gid();
    let group_new = group.filter(|group| *group != group_now);
    if owner.is_some() || group_new.is_some() {
        chown(path, owner, group_new)?;
    }
    let mode = match (group, sight) {
        (Some(_), Sight::Read) => READABLE,
        (Some(_), Sight::List) => LISTED,
        (Some(_), Sight::Pass) => PASSED,
        _ if now.is_dir() => FOLDER,
        _ => PRIVATE,
    };
    if now.mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Gives a new file owner and group of its folder, as far as the caller may, and lets the group
/// read it, whatever the caller's umask.
pub fn follow(file: &fs::File, folder: &Path) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(READABLE))?;
    belong(file, folder)
}

/// The same for a file that the group may not read.
pub fn follow_private(file: &fs::File, folder: &Path) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(PRIVATE))?;
    belong(file, folder)
}

fn belong(file: &fs::File, folder: &Path) -> io::Result<()> {
    let (top, now) = (fs::metadata(folder)?, file.metadata()?);
    let owner = (Uid::effective().is_root() && top.uid() != now.uid()).then_some(top.uid());
    let group = (top.gid() != now.gid()).then_some(top.gid());
    match (owner, group) {
        (None, None) => Ok(()),
        _ => fchown(file, owner, group),
    }
}
