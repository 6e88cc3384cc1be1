//! The daemon's log: for people on a terminal, as JSON, or to the journal with its fields.
//!
//! Writing never waits for whoever reads: a terminal that is stopped or a collector that hangs
//! must not hold up the heartbeat's workers. Lines that find no room are counted, and the count is
//! the next line that does. No caller's number gets in: `mask` has the last look at every line.

mod journal;
mod mask;
mod output;

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::output::Output;
use crate::config::LogFormat;

/// Lines that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts logging to standard error or the journal. `RUST_LOG` says what; else everything from
/// `info` on.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = || tracing_subscriber::fmt::layer().with_writer(Output::default);
    let registry = tracing_subscriber::registry().with(filter);
    // Only fails where a subscriber is set already; nobody else sets one.
    let _ = match chosen(format) {
        LogFormat::Journald => registry.with(journal::Journal::new()).try_init(),
        LogFormat::Json => registry.with(lines().json()).try_init(),
        LogFormat::Auto | LogFormat::Human => {
            let colours = std::io::stderr().is_terminal();
            registry.with(lines().with_target(false).with_ansi(colours)).try_init()
        }
    };
}

/// What `auto` means here.
fn chosen(format: LogFormat) -> LogFormat {
    match format {
        LogFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Human,
        LogFormat::Auto if journal::is_standard_error() => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Json,
        said => said,
    }
}

/// How many lines of this process were lost.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// A line is lost.
fn lose() {
    LOST.fetch_add(1, Ordering::Relaxed);
}
