//! What must not notice a fault: calls, counted frame by frame, and a flood that is dropped.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use guard_tests::guard_process::{CARRIER, PSAP, SECOND, SIP, STRANGERS, Site};
use nix::sys::socket::{setsockopt, sockopt};

/// Between two bursts of a sender.
const PAUSE: Duration = Duration::from_millis(4);
/// Frames of a stream of calls in a burst, and of the flood.
const CALLS: u32 = 2;
const FLOOD: u32 = 40;
/// Holds what arrives while the receiver waits for a processor.
const ROOM: usize = 16 << 20;

/// A stream of frames from one address to one PSAP.
struct Stream {
    from: Ipv4Addr,
    to: Ipv4Addr,
    sent: Arc<AtomicU64>,
    seen: Arc<AtomicU64>,
}

/// Traffic that flows until it is stopped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    streams: Vec<Stream>,
    threads: Vec<JoinHandle<()>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Told {
    /// Frames of calls to the first PSAP and to the second.
    pub calls: [u64; 2],
    /// Frames of the flood.
    pub flood: u64,
}

impl Traffic {
    /// Starts calls of a carrier to two PSAPs, marked calls of a stranger, and a flood of another
    /// who is denied.
    pub fn start(site: &Site) -> Self {
        let streams =
            [(CARRIER, PSAP), (CARRIER, SECOND), (STRANGERS[1], PSAP), (STRANGERS[0], PSAP)];
        let streams: Vec<Stream> = streams
            .into_iter()
            .map(|(from, to)| Stream { from, to, sent: Arc::default(), seen: Arc::default() })
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads: Vec<_> = [PSAP, SECOND]
            .map(|to| {
                let socket = site.listen(to, SIP);
                let seen: Vec<_> = streams
                    .iter()
                    .filter(|stream| stream.to == to)
                    .map(|stream| (stream.from, Arc::clone(&stream.seen)))
                    .collect();
                let stop = Arc::clone(&stop);
                thread::spawn(move || receive(&socket, &seen, &stop))
            })
            .into();
        for stream in &streams {
            let (socket, to, from) = (site.speak(stream.from), stream.to, stream.from);
            let (sent, stop) = (Arc::clone(&stream.sent), Arc::clone(&stop));
            let burst = if from == STRANGERS[0] { FLOOD } else { CALLS };
            threads.push(thread::spawn(move || send(&socket, (from, to), burst, &sent, &stop)));
        }
        Self { stop, streams, threads }
    }

    /// Frames of the flood that got through.
    pub fn leaked(&self) -> u64 {
        let denied = self.streams.iter().filter(|stream| stream.from == STRANGERS[0]);
        denied.map(|stream| stream.seen.load(Ordering::Relaxed)).sum()
    }

    /// Stops it; asserts that every frame of a call arrived and none of the flood.
    pub fn stop(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("no sender and no receiver fails");
        }
        let mut told = Told { calls: [0; 2], flood: 0 };
        for Stream { from, to, sent, seen } in &self.streams {
            let (sent, seen) = (sent.load(Ordering::Relaxed), seen.load(Ordering::Relaxed));
            if *from == STRANGERS[0] {
                assert_eq!(seen, 0, "the verdict changed: {seen} of {sent} denied frames passed");
                told.flood += sent;
            } else {
                assert_eq!(seen, sent, "calls of {from} to {to}: {} lost", sent - seen);
                told.calls[usize::from(*to == SECOND)] += sent;
            }
        }
        told
    }
}

impl Told {
    /// Asserts that every frame was counted once, for its own PSAP, and no other.
    #[track_caller]
    pub fn counted(&self, site: &Site) {
        for (id, calls) in ["P-1", "P-2"].into_iter().zip(self.calls) {
            assert_eq!(site.count(id, "protected_packets"), calls, "{id}");
        }
        assert_eq!(site.count("P-1", "dropped_packets"), self.flood);
        assert_eq!(site.count("P-2", "dropped_packets"), 0);
        for row in site.rows(&["psaps"]).as_array().expect("a list of rows") {
            if row["id"] == "A-0" {
                assert_eq!(row["protected_packets"], 0, "{row}");
                assert_eq!(row["dropped_packets"], 0, "{row}");
            }
        }
    }
}

/// A frame of a call, or of the flood; the carrier's are what they are by their address.
fn text(from: Ipv4Addr, to: Ipv4Addr, number: u64) -> String {
    let uri = if from == STRANGERS[1] { "urn:service:sos" } else { "sip:100@psap.example" };
    format!(
        "INVITE {uri} SIP/2.0\r\nCall-ID: {number}@{from}\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK-{number}\r\nFrom: <sip:1@{from}>;tag=1\r\n\
         To: <{uri}>\r\nCSeq: 1 INVITE\r\nContact: <sip:1@{from}>\r\nX-To: {to}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn send(
    socket: &UdpSocket,
    (from, to): (Ipv4Addr, Ipv4Addr),
    burst: u32,
    sent: &AtomicU64,
    stop: &AtomicBool,
) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..burst {
            socket.send_to(text(from, to, number).as_bytes(), (to, SIP)).expect("a route");
            number += 1;
        }
        sent.store(number, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
}

/// Counts each sender's frames; one of a call that comes twice or out of order is a fault, too.
fn receive(socket: &UdpSocket, seen: &[(Ipv4Addr, Arc<AtomicU64>)], stop: &AtomicBool) {
    setsockopt(socket, sockopt::RcvBufForce, &ROOM).expect("privilege");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, SocketAddr::V4(from))) => {
                let count = seen.iter().find(|(sender, _)| sender == from.ip());
                let (sender, count) = count.expect("nobody else sends");
                let number = count.fetch_add(1, Ordering::Relaxed);
                let text = String::from_utf8_lossy(&buffer[..length]);
                let mine = format!("Call-ID: {number}@{sender}\r\n");
                assert!(text.contains(&mine), "not frame {number} of {sender}: {text}");
            }
            Ok(_) => unreachable!("an IPv4 socket"),
            Err(_) if stop.load(Ordering::Relaxed) => return,
            Err(_) => {}
        }
    }
}
