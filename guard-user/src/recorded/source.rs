//! Where samples come from: the ring, read into what may be kept of each.
//!
//! A ring has one reader. Who reads holds the lock on the folder of the state maps: the daemon's
//! recorder, or, with the daemon dead, `guard drops --follow`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_common::abi::state::switch;
use guard_common::reason::Reason;
use guard_common::verdict::Verdict;

use super::kept::Kept;
use super::parties::Parties;
use super::ring::{Ring, Sample};
use super::strip::strip;
use crate::config::Samples;
use crate::kernel::clock;
use crate::kernel::lock::ReaderLock;
use crate::kernel::state::Switches;
use crate::live::{Live, LiveError};

/// The samples of a loaded guard, for the one who reads them.
pub struct Source {
    ring: Ring,
    switches: Switches,
    names: Names,
    _lock: ReaderLock,
}

/// A sample that was read.
pub struct Taken {
    /// What may be kept of it.
    pub kept: Kept,
    /// Its first bytes, bodies included.
    pub bytes: Vec<u8>,
    /// When the frame came.
    pub at: SystemTime,
    /// Whether it is one of those that are recorded.
    pub is_recorded: bool,
}

impl Source {
    /// Opens the ring.
    ///
    /// # Errors
    ///
    /// If no guard is loaded, somebody else reads, or what is live is not written down.
    pub fn open(live: &Live) -> Result<Self, LiveError> {
        let lock = live.pins.lock_reader()?;
        let ring = Ring::open(&live.pins)?;
        let switches = live.pins.switches()?;
        let names = Names::read(live, &switches)?;
        Ok(Self { ring, switches, names, _lock: lock })
    }

    /// Looks whether another generation is live, and goes by its names from now on; whether it is.
    pub fn look(&mut self, live: &Live) -> Result<bool, LiveError> {
        let is_other = self.switches.get(switch::GENERATION)? != self.names.generation;
        if is_other {
            self.names = Names::read(live, &self.switches)?;
        }
        Ok(is_other)
    }

    /// `[samples]` of the live generation.
    #[must_use]
    pub const fn settings(&self) -> Samples {
        self.names.samples
    }

    /// Whose addresses are whose.
    pub(super) const fn parties(&self) -> &Parties {
        &self.names.parties
    }

    /// Waits until there is a sample, so many milliseconds at most.
    pub fn wait(&self, milliseconds: u8) {
        self.ring.wait(milliseconds);
    }
}

/// The next sample; `None` if there is none now, for which more may come. What is no sample is passed
/// over.
impl Iterator for Source {
    type Item = Taken;

    fn next(&mut self) -> Option<Taken> {
        let Self { ring, names, .. } = self;
        let mut taken = None;
        while taken.is_none() {
            let more = ring.next(|sample| taken = sample.and_then(|sample| names.take(&sample)));
            if !more {
                break;
            }
        }
        taken
    }
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

    /// What may be kept of a sample.
    fn take(&self, sample: &Sample<'_>) -> Option<Taken> {
        let Sample { header, bytes } = sample;
        let (reason, verdict) = Reason::of_counter(header.counter)?;
        let age = Duration::from_nanos(clock::now().saturating_sub(header.time));
        let at = SystemTime::now().checked_sub(age)?;
        let via = (header.interface != 0).then(|| match self.interfaces.get(&header.interface) {
            Some(name) => name.clone(),
            None => format!("#{}", header.interface),
        });
        let (headers, start_line) = strip(bytes, header.length);
        let at_milliseconds = at.duration_since(UNIX_EPOCH).ok()?.as_millis();
        let kept = Kept {
            at: u64::try_from(at_milliseconds).ok()?,
            via,
            owner: self.owners.get(&header.slot).cloned(),
            reason: reason.number(),
            dropped: verdict == Verdict::Drop,
            stands_for: header.stands_for,
            length: header.length,
            headers,
            start_line,
        };
        Some(Taken { kept, bytes: bytes.to_vec(), at, is_recorded: header.stands_for > 0 })
    }
}
