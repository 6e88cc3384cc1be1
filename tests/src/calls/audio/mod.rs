//! The audio of calls, both ways, and what of it was lost.
//!
//! Follows the log of a caller's scenario: `talk <call> <caller's address> <desk's address>` with
//! the addresses of the SDP that was exchanged, `hold`, `resume` and `end`. From `talk` to `end`
//! each side sends a G.711 packet every 20 ms (RFC 3551 section 4.5.14) from the port it offered
//! to the port it was offered, the desk first, as it would; while the caller holds the line the
//! desk is silent. Lost is what was sent and did not come, by sequence number, at the right port,
//! from the right one. Sockets are large enough to wait for this thread: what is lost is lost
//! on the way.

mod log;
mod rtp;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::socket::{setsockopt, sockopt};

use self::log::Log;
pub use self::rtp::Heard;
use self::rtp::{SOURCES, Stream, parse};
use crate::netns::Namespace;

/// The desk talks so long before the caller does.
const HEAD_START: Duration = Duration::from_millis(40);
/// How often the thread looks at everything.
const TICK: Duration = Duration::from_millis(4);
/// How long packets may be under way at the end.
const LAST: Duration = Duration::from_millis(500);
/// Receive buffer of a port: seconds of a flood.
const BUFFER: usize = 4 << 20;

/// The audio of a call.
#[derive(Clone, Debug)]
pub struct Talk {
    /// The Call-ID.
    pub call: String,
    /// From the caller to the desk.
    pub to_desk: Heard,
    /// From the desk to the caller.
    pub to_caller: Heard,
    /// Whether the caller held the line in between and the scenario came to the end of the call.
    pub whole: bool,
    /// How long the desk was silent for that: not at all where this thread was so late that it read
    /// of the hold and of its end at the same time.
    pub silent: Duration,
}

/// Audio at work; silent when dropped.
#[derive(Debug)]
pub struct Audio {
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<Result<Vec<Talk>>>>,
}

impl Audio {
    /// Gives voice to the calls of a caller's log, in the caller's namespace and the desk's.
    ///
    /// # Errors
    ///
    /// No thread.
    pub fn follow(log: &Path, caller: &Namespace, desk: &Namespace) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut room = Room {
            log: Log::of(log),
            namespaces: [caller.clone(), desk.clone()],
            ports: [HashMap::new(), HashMap::new()],
            calls: Vec::new(),
        };
        let stopped = Arc::clone(&stop);
        let worker = thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || room.work(&stopped))
            .context("cannot start the thread of the audio")?;
        Ok(Self { stop, worker: Some(worker) })
    }

    /// Waits for the last packets; the audio of each call.
    ///
    /// # Errors
    ///
    /// A socket failed, or the log says what it should not.
    pub fn finish(mut self) -> Result<Vec<Talk>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.worker.take().map(JoinHandle::join) {
            Some(Ok(talks)) => talks,
            Some(Err(_)) | None => Err(anyhow!("the thread of the audio panicked")),
        }
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Call {
    name: String,
    /// To the desk, to the caller.
    streams: [Stream; 2],
    held: Option<Instant>,
    silent: Duration,
    ended: bool,
}

impl Call {
    fn talk(&self) -> Talk {
        let [to_desk, to_caller] = &self.streams;
        Talk {
            call: self.name.clone(),
            to_desk: to_desk.heard(),
            to_caller: to_caller.heard(),
            whole: self.held.is_some() && self.ended,
            silent: self.silent,
        }
    }
}

/// Everything the thread works with.
struct Room {
    log: Log,
    /// The caller's and the desk's.
    namespaces: [Namespace; 2],
    /// Media ports of the caller and of the desk.
    ports: [HashMap<SocketAddrV4, UdpSocket>; 2],
    calls: Vec<Call>,
}

impl Room {
    fn work(&mut self, stop: &AtomicBool) -> Result<Vec<Talk>> {
        let mut last = None;
        loop {
            for line in self.log.lines()? {
                self.note(&line).with_context(|| format!("a caller's log says {line:?}"))?;
            }
            let now = Instant::now();
            if last.is_none() {
                self.speak(now)?;
            }
            self.listen()?;
            if stop.load(Ordering::Relaxed) && now > *last.get_or_insert(now + LAST) {
                return Ok(self.calls.iter().map(Call::talk).collect());
            }
            sleep(TICK);
        }
    }

