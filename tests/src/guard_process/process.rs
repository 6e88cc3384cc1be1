//! What a run of the `guard` binary leaves: the answer of a verb, or a daemon that goes on.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{PATIENCE, eventually};

/// Runs a command to its end.
pub fn answer(command: &mut Command) -> Answer {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = Answer { code: status.code(), out: text(stdout), err: text(stderr) };
    assert!(!answer.err.contains("panicked"), "guard panicked: {}", answer.err);
    answer
}

/// What a verb answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Answer {
    /// Asserts that it worked.
    #[track_caller]
    #[must_use]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    /// Asserts that it failed with this code, with one error that ends with the next step and
    /// contains these words; the error.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> String {
        let Self { code: found, out, err } = self;
        assert_eq!(found, Some(code), "{out}{err}");
        assert!(err.contains("\n  next"), "no next step: {err}");
        let errors = err.lines().filter(|line| line.starts_with("guard: ")).count();
        assert_eq!(errors, 1, "not one error: {err}");
        for word in words {
            assert!(err.contains(word), "no {word:?} in: {err}");
        }
        err
    }

    /// Standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.out))
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Daemon {
    /// Its process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has logged this: what is seen of a change comes before what is said of it,
    /// by as long as the disk takes to keep the record.
    pub fn logs(&self, text: &str) {
        assert!(eventually(PATIENCE, || self.log().contains(text)), "no {text:?}: {}", self.log());
    }

    /// Ends it by a signal and waits for its end; its exit code, if it had the choice.
    pub fn end(mut self, signal: Signal) -> Option<i32> {
        let process = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("it is still there");
        let mut code = None;
        let ended = eventually(PATIENCE, || {
            let status = self.child.try_wait().expect("our own child");
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        assert!(ended, "{signal} does not end it: {}", self.log());
        code
    }

    /// Kills it as the kernel does when memory is short.
    pub fn kill(self) {
        self.end(Signal::SIGKILL);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
