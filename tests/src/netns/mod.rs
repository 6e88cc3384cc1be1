//! Network namespaces without names: a file descriptor holds each, so nothing of them is to be
//! seen from the host, and the kernel takes them away with the process that made them, however
//! it ends.
//!
//! Owns how work and programs get into a namespace. Must not know what a test or the demo
//! builds from them.

pub mod bpffs;
pub mod device;
pub mod veth;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};

/// A network namespace, gone when the last handle and the last program in it are.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    handle: Arc<File>,
}

impl Namespace {
    /// Makes a namespace with nothing but a loopback device, which is up. The name is for
    /// messages only.
    ///
    /// # Errors
    ///
    /// No privilege, or a kernel without network namespaces.
    pub fn create(name: &str) -> Result<Self> {
        // In a thread of its own: the caller stays where it is.
        let made = in_thread(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let handle = made.with_context(|| {
            format!("cannot make the network namespace {name}; run as root (sudo)")
        })?;
        let namespace = Self { name: name.to_owned(), handle: Arc::new(handle) };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The name given at creation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path by which other programs (such as `ip link add .. netns`) find the namespace for as
    /// long as this process has it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let (process, number) = (process::id(), self.handle.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{number}"))
    }

    /// Does something in the namespace, in a thread that ends with it. Not the place to start
    /// programs that should live on: see [`Namespace::command`].
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered: no privilege.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        in_thread(|| {
            self.enter()?;
            Ok(work())
        })
    }

    /// Moves the calling thread into the namespace for good.
    ///
    /// # Errors
    ///
    /// No privilege.
    pub fn enter(&self) -> Result<()> {
        setns(&*self.handle, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("cannot enter the network namespace {}", self.name))
    }

    /// A command that will run in the namespace, apart from the terminal's signals and with
    /// nothing to read. It is killed when the thread that starts it ends, so that nothing
    /// outlives a killed test or demo.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).process_group(0);
        let handle = Arc::clone(&self.handle);
        let parent = process::id();
        // SAFETY: between fork and exec only system calls may be made, no memory allocated and
        // no lock taken. These are five plain system calls (setns, prctl, getppid and two of the
        // signal mask) on values that the closure owns; an error is a number until the parent
        // makes a text of it.
        unsafe {
            command.pre_exec(move || {
                setns(&*handle, CloneFlags::CLONE_NEWNET)?;
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have ended before the line above.
                if process_gone(parent) {
                    return Err(nix::errno::Errno::ESRCH.into());
                }
                // A blocked mask would be inherited, and with it deafness to a request to end.
                SigSet::empty().thread_set_mask()?;
                Ok(())
            });
        }
        command
    }

    /// Runs `ip` in the namespace.
    ///
    /// # Errors
    ///
    /// `ip` is missing or does not succeed; its own words are in the error.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        self.succeed("ip", arguments)
    }

    /// Runs a program in the namespace to its end.
    ///
    /// # Errors
    ///
    /// The program is missing or does not succeed; its own words are in the error.
    pub fn succeed(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let line = format!("{program} {}", arguments.join(" "));
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot start `{line}`; is {program} installed?"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` in {}: {}", self.name, said.trim())
    }

    /// Writes a setting below `/proc/sys/net`, such as `ipv4/ip_forward`.
    ///
    /// # Errors
    ///
    /// The kernel has no such setting or refuses the value.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys/net").join(key);
        // Which namespace's setting it is depends on who writes.
        self.run(|| fs::write(&path, value))?
            .with_context(|| format!("cannot set {} to {value}", path.display()))
    }

    /// The descriptor, for whoever wants to hold the namespace otherwise.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&*self.handle)
    }
}

fn process_gone(parent: u32) -> bool {
    u32::try_from(nix::unistd::getppid().as_raw()) != Ok(parent)
}

/// Runs the work in a thread of its own; its panic is the caller's.
fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(value) => value,
        Err(reason) => panic::resume_unwind(reason),
    })
}
