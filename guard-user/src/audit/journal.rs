//! The system's journal, by its native protocol: a datagram of `NAME=value` lines.
//!
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>. Values here have no line breaks, so that the
//! simple form of a field is enough.

use std::io;
use std::os::unix::net::UnixDatagram;

use super::Entry;

const SOCKET: &str = "/run/systemd/journal/socket";
/// "Notice": normal, but significant (syslog(3)).
const PRIORITY: u8 = 5;

/// Sends a record. An error means that no journal listens.
pub(super) fn send(entry: &Entry) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A journal that does not keep up must not hold up a verb.
    socket.set_nonblocking(true)?;
    socket.send_to(datagram(entry).as_bytes(), SOCKET)?;
    Ok(())
}

pub(super) fn datagram(entry: &Entry) -> String {
    let Entry { who, sudo_user, what, why, generation, result, .. } = entry;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let generation = generation.map_or(String::new(), |number| number.to_string());
    format!(
        "MESSAGE=guard: {what} by {who}: {result}\nPRIORITY={PRIORITY}\nSYSLOG_IDENTIFIER=guard\n\
         GUARD_WHAT={what}\nGUARD_WHY={}\nGUARD_WHO={who}\nGUARD_SUDO_USER={}\n\
         GUARD_GENERATION={generation}\nGUARD_RESULT={result}\n",
        optional(why),
        optional(sudo_user),
    )
}
