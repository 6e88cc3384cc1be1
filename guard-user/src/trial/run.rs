//! One frame through both memories of the one brain.

use std::collections::BTreeSet;

use guard_common::abi::state::{Cells, SlotCounters};
use guard_common::reason::Reason;
use guard_common::verdict::{Switches, Verdict};

use super::{Ground, Host, Judged, Kernel};
use crate::calls::directory::Directory;
use crate::kernel::KernelError;
use crate::policy::model::Model;

/// Frames between two looks at the copy's counters; the signalling among them fits its rings.
const BATCH: u64 = 64;
/// Shortest frame that the kernel runs: an Ethernet header.
const FRAME_MIN: usize = 14;
/// Differences that are told.
const TOLD_MAX: usize = 10;

/// The outcome of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it; the verdict is the kernel's, where that ran it.
    pub judged: Judged,
    /// The kernel ran it.
    pub by_kernel: bool,
}

/// Where the program in the kernel and the brain in memory do not say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The frames among which it is, by number.
    pub frames: (u64, u64),
    /// What each says.
    pub text: String,
}

/// A ground, and all that frames are run through on it.
pub struct Trial {
    host: Host,
    /// Or why there is none.
    kernel: Result<Kernel, String>,
    /// Interfaces that the kernel has, by index.
    usable: BTreeSet<u32>,
    differences: Vec<Difference>,
    /// Numbers of the first and last frame since the counters were looked at, and their slots.
    batch: Option<(u64, u64)>,
    slots: BTreeSet<u32>,
    /// Slots whose counters differ, and would from then on.
    apart: BTreeSet<u32>,
    is_live_state: bool,
}

impl Trial {
    /// Fresh state, as if enforcing, with the controller following calls.
    #[must_use]
    pub fn fresh(ground: &Ground, now: u64) -> Self {
        let host = Host::new(ground.tables.clone(), now).following(Directory::new(&ground.tables));
        Self::of(ground, host)
    }

    /// The live state as it is, which is only read, and the live switches: for one frame.
    #[must_use]
    pub fn live(ground: &Ground, now: u64) -> Self {
        let model = Model::new(ground.tables.clone(), now);
        let model = match ground.state() {
            Some(state) => model.going_on(state),
            None => model,
        };
        let trial = Self::of(ground, Host::of(model));
        Self { is_live_state: true, ..trial }
    }

    fn of(ground: &Ground, host: Host) -> Self {
        let kernel = Kernel::new(ground).map_err(|error| error.to_string());
        Self {
            host,
            kernel,
            usable: ground.usable(),
            differences: Vec::new(),
            batch: None,
            slots: BTreeSet::new(),
            apart: BTreeSet::new(),
            is_live_state: false,
        }
    }

    /// Has frames judged by these switches.
    pub fn set_switches(&mut self, switches: Switches) {
        self.host.set_switches(switches);
        self.in_kernel(|kernel| kernel.set_switches(switches));
    }

    /// The brain in memory.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Why no kernel runs frames, if none does.
    #[must_use]
    pub fn without_kernel(&self) -> Option<&str> {
        self.kernel.as_ref().err().map(String::as_str)
    }

    /// Tags of the program on the interfaces and of ours, if they differ.
    #[must_use]
    pub fn other_build(&self) -> Option<(u64, u64)> {
        self.kernel.as_ref().ok().and_then(Kernel::other_build)
    }

