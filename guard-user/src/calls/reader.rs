//! The thread that reads the rings and follows the calls in them.
//!
//! Signalling between configured parties comes first: strangers' is read in small batches, and
//! only while there is none. Whatever happens to this thread, nothing is closed by it: it begins
//! anew with the calls that were kept, and media to all elements is open for a while whenever it
//! does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use guard_common::abi::state::switch;

use super::Follower;
use super::copies::Rings;
use super::counts::Counts;
use super::directory::Directory;
use super::keeper::{Desk, Keeper, Known};
use super::pins::{PinnedPorts, open_media};
use super::tally::Tallies;
use crate::background::Background;
use crate::heartbeat::Worker;
use crate::kernel::pins::PinDir;
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, clock};
use crate::live::Live;

/// How long the rings may be empty before the clock is looked at: also how long an end waits.
const WAIT_MILLISECONDS: u8 = 200;
/// Records of configured parties between two looks at the clock.
const CONFIGURED_AT_ONCE: usize = 1024;
/// Strangers' records between two looks at the other ring.
const STRANGERS_AT_ONCE: usize = 32;
/// A pause behind each such batch: 16,000 strangers' records a second at most, which at five
/// microseconds each are a tenth of one CPU.
const STRANGERS_PAUSE: Duration = Duration::from_millis(2);
/// How often refreshes, changes of the generation and lost pieces are looked after.
const TICK: u64 = 1_000_000_000;
/// How often the counters are told.
const REPORT: u64 = 60_000_000_000;
/// How often the calls are kept, if something was said in them: what was said since is not known
/// to the reader after one that was killed.
const KEEP: u64 = 5_000_000_000;
/// How long a reader that failed waits.
const RESPITE: Duration = Duration::from_secs(1);

/// A running reader; ends when dropped.
pub struct Reader {
    _thread: Background,
    // Behind the reader, whose last words it writes.
    _keeper: Keeper,
}

impl Reader {
    /// Starts it. Without it media that strangers negotiate is open only where the element sends
    /// first, so that a failure is told, and no reason not to guard.
    #[must_use]
    pub fn start(live: &Live, worker: &Worker, tallies: &Tallies) -> Self {
        let (pins, desk) = (live.pins.clone(), Desk::new(live.store.clone()));
        let keeper = Keeper::start(desk.clone());
        let (own, tallies) = (worker.clone(), tallies.clone());
        let work = move |stopped: &AtomicBool| {
            let mut counts = Counts::default();
            let mut takes_back = true;
            while !stopped.load(Ordering::Relaxed) {
                own.tick();
                let work = || {
                    let mut follower = begin(&pins, counts)?.telling(tallies.clone());
                    let known = if takes_back { desk.kept(follower.mark()) } else { Vec::new() };
                    follower.take_back(known, clock::now());
                    read(&pins, &desk, stopped, &own, (follower, &mut counts))
                };
                match catch_unwind(AssertUnwindSafe(work)) {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => {
                        tracing::error!("copies of signalling cannot be read: {error}");
                    }
                    Err(_) => {
                        tracing::error!("the reader of signalling failed; it begins anew");
                        // One of its calls may be why.
                        takes_back = false;
                    }
                }
                counts.restarts += 1;
                thread::park_timeout(RESPITE);
            }
            own.rest();
        };
        // Expected from here on: one that hangs in its first step is stuck as well.
        worker.tick();
        let thread = Background::start("calls", "to read copies of signalling", work);
        if !thread.began() {
            worker.rest();
        }
        Self { _thread: thread, _keeper: keeper }
    }
}

/// Begins with the parties and pins that are live.
fn begin(pins: &PinDir, counts: Counts) -> Result<Follower<PinnedPorts>, KernelError> {
    Ok(Follower::new(Directory::open(pins)?, PinnedPorts::open(pins)?, counts))
}

/// Reads until it is stopped.
fn read(
    pins: &PinDir,
    desk: &Desk,
    stop: &AtomicBool,
    worker: &Worker,
    (mut follower, counts): (Follower<PinnedPorts>, &mut Counts),
) -> Result<(), KernelError> {
    let mut rings = Rings::open(pins)?;
    let switches = pins.switches()?;
    // Copies that nobody read were lost.
    open_media(pins, clock::now())?;
    tracing::info!("calls known from before: {}", follower.counts().calls);
    let (mut ticked, mut reported, mut kept) = (0, 0, clock::now());
    let mut told = None;
    while !stop.load(Ordering::Relaxed) {
        worker.tick();
        let found = read_some(&mut rings, &mut follower);
        *counts = follower.counts();
        let now = clock::now();
        if now.saturating_sub(ticked) >= TICK {
            ticked = now;
            follow_generation(pins, &switches, &mut follower);
            follower.tick(now);
        }
        if now.saturating_sub(reported) >= REPORT && told != Some(*counts) {
            reported = now;
            told = Some(*counts);
            report(desk, *counts);
        }
        if now.saturating_sub(kept) >= KEEP {
            kept = now;
            keep(desk, &mut follower);
        }
        match found {
            Found::Nothing => rings.wait(WAIT_MILLISECONDS),
            Found::Strangers => thread::sleep(STRANGERS_PAUSE),
            Found::Configured => {}
        }
    }
    report(desk, *counts);
    keep(desk, &mut follower);
    Ok(())
}

/// What is left in the rings.
enum Found {
    Nothing,
    Strangers,
    Configured,
}

/// Reads what configured parties said, and when that is all, something of strangers.
fn read_some(rings: &mut Rings, follower: &mut Follower<PinnedPorts>) -> Found {
    let now = clock::now();
    for _ in 0..CONFIGURED_AT_ONCE {
        let Some(record) = rings.configured() else {
            return read_strangers(rings, follower, now);
        };
        follower.take(record.as_ref(), now);
    }
    Found::Configured
}

fn read_strangers(rings: &mut Rings, follower: &mut Follower<PinnedPorts>, now: u64) -> Found {
    for _ in 0..STRANGERS_AT_ONCE {
        match rings.stranger() {
            Some(record) => follower.take(record.as_ref(), now),
            None => return Found::Nothing,
        }
    }
    Found::Strangers
}

/// Takes over the parties of a new generation. Where that fails the old ones serve.
fn follow_generation(pins: &PinDir, switches: &Switches, follower: &mut Follower<PinnedPorts>) {
    match switches.get(switch::GENERATION) {
        Ok(live) if live == follower.generation() => {}
        _ => match Directory::open(pins) {
            Ok(directory) => follower.set_directory(directory),
            Err(error) => tracing::warn!("calls go by the parties of before: {error}"),
        },
    }
}

/// Tells the counters: in the log, and in a file.
fn report(desk: &Desk, counts: Counts) {
    tracing::info!(?counts, "calls");
    desk.tell(counts);
}

/// Keeps what the next reader has to know, if that has changed.
fn keep(desk: &Desk, follower: &mut Follower<PinnedPorts>) {
    let mark = follower.mark();
    if let Some(calls) = follower.changed() {
        desk.keep(Known::new(mark, calls));
    }
}
