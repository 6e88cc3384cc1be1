//! What the counters said over the last day: what `--since` and rates are made of.
//!
//! A thread of the daemon writes down all counters when it starts and every hour, and every half
//! minute how much they grew: files of lines in the state directory, 64 MiB and a day at most.
//! Readers add those up to a mark, the counters at a moment, and hold what the counters say now
//! against it. That works with the daemon dead, as far back as was written; nothing else needs it.

mod files;
mod mark;
mod snapshot;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub use self::mark::{Mark, before};
pub use self::snapshot::Snapshot;

use self::files::Writer;
use crate::background::Background;
use crate::live::{Live, LiveError};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// The running writer; ends when dropped.
pub struct Counting {
    _thread: Background,
}

impl Counting {
    /// Starts it.
    #[must_use]
    pub fn start(live: &Live) -> Self {
        let live = live.clone();
        let work = move |stopped: &AtomicBool| {
            let mut writer = Writer::new(live.store.path());
            let (mut next, mut told) = (Instant::now(), String::new());
            while !stopped.load(Ordering::Relaxed) {
                if let Some(wait) = next.checked_duration_since(Instant::now()) {
                    thread::park_timeout(wait);
                    continue;
                }
                next = Instant::now() + INTERVAL;
                let error = write(&live, &mut writer).err().map(|error| error.to_string());
                if let Some(error) = &error
                    && *error != told
                {
                    tracing::warn!("counters are not written down: {error}");
                }
                told = error.unwrap_or_default();
            }
        };
        Self { _thread: Background::start("counting", "to write down counters", work) }
    }
}

fn write(live: &Live, writer: &mut Writer) -> Result<(), LiveError> {
    Ok(writer.add(Snapshot::read(live)?, SystemTime::now())?)
}
