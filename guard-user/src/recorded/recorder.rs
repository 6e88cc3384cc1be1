//! The thread that reads samples and keeps what may be kept of them.
//!
//! Whatever happens to it, guarding goes on: an error is told once, and the next segment tried.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_common::abi::state::switch;
use guard_common::class::Class;
use guard_common::reason::Reason;
use guard_common::verdict::Verdict;

use super::kept::Kept;
use super::parties::Parties;
use super::ring::{Ring, Sample};
use super::seen::Seen;
use super::store::{Segment, Store};
use super::strip::strip;
use crate::background::Background;
use crate::config::Samples;
use crate::kernel::clock;
use crate::kernel::state::Switches;
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
    let mut ring = Ring::open(&live.pins)?;
    let switches = live.pins.switches()?;
    let mut names = Names::read(live, &switches)?;
    let store = Store::new(live.store.path());
    let mut keeper = Keeper::new(store, names.samples);
    let (mut ticked, mut saved) = (clock::now(), clock::now());
    while !stop.load(Ordering::Relaxed) {
        let found = (0..AT_ONCE).take_while(|_| {
            ring.next(|sample| {
                if let Some(sample) = sample {
                    keeper.take(&sample, &names);
                }
            })
        });
        let is_empty = found.count() < AT_ONCE;
        let now = clock::now();
        if now.saturating_sub(ticked) >= TICK {
            ticked = now;
            if switches.get(switch::GENERATION)? != names.generation {
                names = Names::read(live, &switches)?;
                keeper.set(names.samples);
            }
            keeper.tick();
        }
        if now.saturating_sub(saved) >= SAVE {
            saved = now;
            keeper.save();
        }
        if is_empty {
            ring.wait(WAIT_MILLISECONDS);
        }
    }
    keeper.save();
    Ok(())
}

/// What the live generation calls things.
struct Names {
    generation: u64,
    samples: Samples,
    interfaces: BTreeMap<u32, String>,
    owners: BTreeMap<u32, String>,
    parties: Parties,
}

impl Names {
    fn read(live: &Live, switches: &Switches) -> Result<Self, LiveError> {
        let record = live.record()?;
        let config = record.config.with_overlay(&record.overlay)?;
        let slots = live.store.slots()?;
        Ok(Self {
            // A record that is behind is read again.
            generation: switches.get(switch::GENERATION)?.min(record.number),
            samples: config.samples,
            interfaces: record.interfaces.into_iter().map(|(name, at)| (at, name)).collect(),
            owners: slots.into_iter().map(|(id, slot)| (slot, id)).collect(),
            parties: Parties::new(&config),
        })
    }
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

    fn take(&mut self, sample: &Sample<'_>, names: &Names) {
        if !self.settings.enabled {
            return;
        }
        let Some((kept, at)) = keep(sample, names) else {
            return;
        };
        let reason = kept.reason();
        let is_party =
            matches!(reason.class(), Class::Protected | Class::Management | Class::Infrastructure);
        if is_party && let Some(facts) = kept.facts() {
            let ends = [facts.source, facts.destination];
            for key in ends.into_iter().flat_map(|end| names.parties.keys(end)) {
                self.seen.note(key, at);
            }
        }
        if let Err(error) = self.write(&kept) {
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

/// What is kept of a sample, and its time.
fn keep(sample: &Sample<'_>, names: &Names) -> Option<(Kept, SystemTime)> {
    let Sample { header, bytes } = sample;
    let (reason, verdict) = Reason::of_counter(header.counter)?;
    let age = Duration::from_nanos(clock::now().saturating_sub(header.time));
    let at = SystemTime::now().checked_sub(age)?;
    let via = (header.interface != 0).then(|| match names.interfaces.get(&header.interface) {
        Some(name) => name.clone(),
        None => format!("#{}", header.interface),
    });
    let (headers, start_line) = strip(bytes, header.length);
    let at_milliseconds = at.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let kept = Kept {
        at: u64::try_from(at_milliseconds).ok()?,
        via,
        owner: names.owners.get(&header.slot).cloned(),
        reason: reason.number(),
        dropped: verdict == Verdict::Drop,
        stands_for: header.stands_for,
        length: header.length,
        headers,
        start_line,
    };
    Some((kept, at))
}
