//! A terminal as people have one, of any size: what a program draws on it, and the keys it gets.

#![expect(clippy::expect_used, reason = "parts of tests may panic")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::getpgrp;

/// A pseudo terminal and its screen.
pub struct Terminal {
    keys: File,
    end: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// A terminal of a size; none of it may be zero.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("the kernel has terminals");
        let [rows, columns] = [rows, columns].map(|size| size.try_into().expect("not zero"));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let mut out = File::from(pty.master.try_clone().expect("a file"));
        let drawn = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut bytes) {
                let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                drawn.process(bytes.get(..length).unwrap_or_default());
            }
        });
        Self { keys: File::from(pty.master), end: pty.slave, screen }
    }

    /// Gives a command this terminal: to read from, to write to, and to belong to.
    pub fn give(&self, command: &mut Command) {
        let end = || Stdio::from(self.end.try_clone().expect("a file"));
        command.stdin(end()).stdout(end()).stderr(end());
        // A session of its own takes who leads no group.
        command.process_group(getpgrp().as_raw());
        // SAFETY: both calls are system calls alone, of the child between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let leads = libc::setsid() >= 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0;
                if leads { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// The screen, held as it is.
    pub fn screen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on the screen.
    #[must_use]
    pub fn text(&self) -> String {
        self.screen().screen().contents()
    }

    /// How it is set.
    #[must_use]
    pub fn settings(&self) -> Termios {
        tcgetattr(self.end.as_fd()).expect("a terminal")
    }
}
