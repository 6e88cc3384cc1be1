//! What people who may not touch the pins ask the daemon for: a bypass and its end, a roll-back.
//!
//! One request on one line of JSON, one answer likewise, over a socket in the state directory
//! that `oncall-group` may connect to. Reading needs no daemon and does not come by here, nor
//! does anything that root does. With the daemon dead nobody answers; but then the watchdog
//! opens the guard.

mod client;
mod line;
mod peer;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::client::ask;
pub use self::server::Server;

/// Longest request or answer, with its end of line.
pub const LINE_MAX: usize = 4096;
/// How long one side may take to say its line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Name of the socket.
const SOCKET: &str = "control";

/// What may be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Switch the bypass on.
    BypassOn {
        /// Why.
        reason: String,
        /// For how many seconds; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Switch it off.
    BypassOff {},
    /// Go back to what was live before.
    RollBack {
        /// How many steps of the history.
        steps: u32,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; whatever could not be kept on disk is said.
    Done {
        /// What could not be noted.
        unnoted: Option<String>,
        /// What is so now.
        said: Option<String>,
    },
    /// It was not done.
    Refused {
        /// Why, and what to do.
        error: String,
    },
}

/// The socket of the guard with this state directory.
#[must_use]
pub fn socket(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

/// Reads what somebody asks for; an error says what is wrong with it.
///
/// # Errors
///
/// It is no whole line, too long a one, or no [`Request`].
pub fn understand(line: &[u8]) -> Result<Request, String> {
    parse(line)
}

/// Reads a line; an error says what is wrong with it.
fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    if line.len() > LINE_MAX {
        return Err(format!("longer than {LINE_MAX} bytes"));
    }
    let line = line.strip_suffix(b"\n").ok_or("no whole line came in time")?;
    serde_json::from_slice(line).map_err(|error| format!("not understood: {error}"))
}

/// A line.
fn print<T: Serialize>(value: &T) -> Vec<u8> {
    // Neither type has anything that JSON cannot say.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for request in [
            Request::BypassOff {},
            Request::RollBack { steps: 1, reason: None },
            Request::BypassOn { reason: "a \"b\"\nc".to_owned(), seconds: None },
            Request::BypassOn { reason: String::new(), seconds: Some(u64::MAX) },
        ] {
            let line = print(&request);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(parse::<Request>(&line).unwrap(), request);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "\n",
            "{}\n",
            "null\n",
            "[]\n",
            "{\"verb\":\"bypass-off\"}",
            "{\"verb\":\"unload\"}\n",
            "{\"verb\":\"bypass-off\",\"more\":1}\n",
            "{\"verb\":\"bypass-on\"}\n",
            "{\"verb\":\"bypass-on\",\"reason\":1}\n",
            "{\"verb\":\"bypass-on\",\"reason\":\"r\",\"seconds\":-1}\n",
            "{\"verb\":\"bypass-on\",\"reason\":\"r\",\"seconds\":1e400}\n",
            "{\"verb\":\"bypass-off\"}{\"verb\":\"bypass-off\"}\n",
        ] {
            assert!(parse::<Request>(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!("{}\n", "[".repeat(LINE_MAX - 1));
        assert!(parse::<Request>(deep.as_bytes()).is_err());
        assert!(parse::<Request>(&[b' '; LINE_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(line in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let _ = parse::<Request>(&line);
            let _ = parse::<Answer>(&line);
        }

        #[test]
        fn no_change_of_a_request_is_too_much(place in 0_usize..60, byte in any::<u8>()) {
            let mut line = print(&Request::BypassOn { reason: "why".to_owned(), seconds: Some(60) });
            if let Some(old) = line.get_mut(place) {
                *old = byte;
            }
            let _ = parse::<Request>(&line);
        }
    }
}
