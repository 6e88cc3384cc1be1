//! An ear on the wire: when INVITEs left and when they were answered, by the kernel's own time
//! stamps on the packets.
//!
//! Listens to all UDP of a namespace by a packet socket, so it belongs on the caller's side, where
//! no flood arrives. Reads no more of SIP than it needs; whether a call counts as answered is for
//! the listener to say ([`Heard::answered_within`]).

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal};

/// How often the thread looks up from an idle wire.
const POLL: TimeVal = TimeVal::new(0, 50_000);

/// Longer than any frame here.
const FRAME_MAX: usize = 2048;

/// What was heard of one call, as times since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When the first INVITE left.
    pub invited: Duration,
    /// When the first 200 to it came.
    pub answered: Option<Duration>,
}

impl Heard {
    /// From INVITE to 200.
    #[must_use]
    pub fn set_up(&self) -> Option<Duration> {
        self.answered?.checked_sub(self.invited)
    }

    /// From INVITE to 200, unless it took longer than a caller waits.
    #[must_use]
    pub fn answered_within(&self, patience: Duration) -> Option<Duration> {
        self.set_up().filter(|time| *time <= patience)
    }
}

/// Calls by their Call-ID.
pub type Log = HashMap<Box<[u8]>, Heard>;

/// A listening ear; it goes deaf when dropped.
#[derive(Debug)]
pub struct Ear {
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    worker: Option<JoinHandle<Result<()>>>,
}

impl Ear {
    /// Listens to a namespace from now on.
    ///
    /// # Errors
    ///
    /// No privilege.
    pub fn open(namespace: &crate::netns::Namespace) -> Result<Self> {
        let socket = namespace
            .run(listen)?
            .with_context(|| format!("cannot listen to packets in {}", namespace.name()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let log = Arc::default();
        let (stopped, written) = (Arc::clone(&stop), Arc::clone(&log));
        let worker = thread::Builder::new()
            .name("ear".to_owned())
            .spawn(move || follow(&socket, &stopped, &written))
            .context("cannot start the thread of an ear")?;
        Ok(Self { stop, log, worker: Some(worker) })
    }

    /// Calls heard so far, and how many of them were answered.
    #[must_use]
    pub fn so_far(&self) -> (usize, usize) {
        let log = lock(&self.log);
        let answered = log.values().filter(|heard| heard.answered.is_some());
        (log.len(), answered.count())
    }

    /// Stops listening; what was heard.
    ///
    /// # Errors
    ///
    /// The socket failed.
    pub fn close(mut self) -> Result<Log> {
        self.stop.store(true, Ordering::Relaxed);
        match self.worker.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome?,
            Some(Err(_)) | None => return Err(anyhow!("the thread of an ear panicked")),
        }
        Ok(mem::take(&mut *lock(&self.log)))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn listen() -> nix::Result<OwnedFd> {
    // Datagrams of a packet socket begin with the IP header.
    let socket = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &POLL)?;
    setsockopt(&socket, sockopt::RcvBuf, &(4 << 20))?;
    Ok(socket)
}

fn follow(socket: &OwnedFd, stop: &AtomicBool, log: &Mutex<Log>) -> Result<()> {
    let mut frame = [0; FRAME_MAX];
    let mut control = cmsg_space!(TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut buffers = [IoSliceMut::new(&mut frame)];
        let received =
            recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::empty());
        let (length, time) = match received {
            Ok(message) => (message.bytes, message.cmsgs()?.find_map(stamp)),
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error).context("an ear failed"),
        };
        let packet = frame.get(..length).unwrap_or_default();
        if let (Some(time), Some(message)) = (time, udp_payload(packet)) {
            note(&mut lock(log), message, time);
        }
    }
    Ok(())
}

/// The log, also if somebody panicked over it: every entry is written whole.
fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stamp(message: ControlMessageOwned) -> Option<Duration> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(time.into()),
        _ => None,
    }
}

/// The payload of an IPv4 packet with UDP.
fn udp_payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || *packet.get(9)? != 17 {
        return None;
    }
    packet.get(header + 8..)
}

/// Writes down an INVITE or the answer to one. Whether it comes or goes does not matter: callers
/// send the one and get the other.
fn note(log: &mut Log, message: &[u8], time: Duration) {
    let Some(call) = header(message, b"Call-ID:") else {
        return;
    };
    if message.starts_with(b"INVITE ") {
        let first = Heard { invited: time, answered: None };
        log.entry(call.into()).or_insert(first);
    } else if message.starts_with(b"SIP/2.0 200 ")
        && header(message, b"CSeq:").is_some_and(|value| value.ends_with(b"INVITE"))
        && let Some(heard) = log.get_mut(call)
    {
        heard.answered.get_or_insert(time);
    }
}

/// The value of a header in its long form.
fn header<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    message
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(name))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_call_is_timed_from_its_first_invite_to_its_first_answer() {
        let mut log = Log::new();
        let invite = b"INVITE urn:service:sos SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n";
        let ringing = b"SIP/2.0 180 Ringing\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n";
        let answer = b"SIP/2.0 200 OK\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n";
        let ended = b"SIP/2.0 200 OK\r\nCall-ID: b\r\nCSeq: 2 BYE\r\n\r\n";
        note(&mut log, invite, at(1));
        note(&mut log, invite, at(2));
        note(&mut log, b"INVITE x SIP/2.0\r\nCall-ID: b\r\n\r\n", at(2));
        note(&mut log, ringing, at(3));
        note(&mut log, answer, at(4));
        note(&mut log, answer, at(5));
        note(&mut log, ended, at(6));
        assert_eq!(log.get(b"a".as_slice()).and_then(Heard::set_up), Some(at(3)));
        assert_eq!(log.get(b"b".as_slice()).and_then(Heard::set_up), None);
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn only_udp_over_ipv4_has_a_payload() {
        let mut packet = [0; 30];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[28] = b'x';
        assert_eq!(udp_payload(&packet), Some(&packet[28..]));
        assert_eq!(udp_payload(&packet[..20]), None);
        packet[9] = 6;
        assert_eq!(udp_payload(&packet), None);
        assert_eq!(udp_payload(&[]), None);
    }
}
