//! An oracle: says of a frame what the guard owes it, without the guard's code for reading SIP.
//!
//! A campaign makes up networks, fills the maps with whatever they may hold, sends situations
//! through the guard (on the host, or there and in the kernel at once) and holds every answer
//! against the oracle's. One number makes all of it, so that a failure can be repeated.

mod chaos;
mod dress;
mod fuzzed;
mod guard;
mod judge;
mod kept;
mod message;
mod mutate;
mod net;
mod people;
mod pieces;
mod random;
mod reader;
mod scenario;
mod world;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use guard_common::reason::Reason;

pub use self::fuzzed::{Fuzzed, seeds};
pub use self::guard::{Answer, Guard};
pub use self::judge::{Claim, claim};
pub use self::kept::Kept;
pub use self::pieces::{message as of_pieces, spliced};
pub use self::random::Random;
pub use self::reader::{Says, says};
pub use self::scenario::{KINDS, Stage, Step};
pub use self::world::World;

use crate::fixtures::network::{Network, made_up};

/// What a campaign does.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// Makes everything.
    pub seed: u64,
    /// What to ask of the guard.
    pub kept: Kept,
    /// Frames in each made-up network.
    pub frames: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Networks.
    pub worlds: u64,
    /// Frames.
    pub frames: u64,
    /// Situations, by kind.
    pub situations: [u64; KINDS.len()],
    /// Frames that must not be dropped.
    pub claimed: u64,
    /// Of those, what must be Protected because its Request-URI says so.
    pub marked: u64,
    /// Of those, what rests on state.
    pub rests_on_state: u64,
    /// Claims that state lost with an alarm made void.
    pub voided: u64,
    /// Frames that nobody may protect.
    pub unprotected: u64,
    /// Frames that were dropped, none of which had a claim.
    pub dropped: u64,
}

/// The frame that a guard was wrong about.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The number of the network.
    pub world: u64,
    /// What was wrong.
    pub why: String,
    /// All frames of the situation up to it, with the interfaces.
    pub frames: Vec<(&'static str, Vec<u8>)>,
}

impl Campaign {
    /// Runs in the networks with these numbers, on the host, or there and in the kernel if
    /// `interfaces` are given: indexes by name.
    ///
    /// # Errors
    ///
    /// The first frame that a guard is wrong about.
    pub fn run(
        &self,
        worlds: impl Iterator<Item = u64>,
        interfaces: Option<&BTreeMap<String, u32>>,
    ) -> Result<Tally, Box<Failure>> {
        let mut tally = Tally::default();
        for number in worlds {
            self.world(number, interfaces, &mut tally)?;
        }
        Ok(tally)
    }

    fn world(
        &self,
        number: u64,
        interfaces: Option<&BTreeMap<String, u32>>,
        tally: &mut Tally,
    ) -> Result<(), Box<Failure>> {
        let mut random = Random::part(self.seed, number);
        let world = World::any(&mut random);
        let indexes = interfaces.map_or_else(made_up, Clone::clone);
        let mut tables = Network::of(&world.config(), indexes.clone()).tables;
        let chaos = chaos::unleash(&mut random, &mut tables);
        let mut guard = match interfaces {
            None => Guard::on_host(&tables, indexes),
            Some(_) => Guard::on_both(&tables, indexes),
        };
        guard.unleash(&mut random, &chaos);
        let stage = Stage { world: &world, kept: self.kept };
        let failure =
            |why, frames| Box::new(Failure { seed: self.seed, world: number, why, frames });
        let end = tally.frames + self.frames;
        while tally.frames < end {
            let (kind, steps) = stage.any(&mut random);
            if let Some(count) = tally.situations.get_mut(kind) {
                *count += 1;
            }
            // Below the 32 seconds in which an element has to answer.
            guard.wait(random.bits() % 2_000_000_000);
            play(&mut guard, &steps, tally).map_err(|(why, at)| {
                let until = steps.iter().take(at + 1);
                failure(why, until.map(|step| (step.interface, step.frame.clone())).collect())
            })?;
        }
        tally.worlds += 1;
        guard.settle().map_err(|why| failure(why, Vec::new()))
    }
}

