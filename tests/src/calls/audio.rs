//! The audio of calls, both ways, and what of it was lost.
//!
//! Follows the log of a caller's scenario: `talk <call> <caller's address> <desk's address>` with
//! the addresses of the SDP that was exchanged, `hold`, `resume` and `end`. From `talk` to `end`
//! each side sends a G.711 packet every 20 ms (RFC 3551 section 4.5.14) from the port it offered
//! to the port it was offered, the desk first, as it would; while the caller holds the line the
//! desk is silent. Lost is what was sent and did not come, by sequence number, at the right port,
//! from the right one. Sockets are large enough to wait for this thread: what is lost is lost
//! on the way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::socket::{setsockopt, sockopt};

use crate::netns::Namespace;

/// Between two packets of a stream.
const PACKET_TIME: Duration = Duration::from_millis(20);
/// The desk talks so long before the caller does.
const HEAD_START: Duration = Duration::from_millis(40);
/// How often the thread looks at everything.
const TICK: Duration = Duration::from_millis(4);
/// How long packets may be under way at the end.
const LAST: Duration = Duration::from_millis(500);
/// Receive buffer of a port: seconds of a flood.
const BUFFER: usize = 4 << 20;

/// RTP header (RFC 3550 section 5.1) and 20 ms of silence in µ-law.
const HEADER: usize = 12;
const PACKET: usize = HEADER + 160;
const SILENCE: u8 = 0xff;
/// Synchronisation sources of these streams begin so: `G911` with its last byte for the number.
const SOURCES: u32 = 0x4739_0000;

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Packets sent.
    pub sent: usize,
    /// Packets of them that came.
    pub came: usize,
}

impl Heard {
    /// Packets that did not come.
    #[must_use]
    pub const fn lost(&self) -> usize {
        self.sent.saturating_sub(self.came)
    }
}

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
            log: Log { path: log.to_owned(), read: 0, rest: String::new() },
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

/// One direction of a call.
#[derive(Debug)]
struct Stream {
    from: SocketAddrV4,
    to: SocketAddrV4,
    source: u32,
    next: Instant,
    silent: bool,
    sent: usize,
    /// By sequence number.
    came: Vec<bool>,
}

impl Stream {
    fn heard(&self) -> Heard {
        Heard { sent: self.sent, came: self.came.iter().filter(|came| **came).count() }
    }

    /// Sends what is due.
    fn speak(&mut self, socket: &UdpSocket, now: Instant) -> Result<()> {
        while self.next <= now {
            self.next += PACKET_TIME;
            if self.silent {
                continue;
            }
            match socket.send_to(&packet(self.source, self.sent)?, self.to) {
                Ok(_) => {
                    self.sent += 1;
                    self.came.push(false);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(error).with_context(|| format!("{} to {}", self.from, self.to));
                }
            }
        }
        Ok(())
    }
}

fn packet(source: u32, number: usize) -> Result<[u8; PACKET]> {
    let sequence = u16::try_from(number).context("a call of twenty minutes")?;
    let mut packet = [SILENCE; PACKET];
    let fields = [
        // Version 2, payload type 0 (PCMU).
        &[0x80, 0][..],
        &sequence.to_be_bytes(),
        &(u32::from(sequence) * 160).to_be_bytes(),
        &source.to_be_bytes(),
    ];
    for (place, byte) in packet.iter_mut().zip(fields.concat()) {
        *place = byte;
    }
    Ok(packet)
}

/// Synchronisation source and sequence number.
fn parse(packet: &[u8]) -> Option<(u32, u16)> {
    if packet.len() != PACKET || *packet.first()? != 0x80 {
        return None;
    }
    let sequence = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
    let source = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
    Some((source, sequence))
}

#[derive(Debug)]
struct Call {
    name: String,
    /// To the desk, to the caller.
    streams: [Stream; 2],
    held: bool,
    ended: bool,
}

impl Call {
    fn talk(&self) -> Talk {
        let [to_desk, to_caller] = &self.streams;
        Talk {
            call: self.name.clone(),
            to_desk: to_desk.heard(),
            to_caller: to_caller.heard(),
            whole: self.held && self.ended,
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
            "hold" => (call.held, to_caller.silent) = (true, true),
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
            held: false,
            ended: false,
        });
        Ok(())
    }

    fn speak(&mut self, now: Instant) -> Result<()> {
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

/// A file that another program writes on.
struct Log {
    path: PathBuf,
    read: u64,
    /// A line that is not whole yet.
    rest: String,
}

impl Log {
    /// Whole lines since the last time.
    fn lines(&mut self) -> Result<Vec<String>> {
        let mut file = match fs::File::open(&self.path) {
            // It is made with the first line.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.read))?;
        let read = file.read_to_string(&mut self.rest)?;
        self.read += u64::try_from(read)?;
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.rest.split_off(whole);
        let lines = self.rest.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        self.rest = rest;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut calls =
            vec![Call { name: "a".to_owned(), streams, held: true, ended: true }];
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

    #[test]
    fn lines_are_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log { path: path.clone(), read: 0, rest: String::new() };
        assert!(log.lines().unwrap().is_empty());
        fs::write(&path, "talk a\nho").unwrap();
        assert_eq!(log.lines().unwrap(), ["talk a"]);
        fs::write(&path, "talk a\nhold a\n").unwrap();
        assert_eq!(log.lines().unwrap(), ["hold a"]);
        assert!(log.lines().unwrap().is_empty());
    }
}
