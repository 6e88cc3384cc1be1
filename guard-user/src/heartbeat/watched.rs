//! What the heartbeat goes by: the workers' progress, and proofs that all is well.
//!
//! Both are words that their owner writes and the heartbeat reads; nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::nanoseconds;
use crate::kernel::clock;

/// All the heartbeat goes by.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Who has to make progress.
    pub workers: Vec<Worker>,
    /// What has to hold before the guard closes again.
    pub proofs: Vec<Proof>,
}

impl Watched {
    /// A worker that has been silent for too long.
    pub(super) fn stuck(&self, now: u64) -> Option<&'static str> {
        self.workers.iter().find(|worker| worker.is_stuck(now)).map(|worker| worker.name)
    }

    /// Since when all proofs have passed without a break; `None` if one fails, or was not tried
    /// for longer than `fresh`.
    pub(super) fn proven_since(&self, now: u64, fresh: u64) -> Option<u64> {
        self.proofs.iter().try_fold(0, |latest, proof| Some(latest.max(proof.since(now, fresh)?)))
    }
}

/// A worker of the daemon: a thread, or the main loop.
#[derive(Clone, Debug)]
pub struct Worker {
    name: &'static str,
    patience: u64,
    /// When it last made progress; 0 while it is not expected to.
    progress: Arc<AtomicU64>,
}

impl Worker {
    /// A worker that makes progress at least this often, from its first [`Worker::tick`] on.
    #[must_use]
    pub fn new(name: &'static str, patience: Duration) -> Self {
        Self { name, patience: nanoseconds(patience), progress: Arc::default() }
    }

    /// It made progress.
    pub fn tick(&self) {
        self.progress.store(clock::now(), Ordering::Relaxed);
    }

    /// It has ended, or never began; nothing is expected of it.
    pub fn rest(&self) {
        self.progress.store(0, Ordering::Relaxed);
    }

    fn is_stuck(&self, now: u64) -> bool {
        let progress = self.progress.load(Ordering::Relaxed);
        progress != 0 && now.saturating_sub(progress) > self.patience
    }
}

/// Something that is tried again and again, and has to hold before the guard closes again.
#[derive(Clone, Debug, Default)]
pub struct Proof(Arc<Tries>);

#[derive(Debug, Default)]
struct Tries {
    /// Since when it has passed without a break; 0 if it does not.
    since: AtomicU64,
    /// When it was last tried.
    last: AtomicU64,
}

impl Proof {
    /// It was tried.
    pub fn tried(&self, passed: bool) {
        let now = clock::now();
        let Tries { since, last } = &*self.0;
        if !passed {
            since.store(0, Ordering::Relaxed);
        } else if since.load(Ordering::Relaxed) == 0 {
            since.store(now, Ordering::Relaxed);
        }
        last.store(now, Ordering::Relaxed);
    }

    fn since(&self, now: u64, fresh: u64) -> Option<u64> {
        let since = self.0.since.load(Ordering::Relaxed);
        let last = self.0.last.load(Ordering::Relaxed);
        (since != 0 && now.saturating_sub(last) <= fresh).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_began_can_be_stuck() {
        let worker = Worker::new("calls", Duration::from_nanos(10));
        let watched = Watched { workers: vec![worker.clone()], proofs: Vec::new() };
        assert_eq!(watched.stuck(u64::MAX), None);
        worker.tick();
        let then = clock::now();
        assert_eq!(watched.stuck(then), None);
        assert_eq!(watched.stuck(then + 1_000_000_000), Some("calls"));
        worker.rest();
        assert_eq!(watched.stuck(u64::MAX), None);
    }

    #[test]
    fn all_proofs_must_hold_and_be_fresh() {
        let [first, second] = [Proof::default(), Proof::default()];
        let proofs = vec![first.clone(), second.clone()];
        let watched = Watched { workers: Vec::new(), proofs };
        assert_eq!(watched.proven_since(clock::now(), 10), None);
        first.tried(true);
        assert_eq!(watched.proven_since(clock::now(), u64::MAX), None);
        second.tried(true);
        let now = clock::now();
        assert!(watched.proven_since(now, u64::MAX).is_some());
        assert_eq!(watched.proven_since(now + 1_000_000_000, 10), None, "stale");
        first.tried(false);
        assert_eq!(watched.proven_since(clock::now(), u64::MAX), None);
    }
}
