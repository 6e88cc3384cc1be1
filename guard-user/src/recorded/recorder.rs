//! The thread that reads samples and keeps what may be kept of them.
//!
//! Whatever happens to it, guarding goes on: an error is told once, and the next segment tried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use guard_common::class::Class;

use super::kept::Kept;
use super::parties::Parties;
use super::seen::Seen;
use super::source::{Source, Taken};
use super::store::{Segment, Store};
use crate::background::Background;
use crate::config::Samples;
use crate::drops::Log;
use crate::kernel::clock;
use crate::live::{Live, LiveError};

/// How long the ring may be empty before the clock is looked at: also how long an end waits.
const WAIT_MILLISECONDS: u8 = 200;
/// Samples between two looks at the clock.
const AT_ONCE: usize = 1024;
/// How often changes of the generation are looked after.
const TICK: u64 = 1_000_000_000;
/// How often it is written down who was seen.
const SAVE: u64 = 30_000_000_000;
/// How long a recorder that failed waits.
const RESPITE: Duration = Duration::from_secs(1);

/// A running recorder; ends when dropped.
pub struct Recorder {
    _thread: Background,
}

impl Recorder {
    /// Starts it. Without it changes are tried on no traffic, which is told, and no reason not to
    /// guard.
    #[must_use]
    pub fn start(live: &Live) -> Self {
        let live = live.clone();
        let work = move |stopped: &AtomicBool| {
            let mut told = String::new();
            while !stopped.load(Ordering::Relaxed) {
                let error = match catch_unwind(AssertUnwindSafe(|| record(&live, stopped))) {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => format!("samples cannot be read: {error}"),
                    Err(_) => "the recorder of samples failed; it begins anew".to_owned(),
                };
                if error != told {
                    tracing::error!("{error}");
                    told = error;
                }
                thread::park_timeout(RESPITE);
            }
        };
        Self { _thread: Background::start("recorder", "to read samples", work) }
    }
}

/// Records until it is stopped.
fn record(live: &Live, stop: &AtomicBool) -> Result<(), LiveError> {
    let mut source = Source::open(live)?;
    let mut keeper = Keeper::new(Store::new(live.store.path()), source.settings());
    let mut drops = Log::new(live.store.path(), source.settings());
    let (mut ticked, mut saved) = (clock::now(), clock::now());
    while !stop.load(Ordering::Relaxed) {
        let mut found = 0;
        while found < AT_ONCE
            && let Some(taken) = source.next()
        {
            found += 1;
            drops.take(&taken);
            if taken.is_recorded {
                keeper.take(&taken, source.parties());
            }
        }
        let now = clock::now();
        if now.saturating_sub(ticked) >= TICK {
            ticked = now;
            if source.look(live)? {
                keeper.set(source.settings());
                drops.set(source.settings());
            }
            keeper.tick();
            drops.tick();
        }
        if now.saturating_sub(saved) >= SAVE {
            saved = now;
            keeper.save();
        }
        if found < AT_ONCE {
            source.wait(WAIT_MILLISECONDS);
        }
    }
    keeper.save();
    Ok(())
}

/// Keeps samples, as far as there is room and leave.
struct Keeper {
    store: Store,
    seen: Seen,
    settings: Samples,
    segment: Option<Segment>,
    /// When a segment could not be written; the next is tried after it.
    failed: Option<SystemTime>,
    has_told: bool,
}

/// How long nothing is written after a failure: a full disk does not empty at once.
const PAUSE: Duration = Duration::from_secs(60);

impl Keeper {
    fn new(store: Store, settings: Samples) -> Self {
        let seen = Seen::load(store.path());
        let mut keeper =
            Self { store, seen, settings, segment: None, failed: None, has_told: false };
        keeper.set(settings);
        keeper
    }

    /// Goes by other settings from now on; what was kept before goes where none is to be.
    fn set(&mut self, settings: Samples) {
        self.settings = settings;
        self.store.prune(SystemTime::now(), settings.keep.0);
        if !settings.enabled {
            self.segment = None;
            self.store.purge();
            self.seen = Seen::load(self.store.path());
        }
    }

    fn tick(&mut self) {
        let now = SystemTime::now();
        if self.segment.as_ref().is_some_and(|segment| segment.is_over(now)) {
            self.segment = None;
        }
        if !self.settings.enabled {
            return;
        }
        self.store.prune(now, self.settings.keep.0);
        self.seen.prune(now, Samples::KEEP_MAX);
    }

    fn save(&mut self) {
        if self.settings.enabled
            && let Err(error) = self.seen.save()
        {
            self.tell(&error);
        }
    }

    fn take(&mut self, Taken { kept, at, .. }: &Taken, parties: &Parties) {
        if !self.settings.enabled {
            return;
        }
        let reason = kept.reason();
        let is_party =
            matches!(reason.class(), Class::Protected | Class::Management | Class::Infrastructure);
        if is_party && let Some(facts) = kept.facts() {
            let ends = [facts.source, facts.destination];
            for key in ends.into_iter().flat_map(|end| parties.keys(end)) {
                self.seen.note(key, *at);
            }
        }
        if let Err(error) = self.write(kept) {
            self.segment = None;
            self.failed = Some(SystemTime::now());
            self.tell(&error);
        }
    }

    fn write(&mut self, kept: &Kept) -> std::io::Result<()> {
        let now = SystemTime::now();
        let waits =
            |failed: SystemTime| now.duration_since(failed).is_ok_and(|since| since < PAUSE);
        if self.failed.is_some_and(waits) {
            return Ok(());
        }
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(self.store.open(now)?),
        };
        if segment.keep(kept)? {
            (self.failed, self.has_told) = (None, false);
        }
        Ok(())
    }

    /// Says once what keeps samples from being kept.
    fn tell(&mut self, error: &std::io::Error) {
        if !self.has_told {
            self.has_told = true;
            tracing::warn!(
                "{}: {error}; samples are not kept until that works again",
                self.store.path().display()
            );
        }
    }
}
