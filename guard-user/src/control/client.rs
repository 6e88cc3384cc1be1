//! Asking the daemon.
//!
//! Whoever asks waits for a bounded time, whatever answers: they are on call, and want to know.

use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::line::read_line;
use super::{Answer, Request, parse, print};

/// The daemon may be busy with somebody else.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks the daemon of the guard with this socket.
///
/// # Errors
///
/// Nobody listens there for us, or gives an answer in time that can be understood.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Answer> {
    ask_within(ANSWER, socket, request)
}

fn ask_within(patience: Duration, path: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = connect_within(patience, path)?;
    stream.write_all(&print(request))?;
    let line = read_line(&mut stream, patience)?;
    parse(&line).map_err(io::Error::other)
}

/// A daemon that accepts nobody any more lets callers wait at its door: not for ever.
fn connect_within(patience: Duration, path: &Path) -> io::Result<UnixStream> {
    let end = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(end);
    // Of a connection that is being made, too.
    stream.set_write_timeout(Some(patience))?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::io::Read as _;
    use std::os::unix::net::UnixListener;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Longest that the tests let somebody wait.
    const SHORT: Duration = Duration::from_millis(300);
    /// Far beyond that, and far below what those who answer here would take.
    const LONG: Duration = Duration::from_secs(30);

    /// Asks somebody who answers like this; what came of it, in bounded time.
    fn asks(
        patience: Duration,
        answer: impl FnOnce(UnixStream) + Send + 'static,
    ) -> Result<Answer, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || answer(listener.accept().unwrap().0));
        let begun = Instant::now();
        let answer = ask_within(patience, &path, &Request::BypassOff {});
        assert!(begun.elapsed() < 2 * LONG, "it waits for ever");
        daemon.join().unwrap();
        answer.map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_heard() {
        let done = Answer::Done { unnoted: None, said: Some("it is off".to_owned()) };
        let line = print(&done);
        assert_eq!(
            asks(LONG, move |mut stream| {
                read_line(&mut stream, LONG).unwrap();
                stream.write_all(&line).unwrap();
            }),
            Ok(done)
        );
    }

    /// A byte now and then keeps nobody.
    #[test]
    fn whoever_dribbles_is_not_waited_for() {
        let heard = asks(SHORT, |mut stream| {
            while stream.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
        assert!(heard.as_ref().is_err_and(|error| error.contains("no whole line")), "{heard:?}");
    }

    #[test]
    fn whoever_says_nothing_is_not_waited_for() {
        // It listens until the asker has gone.
        let heard = asks(SHORT, |mut stream| drop(stream.read_to_end(&mut Vec::new())));
        assert!(heard.as_ref().is_err_and(|error| error.contains("no whole line")), "{heard:?}");
    }

    #[test]
    fn nonsense_is_an_error() {
        for nonsense in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"\n",
            b"{}\n",
            b"{\"done\":7}\n",
            b"\xff\xfe\x00\n",
            b"{\"done\":{\"unnoted\":null,\"said\":null}}",
            &[b'['; 3 * super::super::LINE_MAX],
        ] {
            // Whoever has heard enough hangs up.
            let heard = asks(LONG, move |mut stream| drop(stream.write_all(nonsense)));
            assert!(heard.is_err(), "{nonsense:?}: {heard:?}");
        }
    }

    #[test]
    fn a_door_that_nobody_opens_is_not_waited_at() {
        use nix::sys::socket::{Backlog, bind, listen};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let end =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(end.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&end, Backlog::new(0).unwrap()).unwrap();
        // Room for one who waits.
        let _waits = UnixStream::connect(&path).unwrap();
        let begun = Instant::now();
        assert!(ask_within(SHORT, &path, &Request::BypassOff {}).is_err());
        assert!(begun.elapsed() < LONG, "it waits for ever");
    }
}
