//! Real SIP peers (sipp): callers and the answering side of dispatch centres.
//!
//! Owns how sipp is run and what its statistics say. How long set-up takes is not asked of sipp,
//! whose clock is coarse, but of the packets: [`ear`].

pub mod ear;

use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::netns::{Namespace, device};

const CALLER: &str = include_str!("../../scenarios/caller.xml");
const PSAP: &str = include_str!("../../scenarios/psap.xml");

/// A peer's media port lies so far above its port of signalling.
const MEDIA: u16 = 10_000;

/// How long a peer may take to be ready.
const READY: Duration = Duration::from_secs(5);
/// How long a peer may take to end.
const END: Duration = Duration::from_secs(1);

/// What a caller does.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Where from; the address must be the namespace's.
    pub from: SocketAddrV4,
    /// Where to.
    pub to: SocketAddrV4,
    /// The Request-URI, such as `urn:service:sos` or `sip:911@192.0.2.1`.
    pub uri: String,
    /// The number of who calls.
    pub number: String,
    /// How many.
    pub count: u32,
    /// Calls begun a second.
    pub rate: u32,
}

/// What the Call-IDs of a caller of that name end in.
#[must_use]
pub fn call_ids_end(name: &str) -> String {
    format!("@{name}.example")
}

/// Counts of calls, as sipp keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Begun.
    pub begun: u64,
    /// Came to their regular end: answered, held, hung up.
    pub completed: u64,
    /// Did not.
    pub failed: u64,
}

/// A caller at work; it is killed when dropped.
#[derive(Debug)]
pub struct Uac {
    sipp: Sipp,
}

impl Uac {
    /// Starts to call. Files go to `directory`, their names begin with `name`.
    ///
    /// # Errors
    ///
    /// sipp is missing, or the directory is not to be written to.
    pub fn start(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        calls: &Calls,
    ) -> Result<Self> {
        let Calls { from, to, uri, number, count, rate } = calls;
        let (count, rate) = (count.to_string(), rate.to_string());
        let remote = to.to_string();
        let arguments = [
            ["-m", &count],
            // The Call-ID tells callers apart: see `call_ids_end`.
            ["-cid_str", &format!("%u{}", call_ids_end(name))],
            ["-r", &rate],
            // No more at a time than could be waiting for each other's answers.
            ["-l", &count],
            ["-key uri", uri],
            ["-key number", number],
            // A stranger's URN says nothing of where it goes; a Route does.
            ["-key route", &format!("Route: <sip:{to};lr>")],
        ];
        let mut words = vec![remote.as_str()];
        for [option, value] in &arguments {
            words.extend(option.split(' '));
            words.push(value);
        }
        let sipp = Sipp::start(namespace, directory, name, CALLER, *from, &words)?;
        Ok(Self { sipp })
    }

    /// Whether all calls have ended.
    ///
    /// # Errors
    ///
    /// sipp cannot be asked.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.sipp.ended()?.is_some())
    }

    /// Asks it to give up the calls that still are under way; [`Uac::finish`] waits for it.
    ///
    /// # Errors
    ///
    /// sipp cannot be told.
    pub fn hang_up(&mut self) -> Result<()> {
        self.sipp.ask_to_end()
    }

    /// What has become of the calls; those that still are under way are given up.
    ///
    /// # Errors
    ///
    /// sipp failed otherwise than by failed calls, or left no statistics.
    pub fn finish(mut self) -> Result<Tally> {
        match self.sipp.ended()? {
            Some(status) if !has_called(status) => bail!("{}", self.sipp.complaint(status)),
            Some(_) => {}
            None => self.sipp.end()?,
        }
        self.sipp.tally()
    }
}

/// Whether sipp did what it was asked to. 0: all calls completed, 1: some did not, 99: none was
/// made. What ended it by a signal was this process.
fn has_called(status: ExitStatus) -> bool {
    matches!(status.code(), None | Some(0 | 1 | 99))
}

/// The answering side of a dispatch centre; it is killed when dropped.
#[derive(Debug)]
pub struct Uas {
    sipp: Sipp,
}

impl Uas {
    /// Starts to answer calls, and returns when it is ready to. Files go to `directory`, their
    /// names begin with `name`.
    ///
    /// # Errors
    ///
    /// sipp is missing or cannot listen there, or the directory is not to be written to.
    pub fn start(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        at: SocketAddrV4,
    ) -> Result<Self> {
        let sipp = Sipp::start(namespace, directory, name, PSAP, at, &[])?;
        Self::when_ready(sipp, namespace, at)
    }

