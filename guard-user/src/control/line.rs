//! One line from the other side, in bounded time and memory.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::LINE_MAX;

/// Bytes that are read at once.
const SOME: usize = 512;

/// One line, or what came of it in time; at most one read more than a line may have.
///
/// # Errors
///
/// The socket cannot be read.
pub(super) fn read_line(stream: &mut UnixStream, patience: Duration) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut line = Vec::new();
    let mut some = [0; SOME];
    while line.len() <= LINE_MAX && line.last() != Some(&b'\n') {
        // A byte now and then does not buy more time.
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(length) => line.extend_from_slice(some.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}
