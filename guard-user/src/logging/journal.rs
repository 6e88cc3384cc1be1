//! The system's journal, by its native protocol, for every event: message, priority, fields.
//!
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>. Sent without waiting: a journal that does not
//! keep up loses lines, which are counted, and never holds up the guard.

use std::fmt::{Debug, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{lose, mask};

const SOCKET: &str = "/run/systemd/journal/socket";
/// More of a value says nothing more, and a datagram has its limits.
const VALUE_MAX: usize = 16 << 10;

/// Whether standard error goes to the journal: systemd says which file that is.
pub fn is_standard_error() -> bool {
    let Ok(said) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    // Who cannot reach its socket still reaches it by standard error.
    if !Path::new(SOCKET).exists() {
        return false;
    }
    fstat(std::io::stderr()).is_ok_and(|known| said == format!("{}:{}", known.st_dev, known.st_ino))
}

/// Sends events to the journal.
pub struct Journal(Option<UnixDatagram>);

impl Journal {
    /// Without a socket all lines are lost, and counted.
    pub fn new() -> Self {
        let socket = UnixDatagram::unbound();
        Self(socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket)).ok())
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        let datagram = record.datagram(*event.metadata().level(), event.metadata().target());
        let sent = self.0.as_ref().is_some_and(|socket| socket.send_to(&datagram, SOCKET).is_ok());
        if !sent {
            lose();
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Record {
    message: String,
    /// Names and values, in the protocol's form.
    fields: Vec<(String, String)>,
}

impl Record {
    fn datagram(&self, level: Level, target: &str) -> Vec<u8> {
        let priority = match level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            Level::DEBUG | Level::TRACE => "7",
        };
        let mut bytes = Vec::new();
        put(&mut bytes, "MESSAGE", &self.message);
        put(&mut bytes, "PRIORITY", priority);
        put(&mut bytes, "SYSLOG_IDENTIFIER", "guard");
        put(&mut bytes, "TARGET", target);
        for (name, value) in &self.fields {
            put(&mut bytes, name, value);
        }
        bytes
    }

    fn note(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
            return;
        }
        // Letters, digits and underscores alone are a name there.
        let name: String = field
            .name()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        self.fields.push((format!("GUARD_{name}"), value));
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.note(field, text);
    }
}

/// A field: with its length, so that line breaks in a value make no fields of their own.
fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    let value = value.as_bytes().get(..VALUE_MAX).unwrap_or(value.as_bytes());
    let value = mask::masked(value);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(&u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(&value);
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_makes_a_field() {
        let record = Record {
            message: "two\nPRIORITY=0".to_owned(),
            fields: vec![("GUARD_CALLER".to_owned(), "sip:+16175550100@x".to_owned())],
        };
        let datagram = record.datagram(Level::WARN, "guard");
        assert!(
            datagram.starts_with(b"MESSAGE\n\x0e\0\0\0\0\0\0\0two\nPRIORITY=0\nPRIORITY\n\x01")
        );
        let masked = b"GUARD_CALLER\n\x09\0\0\0\0\0\0\0sip:***@x\n";
        assert!(datagram.windows(masked.len()).any(|part| part == masked));
    }
}
