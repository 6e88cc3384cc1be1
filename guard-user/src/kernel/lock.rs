//! Locks on the pin directory: one daemon, one change at a time.
//!
//! Kernel locks on folders, which go with whoever held them, however it ended.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::KernelError;
use super::pins::PinDir;

/// How long a change waits for another to finish.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How long a daemon waits for the lock: whoever asks for its holder has it for a moment.
const DAEMON_PATIENCE: Duration = Duration::from_millis(500);
/// Name of the folder that the daemon locks.
pub(super) const DAEMON: &str = "daemon";

/// How long a switch of the bypass waits for another: each is a few writes.
const BYPASS_PATIENCE: Duration = Duration::from_millis(500);
/// Name of the folder of generations, locked by who switches the bypass: only its owner and root
/// open it.
pub(super) const GENERATIONS: &str = "generations";

/// Held by the daemon as long as it lives.
pub struct DaemonLock {
    _lock: Flock<File>,
}

/// The right to read the ring of samples, until dropped.
pub struct ReaderLock {
    _lock: Flock<File>,
}

/// Nobody else switches the bypass, until dropped.
pub struct BypassLock {
    _lock: Flock<File>,
}

/// The right to change what is pinned, until dropped.
pub struct ChangeLock {
    _lock: Flock<File>,
}

impl PinDir {
    /// Takes the daemon's lock: one daemon for what is pinned here, whatever its state directory.
    pub fn lock_daemon(&self) -> Result<DaemonLock, KernelError> {
        let path = self.path().join(DAEMON);
        match take(self.open_daemon()?, DAEMON_PATIENCE) {
            Ok(lock) => Ok(DaemonLock { _lock: lock }),
            Err((folder, Errno::EWOULDBLOCK)) => Err(locked(path, &folder)),
            Err((_, error)) => Err(KernelError::path(&path, error, "run as root")),
        }
    }

    /// Process id of the running daemon; `None` if nobody holds its lock.
    #[must_use]
    pub fn daemon(&self) -> Option<u32> {
        holder(&fs::metadata(self.path().join(DAEMON)).ok()?)
    }

    fn open_daemon(&self) -> Result<File, KernelError> {
        let path = self.path().join(DAEMON);
        let open =
            fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_DIRECTORY).open(&path);
        open.map_err(|error| KernelError::path(&path, error, "run as root"))
    }

    /// The right to read the ring of samples, which has one reader.
    pub fn lock_reader(&self) -> Result<ReaderLock, KernelError> {
        self.must_be_loaded()?;
        let path = self.state_folder();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => KernelError::NotPermitted {
                what: "read samples of frames".to_owned(),
                reason: error.to_string(),
            },
            _ => KernelError::path(&path, error, "run as root"),
        };
        let folder = File::open(&path).map_err(failed)?;
        match take(folder, Duration::ZERO) {
            Ok(lock) => Ok(ReaderLock { _lock: lock }),
            Err((folder, Errno::EWOULDBLOCK)) => Err(locked(path, &folder)),
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// The right to change what is pinned; waits a little for whoever has it.
    pub fn lock(&self) -> Result<ChangeLock, KernelError> {
        let step = "start a guard with `guard run -c guard.toml`";
        let folder = fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_DIRECTORY)
            .open(self.path())
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => self.not_loaded(),
                io::ErrorKind::PermissionDenied => KernelError::NotPermitted {
                    what: format!("change the guard in {}", self.path().display()),
                    reason: error.to_string(),
                },
                _ => KernelError::path(self.path(), error, step),
            })?;
        match take(folder, LOCK_PATIENCE) {
            Ok(lock) => Ok(ChangeLock { _lock: lock }),
            Err((folder, Errno::EWOULDBLOCK)) => Err(locked(self.path().to_path_buf(), &folder)),
            Err((_, error)) => Err(KernelError::path(self.path(), error, step)),
        }
    }

    /// Keeps others from switching the bypass meanwhile. Nobody waits long for it, and who does not
    /// get it goes on without: nothing keeps a person from the bypass.
    pub fn lock_bypass(&self) -> Option<BypassLock> {
        let folder = File::open(self.path().join(GENERATIONS)).ok()?;
        let lock = take(folder, BYPASS_PATIENCE).ok()?;
        Some(BypassLock { _lock: lock })
    }
}

/// Locks a folder, waiting for so long for whoever has it; the folder and the reason if not.
fn take(mut folder: File, patience: Duration) -> Result<Flock<File>, (File, Errno)> {
    let started = Instant::now();
    loop {
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) if started.elapsed() < patience => {
                folder = back;
                sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Somebody else has the lock of a folder: who.
fn locked(path: PathBuf, folder: &File) -> KernelError {
    let holder = folder.metadata().ok().and_then(|folder| holder(&folder));
    let holder = holder.map_or(String::new(), |process| format!(" (process {process})"));
    KernelError::Locked { path, holder }
}

/// The process that holds a lock on a file, from the kernel's list: of all locks, so that asking
/// takes none.
fn holder(file: &Metadata) -> Option<u32> {
    let inode = format!(":{}", file.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 00:2a:1234 0 EOF
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        (fields.next()? == "FLOCK" && fields.nth(1)? == "WRITE").then_some(())?;
        let process = fields.next()?.parse().ok()?;
        fields.next()?.ends_with(&inode).then_some(process)
    })
}