/// Runs a situation; what is wrong with which of its frames.
fn play(guard: &mut Guard, steps: &[Step], tally: &mut Tally) -> Result<(), (String, usize)> {
    let mut lost_state = false;
    for (place, step) in steps.iter().enumerate() {
        let answer = guard.run(&step.frame, step.interface).map_err(|why| (why, place))?;
        tally.frames += 1;
        tally.dropped += u64::from(answer.dropped);
        if step.rests_on_state && lost_state {
            tally.voided += 1;
        } else {
            settle(step, &answer, tally).map_err(|why| (why, place))?;
        }
        lost_state |= answer.lost_state;
    }
    Ok(())
}

/// Counts a claim, and holds the answer against it.
fn settle(step: &Step, answer: &Answer, tally: &mut Tally) -> Result<(), String> {
    match step.claim {
        Claim::Protected(why) => {
            tally.claimed += 1;
            tally.marked += u64::from(why == "marked");
            tally.rests_on_state += u64::from(step.rests_on_state);
        }
        Claim::Passes(_) => {
            tally.claimed += 1;
            tally.rests_on_state += u64::from(step.rests_on_state);
        }
        Claim::Unprotected(_) => tally.unprotected += 1,
        Claim::Nothing => {}
    }
    check(step.claim, answer.dropped, answer.reason)
}

/// Holds what a guard did with a frame against what it owes it.
///
/// # Errors
///
/// What was claimed and what came.
pub fn check(claim: Claim, dropped: bool, reason: Reason) -> Result<(), String> {
    let class = reason.class().name();
    let (kept, should) = match claim {
        Claim::Protected(why) => {
            let protected = matches!(class, "protected" | "infrastructure");
            (protected && !dropped, format!("is Protected: {why}"))
        }
        Claim::Passes(why) => (!dropped, format!("passes: {why}")),
        Claim::Unprotected(why) => (class != "protected", format!("is nobody's to protect: {why}")),
        Claim::Nothing => return Ok(()),
    };
    if kept {
        return Ok(());
    }
    let fate = if dropped { "dropped" } else { "passed" };
    Err(format!("{should}; the guard says {class}, {}, {fate}", reason.name()))
}

impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "seed {}, network {}: {}", self.seed, self.world, self.why)?;
        for (interface, frame) in &self.frames {
            write!(out, "{interface} ")?;
            frame.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            writeln!(out, "\n  {}", frame.escape_ascii())?;
        }
        write!(
            out,
            "again: cargo run --release -p guard-tests --bin oracle -- --seed {} --network {}",
            self.seed, self.world
        )
    }
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        let Self {
            worlds,
            frames,
            situations,
            claimed,
            marked,
            rests_on_state,
            voided,
            unprotected,
            dropped,
        } = *other;
        self.worlds += worlds;
        self.frames += frames;
        self.situations.iter_mut().zip(situations).for_each(|(own, others)| *own += others);
        self.claimed += claimed;
        self.marked += marked;
        self.rests_on_state += rests_on_state;
        self.voided += voided;
        self.unprotected += unprotected;
        self.dropped += dropped;
    }
}

impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} frames in {} made-up networks, {} dropped",
            self.frames, self.worlds, self.dropped
        )?;
        for (name, count) in KINDS.iter().zip(self.situations) {
            writeln!(out, "  {count:>10} x {name}")?;
        }
        write!(
            out,
            "none of {} with a claim ({} marked, {} by what came before; {} void after an alarm), \
             none of {} unprotected ones protected",
            self.claimed, self.marked, self.rests_on_state, self.voided, self.unprotected
        )
    }
}
