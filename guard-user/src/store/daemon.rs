//! The lock that the daemon holds as long as it lives, and by which others know that it does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{Store, refused};
use crate::kernel::KernelError;

const DAEMON: &str = "daemon.lock";
/// How long a daemon waits for its lock: whoever asks whether one runs has it for a moment.
const DAEMON_PATIENCE: Duration = Duration::from_millis(500);

/// Held by the daemon as long as it lives.
pub struct DaemonLock {
    _lock: Flock<File>,
}

impl Store {
    /// Takes the daemon's lock.
    pub fn lock_daemon(&self) -> Result<DaemonLock, KernelError> {
        let path = self.0.join(DAEMON);
        let failed = |error: io::Error| {
            refused("write", &path, &error, "run as root, or name another state-dir")
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Whoever can open it can lock it.
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let started = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    lock.set_len(0).map_err(failed)?;
                    writeln!(lock, "{}", process::id()).map_err(failed)?;
                    return Ok(DaemonLock { _lock: lock });
                }
                Err((back, Errno::EWOULDBLOCK)) if started.elapsed() < DAEMON_PATIENCE => {
                    file = back;
                    sleep(Duration::from_millis(20));
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    let holder = self
                        .daemon_process()
                        .map_or(String::new(), |process| format!(" (process {process})"));
                    return Err(KernelError::Locked { path, holder });
                }
                Err((_, error)) => return Err(failed(error.into())),
            }
        }
    }

    /// Process id of the running daemon; `None` if nobody holds its lock.
    #[must_use]
    pub fn daemon(&self) -> Option<u32> {
        let file = File::open(self.0.join(DAEMON)).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => None,
            Err(_) => self.daemon_process(),
        }
    }

    fn daemon_process(&self) -> Option<u32> {
        fs::read_to_string(self.0.join(DAEMON)).ok()?.trim().parse().ok()
    }
}
