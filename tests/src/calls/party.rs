//! Whoever speaks SIP in these tests: callers and desks, each a sipp with a scenario of its own.

use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::bodies::Body;
use crate::netns::Namespace;
use crate::sip::{Sipp, Tally};

pub(super) const CALLER: &str = include_str!("../../scenarios/calls/caller.xml");
const DESK: &str = include_str!("../../scenarios/calls/desk.xml");

/// The keep-alive between elements.
pub const OPTIONS: &str = include_str!("../../scenarios/calls/options.xml");
/// An ESRP that wants to know how a dispatch centre is.
pub const SUBSCRIBE: &str = include_str!("../../scenarios/calls/subscribe.xml");
/// A call without voice.
pub const MESSAGE: &str = include_str!("../../scenarios/calls/message.xml");
/// A caller who hangs up before anybody answers.
pub const CANCEL: &str = include_str!("../../scenarios/calls/cancel.xml");
/// A caller who finds all desks taken.
pub const BUSY: &str = include_str!("../../scenarios/calls/busy.xml");
/// A caller who is handed over.
pub const TRANSFERRED: &str = include_str!("../../scenarios/calls/transferred.xml");

/// How long a desk may take to be ready.
const READY: Duration = Duration::from_secs(10);
/// `TCP_LISTEN` as `/proc/net/tcp` writes it.
const LISTENS: &str = "0A";

/// What carries the signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram a message.
    Udp,
    /// One connection for all calls of a party.
    Tcp,
    /// A connection for each call.
    TcpEach,
}

impl Transport {
    /// As the configuration of the guard and a `transport` parameter write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp | Self::TcpEach => "tcp",
        }
    }

    /// As sipp wants it.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Udp => &["-t", "u1"],
            Self::Tcp => &["-t", "t1"],
            // By default sipp wants to be allowed 50,000 of them.
            Self::TcpEach => &["-t", "tn", "-max_socket", "500"],
        }
    }

    /// Media ports of sipp's own lie there, so that two desks on one address do not meet.
    const fn media_base(self) -> &'static str {
        match self {
            Self::Udp => "15060",
            Self::Tcp | Self::TcpEach => "17560",
        }
    }
}

/// Whom a party calls, and how.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where from; the address must be the namespace's.
    pub from: SocketAddrV4,
    /// The next hop.
    pub to: SocketAddrV4,
    /// The Request-URI.
    pub uri: String,
    /// What carries it.
    pub transport: Transport,
    /// How many.
    pub calls: u32,
    /// Begun a second.
    pub rate: u32,
    /// The first of the caller's media ports; each call has its own, two further.
    pub media: u16,
}

/// A running sipp; it is killed when dropped.
#[derive(Debug)]
pub struct Party {
    name: String,
    sipp: Sipp,
    /// What its scenario logs.
    log: PathBuf,
    errors: PathBuf,
}

impl Party {
    /// A desk that takes calls at an address, ready to.
    ///
    /// # Errors
    ///
    /// sipp is missing or cannot listen there.
    pub fn desk(
        namespace: &Namespace,
        folder: &Path,
        at: SocketAddrV4,
        transport: Transport,
    ) -> Result<Self> {
        let name = format!("desk-{}", transport.name());
        let more = ["-mp", transport.media_base()];
        let mut desk = Self::start(namespace, folder, &name, DESK, at, transport, &more)?;
        desk.await_port(namespace, at.port(), transport)?;
        Ok(desk)
    }

    /// A caller who talks, holds the line, talks again and hangs up.
    ///
    /// # Errors
    ///
    /// sipp is missing, or the folder is not to be written to.
    pub fn caller(
        namespace: &Namespace,
        folder: &Path,
        name: &str,
        dial: &Dial,
        body: &Body,
    ) -> Result<Self> {
        Self::dial(namespace, folder, name, &body.fill(CALLER), dial)
    }