    fn note(&mut self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let name = words.next().context("no call")?;
        if verb == "talk" {
            let mut address = || words.next().context("no address")?.parse().context("no address");
            return self.begin(name, address()?, address()?);
        }
        let call = self.calls.iter_mut().find(|call| call.name == name);
        let call = call.context("an unknown call")?;
        let [to_desk, to_caller] = &mut call.streams;
        match verb {
            "hold" => (call.held, to_caller.silent) = (Some(Instant::now()), true),
            "resume" => to_caller.silent = false,
            "end" => {
                (to_desk.silent, to_caller.silent) = (true, true);
                call.ended = true;
            }
            _ => bail!("nothing known"),
        }
        Ok(())
    }

    fn begin(&mut self, name: &str, caller: SocketAddrV4, desk: SocketAddrV4) -> Result<()> {
        for ((address, ports), namespace) in
            [caller, desk].into_iter().zip(&mut self.ports).zip(&self.namespaces)
        {
            if let Entry::Vacant(place) = ports.entry(address) {
                place.insert(port(namespace, address)?);
            }
        }
        let (now, number) = (Instant::now(), u32::try_from(self.calls.len())?);
        let stream = |from, to, way, next| Stream {
            from,
            to,
            source: SOURCES | number << 1 | way,
            next,
            silent: false,
            sent: 0,
            came: Vec::new(),
        };
        self.calls.push(Call {
            name: name.to_owned(),
            streams: [stream(caller, desk, 0, now + HEAD_START), stream(desk, caller, 1, now)],
            held: None,
            silent: Duration::ZERO,
            ended: false,
        });
        Ok(())
    }

    fn speak(&mut self, now: Instant) -> Result<()> {
        for call in &mut self.calls {
            let [_, to_caller] = &call.streams;
            if let (Some(since), true, false) = (call.held, to_caller.silent, call.ended) {
                call.silent = now.saturating_duration_since(since);
            }
        }
        for stream in self.calls.iter_mut().flat_map(|call| call.streams.iter_mut().rev()) {
            let ports = self.ports.iter().find_map(|ports| ports.get(&stream.from));
            stream.speak(ports.context("a port was opened for each stream")?, now)?;
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 2048];
        let (ports, calls) = (&self.ports, &mut self.calls);
        for (at, socket) in ports.iter().flatten() {
            loop {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        let packet = buffer.get(..length).unwrap_or_default();
                        note(calls, *at, from, packet);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // What an ICMP error said of an earlier packet.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error).context("a media port failed"),
                }
            }
        }
        Ok(())
    }
}

/// Ticks off a packet that came, if it is one of ours, where and from where it should.
fn note(calls: &mut [Call], at: SocketAddrV4, from: SocketAddr, packet: &[u8]) {
    let Some((source, sequence)) = parse(packet) else { return };
    let streams = calls.iter_mut().flat_map(|call| &mut call.streams);
    let stream = { streams }.find(|stream| {
        stream.source == source && stream.to == at && SocketAddr::V4(stream.from) == from
    });
    let place = stream.and_then(|stream| stream.came.get_mut(usize::from(sequence)));
    if let Some(place) = place {
        *place = true;
    }
}

fn port(namespace: &Namespace, at: SocketAddrV4) -> Result<UdpSocket> {
    let socket = namespace
        .run(|| UdpSocket::bind(at))?
        .with_context(|| format!("no media port {at} in {}", namespace.name()))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use super::*;
    use crate::calls::audio::rtp::{SOURCES, packet};

    #[test]
    fn a_packet_that_does_not_come_is_lost() {
        let (a, b) = ("192.0.2.1:20000".parse().unwrap(), "192.0.2.2:30000".parse().unwrap());
        let now = Instant::now();
        let stream = |from, to, source| Stream {
            from,
            to,
            source,
            next: now,
            silent: false,
            sent: 3,
            came: vec![false; 3],
        };
        let streams = [stream(a, b, SOURCES), stream(b, a, SOURCES | 1)];
        let (held, silent) = (Some(now), Duration::ZERO);
        let mut calls = vec![Call { name: "a".to_owned(), streams, held, silent, ended: true }];
        for (at, from, source, number) in [
            (b, a, SOURCES, 0),
            (b, a, SOURCES, 0),
            (b, a, SOURCES, 2),
            // Not where it should, not from where it should, never sent.
            (a, b, SOURCES, 1),
            (b, b, SOURCES, 1),
            (b, a, SOURCES, 3),
            (a, b, SOURCES | 1, 1),
        ] {
            note(&mut calls, at, SocketAddr::V4(from), &packet(source, number).unwrap());
        }
        note(&mut calls, b, SocketAddr::V4(a), b"no packet");
        let talk = calls[0].talk();
        assert_eq!((talk.to_desk.lost(), talk.to_caller.lost()), (1, 2));
    }
}
