//! Calls of the carrier, one after the other, and a PSAP that answers them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use guard_tests::fixtures::sip::audio;
use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS, Site};

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(40);
/// How many of the last calls have to be answered.
const LATEST: usize = 20;
/// Where the PSAP is told where callers are.
const LOCATIONS: u16 = 7000;

/// What became of calls.
#[derive(Default)]
struct Seen {
    /// Whether each of the last calls was answered.
    latest: Vec<bool>,
    /// Whether there was a time when most of them were not.
    failed: bool,
}

impl Seen {
    fn add(&mut self, answered: bool) {
        self.latest.push(answered);
        let old = self.latest.len().saturating_sub(LATEST);
        self.latest.drain(..old);
        self.failed |= self.is_failing();
    }

    fn is_failing(&self) -> bool {
        self.latest.iter().filter(|answered| !**answered).count() > LATEST / 2
    }
}

/// Calls in the background; they end when dropped.
pub struct Calls {
    stop: Arc<AtomicBool>,
    /// Had by whoever calls, or keeps others from it.
    turn: Arc<Mutex<()>>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<()>>,
}

impl Calls {
    /// Of the carrier, answered at once.
    pub fn begin(site: &Site) -> Self {
        Self::with(site, None)
    }

    /// The PSAP answers a call once a server that is in no entry has told it where the caller is.
    pub fn located(site: &Site) -> Self {
        let [.., server] = STRANGERS;
        Self::with(site, Some((site.listen(PSAP, LOCATIONS), site.speak(server))))
    }

    fn with(site: &Site, server: Option<(UdpSocket, UdpSocket)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (turn, seen) = (Arc::default(), Arc::default());
        let (caller, psap) = (site.speak(CARRIER), site.listen(PSAP, SIP));
        let mut threads = Vec::new();
        let (locations, server) = server.unzip();
        if let Some(server) = server {
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(server.send_to(b"at the corner", (PSAP, LOCATIONS)));
                    sleep(PAUSE / 4);
                }
            }));
        }
        threads.push(every(&stop, &psap, move |psap, from, text| {
            if let Some(locations) = &locations {
                locations.set_nonblocking(true).unwrap();
                while locations.recv(&mut [0; 64]).is_ok() {}
                locations.set_nonblocking(false).unwrap();
                locations.set_read_timeout(Some(PAUSE * 3 / 4)).unwrap();
                if locations.recv(&mut [0; 64]).is_err() {
                    return;
                }
            }
            if let Some(answer) = answer(text) {
                drop(psap.send_to(answer.as_bytes(), from));
            }
        }));
        threads.push(call_on(&stop, &turn, &seen, caller));
        Self { stop, turn, seen, threads }
    }

    /// Whether the last calls were answered, all but one: machines hiccup.
    pub fn succeed(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.latest.iter().filter(|answered| **answered).count() + 1 >= LATEST
    }

    /// Whether most of the last calls were not.
    pub fn fail(&self) -> bool {
        self.seen.lock().unwrap().is_failing()
    }

    /// Whether there was a time when they failed: it may be over before anybody can look.
    pub fn have_failed(&self) -> bool {
        self.seen.lock().unwrap().failed
    }

    /// What became of calls until now is of no account.
    pub fn forget_failures(&self) {
        self.seen.lock().unwrap().failed = false;
    }

    /// Nobody calls until this is dropped.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

/// Calls again and again.
fn call_on(
    stop: &Arc<AtomicBool>,
    turn: &Arc<Mutex<()>>,
    seen: &Arc<Mutex<Seen>>,
    caller: UdpSocket,
) -> JoinHandle<()> {
    let (stop, turn, seen) = (Arc::clone(stop), Arc::clone(turn), Arc::clone(seen));
    caller.set_read_timeout(Some(PAUSE)).unwrap();
    thread::spawn(move || {
        for number in 0_u64.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let turn = turn.lock().unwrap();
            let began = Instant::now();
            let answered = call(&caller, number);
            drop(turn);
            seen.lock().unwrap().add(answered);
            sleep(PAUSE.saturating_sub(began.elapsed()));
        }
    })
}

/// One call: whether it is answered in time.
fn call(caller: &UdpSocket, number: u64) -> bool {
    let id = format!("{number}@example.net");
    let sdp = audio((CARRIER, 20000).into());
    let invite = format!(
        "INVITE sip:dispatch@psap.example SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{number}\r\n\
         From: <sip:a@example.net>;tag=a\r\nTo: <sip:dispatch@psap.example>\r\nCall-ID: {id}\r\n\
         CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    caller.send_to(invite.as_bytes(), (PSAP, SIP)).unwrap();
    let mut buffer = [0; 2048];
    loop {
        let Ok(length) = caller.recv(&mut buffer) else { return false };
        if String::from_utf8_lossy(&buffer[..length]).contains(&format!("Call-ID: {id}\r\n")) {
            return true;
        }
    }
}

/// What the PSAP says to an INVITE.
fn answer(text: &str) -> Option<String> {
    text.strip_prefix("INVITE ")?;
    let line = |name: &str| text.lines().find(|line| line.starts_with(name));
    Some(format!(
        "SIP/2.0 200 OK\r\n{}\r\n{}\r\n{};tag=b\r\n{}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        line("Via:")?,
        line("From:")?,
        line("To:")?,
        line("Call-ID:")?
    ))
}

/// Does something with every datagram.
fn every(
    stop: &Arc<AtomicBool>,
    socket: &UdpSocket,
    what: impl Fn(&UdpSocket, SocketAddr, &str) + Send + 'static,
) -> JoinHandle<()> {
    let (stop, socket) = (Arc::clone(stop), socket.try_clone().unwrap());
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                what(&socket, from, &String::from_utf8_lossy(&buffer[..length]));
            }
        }
    })
}

/// A flood of junk from a stranger for as long as something takes; how many frames it was.
pub fn flooded(site: &Site, meanwhile: impl FnOnce()) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let [stranger, ..] = STRANGERS;
    let (stopped, count, socket) = (Arc::clone(&stop), Arc::clone(&sent), site.speak(stranger));
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            for _ in 0..50 {
                drop(socket.send_to(b"REGISTER sip:psap.example SIP/2.0\r\n\r\n", (PSAP, SIP)));
                count.fetch_add(1, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(5));
        }
    });
    meanwhile();
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    sent.load(Ordering::Relaxed)
}