    /// The same with a receive buffer of so many bytes, by the kernel's count: see
    /// [`crate::flood::footprint`].
    ///
    /// # Errors
    ///
    /// See [`Uas::start`].
    pub fn start_with_buffer(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        at: SocketAddrV4,
        bytes: usize,
    ) -> Result<Self> {
        // The kernel grants twice what is asked for.
        let more = ["-buff_size", &(bytes / 2).to_string()];
        let sipp = Sipp::start(namespace, directory, name, PSAP, at, &more)?;
        Self::when_ready(sipp, namespace, at)
    }

    fn when_ready(mut sipp: Sipp, namespace: &Namespace, at: SocketAddrV4) -> Result<Self> {
        if let Err(error) = device::await_udp_port(namespace, at.port(), READY) {
            return match sipp.ended()? {
                Some(status) => Err(error.context(sipp.complaint(status))),
                None => Err(error),
            };
        }
        Ok(Self { sipp })
    }

    /// Stops; what sipp says of the calls it had.
    ///
    /// # Errors
    ///
    /// sipp had ended before, or left no statistics.
    pub fn finish(mut self) -> Result<Tally> {
        if let Some(status) = self.sipp.ended()? {
            bail!("{}", self.sipp.complaint(status));
        }
        self.sipp.end()?;
        self.sipp.tally()
    }
}

/// A running sipp.
/// A running sipp; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Sipp {
    name: String,
    child: Child,
    statistics: PathBuf,
    output: PathBuf,
}

impl Sipp {
    /// Starts it with a scenario on a socket of its own; files go to `directory`.
    pub(crate) fn start(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        scenario: &str,
        local: SocketAddrV4,
        more: &[&str],
    ) -> Result<Self> {
        let file = |ending: &str| directory.join(format!("{name}.{ending}"));
        let (script, statistics, output) = (file("xml"), file("csv"), file("out"));
        let unwritable = || format!("cannot write to {}", directory.display());
        fs::write(&script, scenario).with_context(unwritable)?;
        let output_file = fs::File::create(&output).with_context(unwritable)?;
        let (ip, port) = (local.ip().to_string(), local.port().to_string());
        // Two on one address must not want the same media port.
        let media_port = local.port().saturating_add(MEDIA).to_string();
        let child = namespace
            .command("sipp")
            .current_dir(directory)
            .arg("-sf")
            .arg(&script)
            .args(["-i", &ip, "-p", &port, "-mp", &media_port, "-nostdin"])
            .args(["-trace_stat", "-fd", "1", "-stf"])
            .arg(&statistics)
            .args(more)
            .stdout(Stdio::from(output_file.try_clone()?))
            .stderr(Stdio::from(output_file))
            .spawn()
            .context("cannot start `sipp`; run `cargo xtask setup`, or install sip-tester")?;
        Ok(Self { name: name.to_owned(), child, statistics, output })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        status.with_context(|| format!("lost track of sipp {}", self.name))
    }

    /// Asks it to end, which writes its last statistics.
    fn ask_to_end(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            let process = Pid::from_raw(i32::try_from(self.child.id())?);
            signal::kill(process, Signal::SIGTERM)?;
        }
        Ok(())
    }

    /// Ends it. One that has ten thousands of calls open may not come to it by itself and is
    /// killed; its statistics then are a second old.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.ask_to_end()?;
        let deadline = Instant::now() + END;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The last line of the statistics.
    pub(crate) fn tally(&self) -> Result<Tally> {
        let path = self.statistics.display();
        let text = fs::read_to_string(&self.statistics)
            .with_context(|| format!("sipp {} left no statistics at {path}", self.name))?;
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default().split(';');
        let values: Vec<&str> = lines.next_back().unwrap_or_default().split(';').collect();
        let columns: Vec<&str> = names.collect();
        let of = |wanted: &str| -> Result<u64> {
            columns
                .iter()
                .position(|name| *name == wanted)
                .and_then(|place| values.get(place)?.parse().ok())
                .with_context(|| format!("{path} has no number for {wanted}; is it sipp 3.6?"))
        };
        Ok(Tally {
            begun: of("TotalCallCreated")?,
            completed: of("SuccessfulCall(C)")?,
            failed: of("FailedCall(C)")?,
        })
    }

    /// What it said when it failed.
    pub(crate) fn complaint(&self, status: ExitStatus) -> String {
        let output = fs::read_to_string(&self.output).unwrap_or_default();
        // What went wrong comes before the screens of statistics.
        let said = output.lines().find(|line| !line.is_empty() && !line.starts_with("Resolving"));
        let (name, said) = (&self.name, said.unwrap_or("nothing"));
        format!("sipp {name} ended with {status} and said: {said}")
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
