//! What can go wrong between controller and kernel, and what to do about it.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// An error of the kernel side. Every text ends with the next step.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The caller may not do this.
    #[error(
        "not permitted to {what}: {reason}\n  next: run as root, or give the process \
         CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
    )]
    NotPermitted {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        reason: String,
    },
    /// The kernel refused the object.
    #[error("the kernel does not load the guard: {reason}\n  next: {step}")]
    Load {
        /// The kernel's answer.
        reason: String,
        /// What to do.
        step: &'static str,
    },
    /// A map is missing or not what it should be.
    #[error("map {map}: {reason}\n  next: `guard unload`, then `guard run` again")]
    Map {
        /// Name of the map.
        map: String,
        /// What is wrong with it.
        reason: String,
    },
    /// State of another version is pinned.
    #[error(
        "{path}: the pinned state has ABI version {found}, this guard speaks {expected}; the \
         running guard was left alone\n  next: use the guard binary that fits it, or start \
         the daemon of this one, which replaces it without a gap: counters begin anew"
    )]
    OtherAbi {
        /// Where it is pinned.
        path: PathBuf,
        /// Version found.
        found: u64,
        /// Version of this binary.
        expected: u32,
    },
    /// Nothing is loaded.
    #[error(
        "no guard is loaded under {path}{why}\n  next: start one with `guard run -c guard.toml`, \
         or name its pin directory with --pin-dir"
    )]
    NotLoaded {
        /// The pin directory.
        path: PathBuf,
        /// Why, if it is known: begins with a comma.
        why: &'static str,
    },
    /// A file system operation failed.
    #[error("{path}: {reason}\n  next: {step}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        step: &'static str,
    },
    /// An interface is not there.
    #[error(
        "interface {name}: no such interface here\n  next: `ip link` lists those there are; \
         correct the name in [[interface]] and `guard apply` the file, or create it first"
    )]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// Somebody else's program is on the interface.
    #[error("interface {name}: {occupant} is attached already and was left alone\n  next: {step}")]
    Occupied {
        /// The interface.
        name: String,
        /// Who is there.
        occupant: String,
        /// What to do.
        step: String,
    },
    /// The interface does not take the program.
    #[error("interface {name}: cannot attach in {mode} mode: {reason}\n  next: {step}")]
    Attach {
        /// The interface.
        name: String,
        /// "native" or "generic".
        mode: &'static str,
        /// The kernel's answer.
        reason: String,
        /// What to do.
        step: &'static str,
    },
    /// An interface did not come back after its program was attached or detached.
    #[error("interface {name}: {what}, {seconds} s after its program changed\n  next: {step}")]
    Unsettled {
        /// The interface.
        name: String,
        /// What is missing.
        what: String,
        /// How long was waited.
        seconds: u64,
        /// What to do.
        step: &'static str,
    },
    /// Somebody else is changing the guard.
    #[error(
        "another guard holds {path}{holder}\n  next: wait for it, stop it, or give this one \
         a pin directory and state directory of its own"
    )]
    Locked {
        /// The lock.
        path: PathBuf,
        /// " (process 4711)", if known.
        holder: String,
    },
    /// There is no room.
    #[error("{what} is full: {limit} places\n  next: {step}")]
    Full {
        /// What is full.
        what: &'static str,
        /// How many places it has.
        limit: u32,
        /// What to do.
        step: &'static str,
    },
}

impl KernelError {
    /// An error about a path.
    pub fn path(path: &Path, reason: impl ToString, step: &'static str) -> Self {
        Self::Path { path: path.to_path_buf(), reason: reason.to_string(), step }
    }

    /// An error about a map.
    pub fn map(map: &str, reason: impl ToString) -> Self {
        Self::Map { map: map.to_owned(), reason: reason.to_string() }
    }
}
