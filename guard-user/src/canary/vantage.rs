//! Whether what is proved is what decides: the program on each interface is of the generation that
//! was proved, and it sees the frames that the interface counts.
//!
//! Where that is not so the proof says nothing about the interface. It is no reason to open: a
//! program that is not ours heeds none of our switches, and one that sees nothing drops nothing.

use std::fs;
use std::time::{Duration, Instant};

use guard_common::abi::state::switch;

use super::copy::Canary;
use super::parties::Entrance;
use crate::kernel::state::Counts;
use crate::kernel::{KernelError, interface};
use crate::live::Live;

/// Between two looks at the counters.
const EVERY: Duration = Duration::from_secs(5);
/// Frames that an interface takes in without any being counted, until that is no accident:
/// whatever a driver counts late.
const FRAMES: u64 = 64;
/// Looks in a row at what is strange, until it is no accident.
const PATIENCE: u32 = 2;
/// Counters of all interfaces, in the network namespace of the thread that reads.
const DEVICES: &str = "/proc/thread-self/net/dev";

/// Frames taken in and frames counted.
#[derive(Default)]
pub struct Vantage {
    looked: Option<Instant>,
    taken: Option<u64>,
    counted: Vec<u64>,
    /// The slot that moved last.
    hint: usize,
    still: u32,
    strange: u32,
}

impl Vantage {
    /// Why the proof says nothing about some interface; `None` if it does about all.
    pub fn doubt(&mut self, live: &Live, canary: &Canary) -> Option<String> {
        if let Some(name) = not_ours(live, canary) {
            let now = live.pins.switches().and_then(|s| s.get(switch::GENERATION));
            if now.is_ok_and(|now| now != canary.generation()) {
                return None;
            }
            // A swap puts the next generation on the interfaces before it says so.
            self.strange = self.strange.saturating_add(1);
            return (self.strange > PATIENCE).then(|| {
                format!("what is attached to {name} is not the live program; see `guard status`")
            });
        }
        self.strange = 0;
        match self.stands_still(live, canary) {
            Ok(true) => Some(
                "the interfaces take in frames and the guard counts none: they pass it by; see \
                 `ip -s link` and `bpftool net`"
                    .to_owned(),
            ),
            Ok(false) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Whether frames come in for some time and none of them is counted.
    fn stands_still(&mut self, live: &Live, canary: &Canary) -> Result<bool, KernelError> {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now.duration_since(looked) < EVERY) {
            return Ok(self.still >= PATIENCE);
        }
        self.looked = Some(now);
        let taken = taken(&canary.plan().parties().entrances);
        let before = *self.taken.get_or_insert(taken);
        // What came in is held against the counters once it is enough to tell.
        if taken.saturating_sub(before) < FRAMES {
            return Ok(self.still >= PATIENCE);
        }
        self.taken = Some(taken);
        let slots = live.pins.switches()?.overview()?.slots;
        let is_counted = self.is_counted(&live.pins.counts()?, slots)?;
        self.still = if is_counted { 0 } else { self.still.saturating_add(1) };
        Ok(self.still >= PATIENCE)
    }

    /// Whether any counter moved since the last look. The slot that moved last is looked at first,
    /// and nearly always last.
    fn is_counted(&mut self, counts: &Counts, slots: u32) -> Result<bool, KernelError> {
        let slots = usize::try_from(slots).unwrap_or(0);
        let is_new = self.counted.len() != slots;
        self.counted.resize(slots, 0);
        let likely = [self.hint, 0].into_iter().filter(|_| !is_new);
        for slot in likely.chain(0..slots) {
            let Some(known) = self.counted.get_mut(slot) else { continue };
            let counters = counts.slot(u32::try_from(slot).unwrap_or(0))?.counters;
            let packets = counters.iter().map(|counter| counter.packets);
            let total = packets.fold(0, u64::wrapping_add);
            if std::mem::replace(known, total) != total && !is_new {
                self.hint = slot;
                return Ok(true);
            }
        }
        Ok(is_new)
    }
}

/// The first interface whose program is not of the generation. One that is not there has none to
/// prove.
fn not_ours<'a>(live: &Live, canary: &'a Canary) -> Option<&'a str> {
    let entrances = canary.plan().parties().entrances.iter();
    let mut there = entrances.filter(|entrance| {
        let index = interface::index(&entrance.interface);
        entrance.vlan.is_none() && index.is_ok_and(|now| now == entrance.index)
    });
    let found = there.find(|entrance| !live.holds(canary.generation(), &entrance.interface))?;
    Some(&found.interface)
}

/// Frames that the interfaces have taken in.
fn taken(entrances: &[Entrance]) -> u64 {
    let text = fs::read_to_string(DEVICES).unwrap_or_default();
    // "  eth0: bytes packets errs drop ..."
    let lines = text.lines().filter_map(|line| {
        let (name, numbers) = line.rsplit_once(':')?;
        entrances.iter().find(|entrance| entrance.interface == name.trim())?;
        numbers.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    lines.fold(0, u64::saturating_add)
}
