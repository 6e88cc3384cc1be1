//! A BPF file system of one's own: what is pinned in it is nobody else's to see, and gone with
//! whoever mounted it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// A mounted private BPF file system.
#[derive(Debug)]
pub struct PrivateBpffs {
    path: PathBuf,
}

impl PrivateBpffs {
    /// Mounts a BPF file system at a directory, which must exist, in a mount namespace that
    /// this makes for the calling thread. Only this thread, and threads and programs it starts
    /// from now on, see it.
    ///
    /// # Errors
    ///
    /// No privilege, or a kernel without a BPF file system.
    pub fn mount(directory: &Path) -> Result<Self> {
        let nothing = None::<&Path>;
        unshare(CloneFlags::CLONE_NEWNS)
            .context("cannot make a mount namespace; run as root (sudo)")?;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
            .context("cannot keep mounts to this process; run as root (sudo)")?;
        mount(Some("bpf"), directory, Some("bpf"), MsFlags::empty(), nothing).with_context(
            || format!("cannot mount a BPF file system at {}", directory.display()),
        )?;
        Ok(Self { path: directory.to_path_buf() })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateBpffs {
    fn drop(&mut self) {
        // Should it fail, the mount goes with the last thread of the mount namespace.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}
