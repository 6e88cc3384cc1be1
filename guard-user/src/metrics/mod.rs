//! What Prometheus gets: the numbers of `guard status`, `psaps` and `drops`, and what the daemon
//! alone knows, in the text format 0.0.4.
//!
//! `catalogue` describes every family; nothing else is ever exposed. `state`, `traffic` and
//! `resources` read, `page` puts together, `server` answers. Off unless `[metrics]` says where. It
//! is a thread of its own that the guard does not need: whatever happens to it, the guard guards.

pub mod catalogue;
pub mod family;
mod page;
mod resources;
mod server;
mod state;
mod tls;
mod traffic;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use self::page::Page;
use self::tls::Files;
use crate::background::Background;
use crate::calls::tally::Tallies;
use crate::config::Metrics;
use crate::live::Live;

pub use self::traffic::PAIRS_MAX;

/// How long an endpoint that failed waits.
const RESPITE: Duration = Duration::from_secs(1);

/// The endpoint of a daemon, which follows the live configuration.
pub struct Exporter {
    live: Live,
    tallies: Tallies,
    settings: Metrics,
    server: Option<Background>,
}

impl Exporter {
    /// One that does not listen yet.
    #[must_use]
    pub fn new(live: &Live, tallies: &Tallies) -> Self {
        Self {
            live: live.clone(),
            tallies: tallies.clone(),
            settings: Metrics::default(),
            server: None,
        }
    }

    /// Listens where these settings say from now on, and nowhere else.
    pub fn follow(&mut self, settings: &Metrics) {
        if self.settings == *settings {
            return;
        }
        // The old one gives its port back first.
        self.server = None;
        self.settings = settings.clone();
        self.server = self.start();
    }

    fn start(&self) -> Option<Background> {
        let Metrics { listen, certificate, key } = self.settings.clone();
        let listen = listen?;
        let files = certificate.zip(key).map(|(certificate, key)| Files { certificate, key });
        let (live, tallies) = (self.live.clone(), self.tallies.clone());
        let work = move |stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                let page = Page::new(live.clone(), tallies.clone());
                let serve = || server::serve(listen, files.as_ref(), page, stop);
                if catch_unwind(AssertUnwindSafe(serve)).is_err() {
                    tracing::error!("the endpoint of metrics failed; it begins anew");
                }
                if !stop.load(Ordering::Relaxed) {
                    thread::park_timeout(RESPITE);
                }
            }
        };
        Some(Background::start("metrics", "to answer Prometheus", work))
    }
}
