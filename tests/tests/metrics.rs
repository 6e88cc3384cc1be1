//! What Prometheus gets: the same numbers as the verbs say, bounded, from an endpoint that
//! nonsense does not stop; and rules and dashboard that a real Prometheus takes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test may panic"
)]

#[path = "metrics/documents.rs"]
mod documents;
#[path = "metrics/endpoint.rs"]
mod endpoint;
#[path = "metrics/large.rs"]
mod large;
#[path = "metrics/numbers.rs"]
mod numbers;
#[path = "metrics/prometheus.rs"]
mod prometheus;
#[path = "metrics/scrape.rs"]
mod scrape;
#[path = "metrics/tls.rs"]
mod tls;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use guard_tests::fixtures::sip::{audio, describing, emergency_invite, request, response};
use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS, Site, eventually};
use guard_tests::privilege::skip;

use self::scrape::{Scrape, scrape};

/// Where the endpoint listens in tests.
const LISTEN: &str = "127.0.0.1:9911";
/// How long something may take that is no matter of time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A site whose configuration has an endpoint; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(|site| config(site, &format!("listen = '{LISTEN}'")))
}

/// A configuration with these keys in `[metrics]`, which limits strangers' SIP to little.
fn config(site: &Site, metrics: &str) -> String {
    let role = "role = 'trusted'\noutgoing = true";
    format!(
        "{}\n[limits.sip]\nper-source = '5/s'\nper-source-burst = 5\nper-psap = '50/s'\n\n\
         [metrics]\n{metrics}\n",
        site.config().replace("role = 'trusted'", role)
    )
}

/// Calls of the carrier that are answered, and a stranger who sends more than he may.
fn traffic(site: &Site) {
    let service = site.listen(PSAP, SIP);
    let carrier = site.speak(CARRIER);
    let mut buffer = [0; 4096];
    for (to, text) in [
        (true, offer()),
        (false, response("200 OK")),
        (true, request("BYE", "sip:911@psap.example")),
    ] {
        let (from, to) = if to { (&carrier, &service) } else { (&service, &carrier) };
        from.send_to(text.as_bytes(), to.local_addr().unwrap()).unwrap();
        to.recv_from(&mut buffer).expect("a carrier's signalling passes");
    }
    let stranger = site.speak(STRANGERS[0]);
    for _ in 0..40 {
        stranger.send_to(request("OPTIONS", "sip:x@y").as_bytes(), (PSAP, SIP)).unwrap();
    }
}

/// A call that says where its audio goes: others are not followed.
fn offer() -> String {
    describing(&emergency_invite(), &audio((CARRIER, 20000).into()))
}

/// A scrape in which something holds, which it comes to within some time.
#[track_caller]
fn scrape_until(site: &Site, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let mut last = None;
    let found = eventually(PATIENCE, || {
        last = scrape(&site.host, LISTEN).ok();
        last.as_ref().is_some_and(&holds)
    });
    assert!(found, "never: {what}; the last scrape: {last:?}");
    last.unwrap()
}

/// The folder with `prometheus` and `promtool`; `None`, said loudly, if nobody has them.
fn programs() -> Option<PathBuf> {
    let said = std::env::var_os("GUARD_PROMETHEUS").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/prometheus/usr/bin");
    let found = said.into_iter().chain([built]).find(|folder| folder.join("promtool").is_file());
    if found.is_none() {
        skip("no promtool: `cargo xtask setup --for test` gets it");
    }
    found
}

/// Runs a program to its end; what it wrote.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it is installed");
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(status.success(), "{command:?}: {text}");
    text
}

/// A file of the project's documentation.
fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}
