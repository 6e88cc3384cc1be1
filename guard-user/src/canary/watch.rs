//! The daemon's canary: a thread that sends each PSAP a frame each second, and opens the guard
//! when one that must pass is not protected.
//!
//! A failure opens only once it is confirmed: under the lock of changes, so that none is half
//! done, on a copy made anew, from what is live and written down then. What keeps it from looking
//! is no failure of the guard: it says "blind", and opens nothing.

use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guard_common::abi::state::{opened, switch};

use super::blind::Blind;
use super::copy::{Canary, Tally};
use super::files::{self, Kept, Outcome, Report};
use super::vantage::Vantage;
use super::{FORMS, Failure};
use crate::background::Background;
use crate::heartbeat::Proof;
use crate::kernel::{KernelError, clock};
use crate::live::{Live, LiveError};

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);

/// Looks in a row that may meet a change: someone may swap all the time.
const CHANGES: u32 = 30;

/// A running canary; ends when dropped.
pub struct Watch {
    _thread: Background,
}

impl Watch {
    /// Starts it; each look that tells anything is a try of `passes`. A guard without it is no worse
    /// a guard, and nobody knows: that is told.
    #[must_use]
    pub fn start(live: &Live, passes: Proof) -> Self {
        let live = live.clone();
        let work = move |stopped: &AtomicBool| {
            let mut watcher = Watcher::new(live, passes);
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                if catch_unwind(AssertUnwindSafe(|| watcher.look())).is_err() {
                    watcher.canary = None;
                    watcher.say(Outcome::Blind, Some("a look failed; see the log".to_owned()));
                }
                next = (next + TICK).max(Instant::now());
                // May return early; a look too many does no harm.
                thread::park_timeout(next.saturating_duration_since(Instant::now()).max(TICK / 2));
            }
        };
        Self {
            _thread: Background::start(
                "canary",
                "for the canary, nothing proves that 911 passes",
                work,
            ),
        }
    }
}

/// What the thread remembers.
struct Watcher {
    live: Live,
    /// Has to hold before the guard closes again by itself.
    passes: Proof,
    canary: Option<Canary>,
    vantage: Vantage,
    /// Counts the looks: what is sent goes by it.
    tick: u64,
    /// Looks in a row that met a change.
    changing: u32,
    /// What was said last.
    said: Option<Outcome>,
    /// When something was written down last, and of which generation.
    written: Option<(Instant, u64)>,
    /// What was seen when it failed could not be kept, and that was said.
    is_unkept: bool,
    /// Of the last look.
    sent: Sent,
}

/// What was sent in a second.
#[derive(Clone, Copy, Default)]
struct Sent {
    generation: u64,
    targets: usize,
    frames: u64,
    took: Duration,
}

/// What a look came to.
enum Look {
    /// A change is under way: what is live is not what is written down.
    Changing,
    /// All is well.
    Ok,
    /// It cannot be known.
    Doubt(String),
    /// Frames failed.
    Failed(Vec<(usize, u64)>),
}

impl Watcher {
    fn new(live: Live, passes: Proof) -> Self {
        Self {
            live,
            passes,
            canary: None,
            vantage: Vantage::default(),
            tick: 0,
            changing: 0,
            said: None,
            written: None,
            is_unkept: false,
            sent: Sent::default(),
        }
    }

    /// One second's work.
    fn look(&mut self) {
        self.tick = self.tick.wrapping_add(1);
        let before = self.generation();
        let look = self.send().unwrap_or_else(|trouble| {
            // Whatever it is: begin anew next time. A swap takes old pins away, and says first
            // that another generation is live.
            self.canary = None;
            match (before, self.generation()) {
                (Ok(before), Ok(now)) if before != now => Look::Changing,
                _ => Look::Doubt(trouble.to_string()),
            }
        });
        self.changing = match look {
            Look::Changing => self.changing.saturating_add(1),
            _ => 0,
        };
        match look {
            Look::Changing if self.changing <= CHANGES => {}
            Look::Changing => {
                let why = "a change is under way and does not end: what is live is not what is \
                           written down; see `guard status`";
                self.say(Outcome::Blind, Some(why.to_owned()));
            }
            Look::Ok => self.say(Outcome::Ok, None),
            Look::Doubt(why) => self.say(Outcome::Blind, Some(why)),
            Look::Failed(failed) => {
                if let Err(trouble) = self.failed(&failed) {
                    self.canary = None;
                    self.say(Outcome::Blind, Some(trouble.to_string()));
                }
            }
        }
    }

    fn generation(&self) -> Result<u64, KernelError> {
        self.live.pins.switches()?.get(switch::GENERATION)
    }