    /// Runs a frame of this number that came in by the interface with this index.
    pub fn run(&mut self, number: u64, frame: &[u8], interface: u32, now: u64) -> Outcome {
        let judged = self.host.run(frame, interface, now);
        if self.is_live_state {
            let fetched = self.host.model().fetched();
            self.in_kernel(|kernel| {
                fetched
                    .iter()
                    .try_for_each(|((table, place), words)| kernel.store(*table, *place, *words))
            });
        }
        let verdict = self.ask(number, frame, interface, now);
        // After the frame that they were learnt from, as in the daemon.
        let pins = self.host.take_pins();
        self.in_kernel(|kernel| {
            pins.iter().try_for_each(|(place, pin)| kernel.store(Cells::Ports, *place, *pin))
        });
        let Some(verdict) = verdict else {
            return Outcome { judged, by_kernel: false };
        };
        if verdict != judged.verdict {
            self.differ(
                (number, number),
                format!(
                    "the kernel's verdict is {verdict:?}, in memory it is {:?} ({})",
                    judged.verdict,
                    judged.reason.name()
                ),
            );
        }
        let (first, _) = self.batch.unwrap_or((number, number));
        self.batch = Some((first, number));
        self.slots.insert(judged.slot);
        if number - first + 1 >= BATCH {
            self.compare();
        }
        Outcome { judged: Judged { verdict, ..judged }, by_kernel: true }
    }

    /// What the kernel says. Once it could not run a frame, its state is another than that in
    /// memory, and it is asked no more.
    fn ask(&mut self, number: u64, frame: &[u8], interface: u32, now: u64) -> Option<Verdict> {
        if frame.len() < FRAME_MIN {
            // Leaves nothing behind but its count.
            self.apart.insert(0);
            return None;
        }
        if !self.usable.contains(&interface) {
            self.give_up(number, "its interface is not on this host");
        }
        let kernel = self.kernel.as_mut().ok()?;
        match kernel.run(frame, interface, now) {
            Ok(Some(verdict)) => Some(verdict),
            Ok(None) => {
                let text = "the kernel answered neither pass nor drop".to_owned();
                self.differ((number, number), text);
                Some(Verdict::Pass)
            }
            Err(error) => {
                self.give_up(number, &error.to_string());
                None
            }
        }
    }

    /// Holds the counters of the copy against those in memory: whether each frame was counted
    /// under the same reason and PSAP.
    fn compare(&mut self) {
        let Some(frames) = self.batch.take() else { return };
        let slots = std::mem::take(&mut self.slots);
        let Ok(kernel) = &mut self.kernel else { return };
        kernel.drain();
        let mut texts = Vec::new();
        for slot in slots.difference(&self.apart) {
            let (Some(host), Ok(counted)) =
                (self.host.model().counters(*slot), kernel.counters(*slot))
            else {
                continue;
            };
            if host != counted {
                texts.push((*slot, told(&host, &counted)));
            }
        }
        for (slot, text) in texts {
            self.apart.insert(slot);
            self.differ(frames, text);
        }
    }

    fn differ(&mut self, frames: (u64, u64), text: String) {
        if self.differences.len() < TOLD_MAX {
            self.differences.push(Difference { frames, text });
        }
    }

    fn give_up(&mut self, number: u64, why: &str) {
        if self.kernel.is_ok() {
            self.compare();
            self.kernel = Err(format!("frame {number}: {why}"));
        }
    }

    /// Where kernel and memory differed so far.
    pub fn differences(&mut self) -> &[Difference] {
        self.compare();
        &self.differences
    }

    /// Does something in the kernel; a failure ends that for good.
    fn in_kernel(&mut self, what: impl FnOnce(&mut Kernel) -> Result<(), KernelError>) {
        if let Ok(kernel) = &mut self.kernel
            && let Err(error) = what(kernel)
        {
            self.kernel = Err(error.to_string());
        }
    }
}

/// Reasons whose counters differ.
fn told(host: &SlotCounters, kernel: &SlotCounters) -> String {
    let pairs = (0..).zip(host.counters.iter().zip(&kernel.counters));
    let differ = pairs.filter(|(_, (host, kernel))| host != kernel);
    let texts: Vec<_> = differ
        .filter_map(|(number, (host, kernel))| {
            let (reason, verdict) = Reason::of_counter(number)?;
            let name = reason.name();
            Some(format!(
                "{name} ({verdict:?}): kernel {}, memory {}",
                kernel.packets, host.packets
            ))
        })
        .collect();
    texts.join("; ")
}