    /// Somebody who begins what another scenario says. Its name begins the names of its files.
    ///
    /// # Errors
    ///
    /// See [`Party::caller`].
    pub fn dial(
        namespace: &Namespace,
        folder: &Path,
        name: &str,
        scenario: &str,
        dial: &Dial,
    ) -> Result<Self> {
        let Dial { from, to, uri, transport, calls, rate, media } = dial;
        let ports = folder.join(format!("{name}.ports"));
        let rows: String =
            (0..*calls).map(|call| format!("{};\n", u32::from(*media) + 2 * call)).collect();
        fs::write(&ports, format!("SEQUENTIAL\n{rows}"))?;
        let (to, ports) = (to.to_string(), ports.to_string_lossy());
        let (address, calls, rate) = (from.ip().to_string(), calls.to_string(), rate.to_string());
        let route = format!("Route: <sip:{to};transport={};lr>", transport.name());
        let words = [
            to.as_str(),
            "-m",
            &calls,
            "-r",
            &rate,
            "-l",
            &calls,
            "-inf",
            &ports,
            "-mi",
            &address,
            "-cid_str",
            &format!("%u@{name}.example"),
            "-key",
            "uri",
            uri,
            "-key",
            "number",
            "+14135550143",
            // A stranger's URN says nothing of where it goes; a Route does.
            "-key",
            "route",
            &route,
        ];
        Self::start(namespace, folder, name, scenario, *from, *transport, &words)
    }

    fn start(
        namespace: &Namespace,
        folder: &Path,
        name: &str,
        scenario: &str,
        at: SocketAddrV4,
        transport: Transport,
        more: &[&str],
    ) -> Result<Self> {
        let (log, errors) =
            (folder.join(format!("{name}.log")), folder.join(format!("{name}.err")));
        let (log_file, error_file) = (log.to_string_lossy(), errors.to_string_lossy());
        let logs =
            ["-trace_logs", "-log_file", &log_file, "-trace_err", "-error_file", &error_file];
        let words = [transport.options(), &logs, more].concat();
        let sipp = Sipp::start(namespace, folder, name, scenario, at, &words)?;
        Ok(Self { name: name.to_owned(), sipp, log, errors })
    }

    fn await_port(&mut self, namespace: &Namespace, port: u16, transport: Transport) -> Result<()> {
        let deadline = Instant::now() + READY;
        let suffix = format!(":{port:04X}");
        let path = format!("/proc/thread-self/net/{}", transport.name());
        loop {
            let table = namespace.run(|| fs::read_to_string(&path))??;
            let listens = table.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                let local = words.next().is_some_and(|local| local.ends_with(&suffix));
                let state = words.nth(1);
                local && (transport == Transport::Udp || state == Some(LISTENS))
            });
            if listens {
                return Ok(());
            }
            if let Some(status) = self.sipp.ended()? {
                bail!("{}", self.sipp.complaint(status));
            }
            if Instant::now() > deadline {
                bail!("sipp {} does not listen after {READY:?}", self.name);
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Where its scenario logs what happens in its calls.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until it has made all its calls; what has become of them.
    ///
    /// # Errors
    ///
    /// It still is at it after `patience`, or sipp failed.
    pub fn finish(mut self, patience: Duration) -> Result<Tally> {
        let deadline = Instant::now() + patience;
        while self.sipp.ended()?.is_none() {
            if Instant::now() > deadline {
                self.sipp.end()?;
                bail!("sipp {} hangs: {:?}; {}", self.name, self.sipp.tally(), self.errors());
            }
            sleep(Duration::from_millis(20));
        }
        match self.sipp.ended()? {
            Some(status) if !matches!(status.code(), Some(0 | 1)) => {
                bail!("{}", self.sipp.complaint(status))
            }
            _ => self.sipp.tally(),
        }
    }

    /// Where it writes what it did not expect.
    #[must_use]
    pub fn errors_path(&self) -> PathBuf {
        self.errors.clone()
    }

    fn errors(&self) -> String {
        let text = fs::read_to_string(&self.errors).unwrap_or_default();
        text.lines().take(20).collect::<Vec<_>>().join("\n")
    }
}