    /// Sends each target its frames of this second.
    fn send(&mut self) -> Result<Look, Trouble> {
        let before = clock::spent();
        let generation = self.generation()?;
        let known = self.canary.take();
        let known = known.filter(|canary| canary.generation() == generation);
        let canary = match known {
            Some(canary) if canary.is_current()? => canary,
            _ => match self.copy_of(generation)? {
                Some(canary) => canary,
                None => return Ok(Look::Changing),
            },
        };
        // Kept even if what follows fails.
        let canary = self.canary.insert(canary);
        let plan = canary.plan();
        let targets = plan.parties().targets.len();
        if targets == 0 {
            return Err(Blind::NoTarget.into());
        }
        let tick = self.tick;
        let work: Vec<_> = (0..targets)
            .flat_map(|target| {
                let each = plan.each_second(target);
                // Begun at another place by each, so that a second has all kinds of frames.
                let first = tick.wrapping_mul(each).wrapping_add(target as u64);
                (first..first.saturating_add(each)).map(move |number| (target, number))
            })
            .collect();
        let usable = canary.usable()?;
        let Tally { frames, failed, skipped: _ } = canary.run(work.into_iter(), usable)?;
        self.sent =
            Sent { generation, targets, frames, took: clock::spent().saturating_sub(before) };
        if !failed.is_empty() {
            return Ok(Look::Failed(failed));
        }
        Ok(self.vantage.doubt(&self.live, canary).map_or(Look::Ok, Look::Doubt))
    }

    /// A copy of what is live; `None` if that is not what is written down yet.
    fn copy_of(&self, generation: u64) -> Result<Option<Canary>, Trouble> {
        let record = self.live.record()?;
        if record.number != generation {
            return Ok(None);
        }
        let effective = record.config.with_overlay(&record.overlay).map_err(LiveError::from)?;
        Ok(Some(Canary::new(&self.live.pins, &record, &effective)?))
    }

    /// Confirms a failure, and opens.
    fn failed(&mut self, failed: &[(usize, u64)]) -> Result<(), Trouble> {
        let Some(mut canary) = self.canary.take() else { return Ok(()) };
        let first = canary.tell(failed, canary.usable()?)?;
        // Nobody changes anything from here on. Somebody who has been at it for so long that we
        // do not get the lock keeps nobody from opening.
        let lock = match self.live.pins.lock() {
            Ok(lock) => Some(lock),
            Err(KernelError::Locked { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if self.generation()? != canary.generation() {
            return Ok(());
        }
        let Some(mut anew) = self.copy_of(canary.generation())? else { return Ok(()) };
        let usable = anew.usable()?;
        let again = anew.run(failed.iter().copied(), usable)?.failed;
        let second = anew.tell(&again, usable)?;
        let same = |failure: &&Failure| first.iter().any(|before| before.is_same(failure));
        let confirmed: Vec<_> = second.iter().filter(same).cloned().collect();
        let Some(failure) = confirmed.first().cloned() else {
            tracing::warn!(frames = failed.len(), "a canary's failure did not come again");
            return Ok(());
        };
        self.canary = Some(anew);
        let failed = again.len() as u64;
        // First what needs no disk, and last what has to wait for one.
        let has_opened = self.open(&failure)?;
        self.say(Outcome::Failed, Some(failure.to_string()));
        drop(lock);
        // Of a guard that is open already, what was seen first is what it was opened for; unless
        // that could not be kept.
        if has_opened || !matches!(files::kept(&self.live.store), Ok(Some(_))) {
            self.keep(&Kept {
                at: files::now(),
                generation: canary.generation(),
                failed,
                failures: confirmed,
                closed: None,
            });
        }
        if has_opened {
            let why = Some("the canary failed");
            self.live.audit.record("open the guard", why, "done", Some(self.sent.generation));
        }
        Ok(())
    }

    /// Opens the guard; whether it was not open for this already.
    fn open(&self, failure: &Failure) -> Result<bool, Trouble> {
        if !self.live.pins.switches()?.open_for(opened::CANARY)? {
            return Ok(false);
        }
        tracing::error!(
            psap = failure.psap,
            form = failure.form,
            transport = failure.transport,
            interface = failure.interface,
            verdict = failure.verdict,
            reason = failure.reason,
            "THE CANARY FAILED, the guard is open: see `guard status`; `guard close` closes it"
        );
        Ok(true)
    }

    /// Keeps what was seen; tried again while that lasts, and told once.
    fn keep(&mut self, kept: &Kept) {
        let done = files::keep(&self.live.store, kept);
        let was_unkept = replace(&mut self.is_unkept, done.is_err());
        if let (Err(error), false) = (done, was_unkept) {
            tracing::error!("what the canary saw cannot be kept: {error}");
        }
    }

    /// Says how it goes: to the log when that changes, to the disk then and now and again.
    fn say(&mut self, result: Outcome, why: Option<String>) {
        self.passes.tried(result == Outcome::Ok);
        let is_news = self.said.replace(result) != Some(result);
        if is_news {
            match (result, &why) {
                (Outcome::Ok, _) => tracing::info!("canary: 911 passes"),
                (Outcome::Failed, _) => {}
                (Outcome::Blind, why) => tracing::error!(
                    "canary: BLIND, it is not known whether 911 passes: {}",
                    why.as_deref().unwrap_or("")
                ),
            }
        }
        let Sent { generation, targets, frames, took } = self.sent;
        let is_due =
            self.written.is_none_or(|(at, of)| at.elapsed() >= files::EVERY || of != generation);
        if !(is_news || is_due) {
            return;
        }
        self.written = Some((Instant::now(), generation));
        let report = Report {
            result,
            why,
            at: files::now(),
            monotonic: clock::now(),
            generation,
            targets,
            forms: FORMS,
            frames,
            microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        if let Err(error) = files::set_report(&self.live.store, &report) {
            tracing::warn!("how the canary goes cannot be written down: {error}");
        }
    }
}

/// What keeps the canary from looking.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Blind(#[from] Blind),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
