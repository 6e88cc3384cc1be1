//! The daemon's end of the socket: one asker at a time, each with little time; a roll-back goes on
//! by itself.
//!
//! Nothing waits for this thread, and nothing that it does needs another one of the daemon.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::line::read_line;
use super::peer::Peer;
use super::{Answer, PATIENCE, Request, print, socket, understand};
use crate::kernel::owner;
use crate::live::{Live, LiveError};

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 200;
/// Longest bypass with an end: 30 days.
const SECONDS_MAX: u64 = 30 * 24 * 3600;
/// A pause after a failure to accept, such as too many open files.
const RESPITE: Duration = Duration::from_millis(500);

/// A running server; ends when dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens for a group.
    pub fn start(live: &Live, group: &str) -> io::Result<Self> {
        let group = owner::group(group)?;
        let path = socket(live.store.path());
        let listener = listen(&path, group)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (live, stopped) = (live.clone(), Arc::clone(&stop));
        let work = move || {
            let mut desk = Desk { live, group, worker: None };
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                match stream {
                    Ok(stream) => desk.serve(stream),
                    Err(error) => {
                        tracing::warn!("control socket: {error}");
                        thread::sleep(RESPITE);
                    }
                }
            }
            if let Some(worker) = desk.worker {
                let _ = worker.join();
            }
        };
        let thread = thread::Builder::new().name("control".to_owned()).spawn(work)?;
        Ok(Self { stop, path, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it up; where that fails it ends with the process.
        if UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// A socket that nobody but the group may connect to, in place of one of a daemon that is gone.
fn listen(path: &Path, group: u32) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    chown(path, None, Some(group))?;
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Who serves those that ask.
struct Desk {
    live: Live,
    group: u32,
    /// A roll-back, which may have to wait: a bypass that is asked for meanwhile must not.
    worker: Option<JoinHandle<()>>,
}

impl Desk {
    fn serve(&mut self, mut stream: UnixStream) {
        match asked(self.group, &mut stream) {
            Ok((user, request @ Request::RollBack { .. })) => {
                if let Err(error) = self.hand_on(&stream, user, request) {
                    tell(&mut stream, &Answer::Refused { error });
                }
            }
            Ok((user, request)) => fulfil_and_tell(&self.live, user, request, &mut stream),
            Err(error) => tell(&mut stream, &Answer::Refused { error }),
        }
    }

    fn hand_on(&mut self, stream: &UnixStream, user: u32, request: Request) -> Result<(), String> {
        if self.worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            return Err("a roll-back is under way\n  next: see `guard status`".to_owned());
        }
        let live = self.live.clone();
        let mut stream = stream.try_clone().map_err(|error| error.to_string())?;
        let work = move || fulfil_and_tell(&live, user, request, &mut stream);
        let worker = thread::Builder::new().name("roll-back".to_owned()).spawn(work);
        self.worker = Some(worker.map_err(|error| format!("no thread for it: {error}"))?);
        Ok(())
    }
}

fn fulfil_and_tell(live: &Live, user: u32, request: Request, stream: &mut UnixStream) {
    let done = fulfil(&live.clone().of_asker(user), request);
    tell(stream, &done.unwrap_or_else(|error| Answer::Refused { error }));
}

fn tell(stream: &mut UnixStream, answer: &Answer) {
    let told =
        stream.set_write_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(&print(answer)));
    if let Err(error) = told {
        tracing::debug!("control socket: {error}");
    }
}

/// Who asks for what.
fn asked(group: u32, stream: &mut UnixStream) -> Result<(u32, Request), String> {
    let peer = Peer::of(stream).map_err(|error| format!("who is asking is not known: {error}"))?;
    // Read in any case: to close with something unread would take our answer along.
    let line = read_line(stream, PATIENCE).map_err(|error| format!("cannot be read: {error}"))?;
    // The mode of the socket says the same; this holds if somebody changed that.
    if peer.user != 0 && !peer.is_in(group) {
        return Err("not permitted: only root and oncall-group may ask".to_owned());
    }
    let request = understand(&line)?;
    tracing::info!(uid = peer.user, ?request, "asked for");
    Ok((peer.user, request))
}

fn fulfil(live: &Live, request: Request) -> Result<Answer, String> {
    let told = |error: LiveError| error.to_string();
    let noted = match request {
        Request::BypassOn { reason, seconds } => {
            let lasting = seconds.map(lasting).transpose()?;
            live.bypass(&printable(&reason), lasting).map_err(told)?
        }
        Request::BypassOff {} => live.end_bypass().map_err(told)?,
        Request::RollBack { steps, reason } => {
            let steps = usize::try_from(steps).unwrap_or(usize::MAX);
            let reason = reason.as_deref().map(printable);
            let back = live.roll_back(steps, reason.as_deref()).map_err(told)?;
            let said = Some(printable(&back.to_string()));
            return Ok(Answer::Done { unnoted: None, said });
        }
    };
    Ok(Answer::Done { unnoted: noted.err().map(|error| error.to_string()), said: None })
}

fn lasting(seconds: u64) -> Result<Duration, String> {
    match seconds {
        1..=SECONDS_MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("a bypass lasts 1 to {SECONDS_MAX} seconds")),
    }
}

/// A text without what would disturb a log or a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(REASON_MAX).collect()
}
