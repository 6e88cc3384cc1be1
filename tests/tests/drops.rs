//! What was dropped, frame by frame and over time: followed, captured, selected.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "drops/capture.rs"]
mod capture;
#[path = "drops/follow.rs"]
mod follow;
#[path = "drops/select.rs"]
mod select;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use guard_tests::guard_process::{PSAP, SIP, STRANGERS, Site};
use serde_json::Value;

/// What nobody may ever read without leave.
const NUMBER: &str = "6175550123";

/// How long a verb that follows may take to begin, which nothing tells.
const BEGINS: Duration = Duration::from_secs(4);

/// A site that denies a stranger; `None`, said loudly, where no test can run.
fn site(samples: &str) -> Option<Site> {
    Site::with(|site| config(site, samples))
}

fn config(site: &Site, samples: &str) -> String {
    format!(
        "{}\n[[psap]]\nid = 'P-2'\nservices = ['198.51.100.11:5060/udp']\n\n\
         [[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n\n[samples]\n{samples}\n",
        site.config(),
        STRANGERS[0]
    )
}

/// A message of the stranger that is denied; no more comes of it.
fn denied(site: &Site) -> usize {
    let message = format!("OPTIONS sip:{NUMBER}@psap.example SIP/2.0\r\nCall-ID: {NUMBER}\r\n\r\n");
    let _service = site.listen(PSAP, SIP);
    site.speak(STRANGERS[0]).send_to(message.as_bytes(), (PSAP, SIP)).unwrap();
    message.len()
}

/// A verb that goes on; killed when dropped.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn spawn(site: &Site, arguments: &[&str]) -> Self {
        let mut command = site.command(&[&["drops", "--follow"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let out: ChildStdout = child.stdout.take().expect("it is piped");
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// One that is there: it begins with what comes from now on.
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let following = Self::spawn(site, arguments);
        thread::sleep(BEGINS);
        following
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).expect("a line")
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("a line of JSON")
    }

    fn is_silent(&self) -> bool {
        self.lines.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
