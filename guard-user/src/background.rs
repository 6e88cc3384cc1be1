//! A thread of the daemon that works until it is told to stop, and without which the guard guards
//! on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A running thread; told to stop, and waited for, when dropped.
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts it. `work` looks at the flag it is given, at least whenever it is unparked. Where no
    /// thread can be had, that and what is missing without it are told.
    #[must_use]
    pub fn start(
        name: &str,
        missing: &str,
        work: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || work(&stopped));
        let failed = |error| tracing::error!("no thread {missing}: {error}");
        Self { stop, thread: spawned.map_err(failed).ok() }
    }

    /// Whether a thread could be had.
    #[must_use]
    pub fn began(&self) -> bool {
        self.thread.is_some()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}
