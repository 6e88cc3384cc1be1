//! The guards a campaign asks: the brain over host memory, alone or beside the program in the
//! kernel, always in the same state.

use std::collections::BTreeMap;

use guard_common::abi::state::{Cells, alarm, switch};
use guard_common::guard::{Scratch, process};
use guard_common::reason::Reason;
use guard_common::verdict::{Switches, Verdict};
use guard_user::policy::PolicyTables;
use guard_user::policy::model::Model;

use super::chaos::{self, Chaos};
use super::random::Random;
use crate::fixtures::network::now;
use crate::fixtures::run::{Kernel, WORDS_MAX, store};

/// What a guard did with a frame.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// It was dropped.
    pub dropped: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// State that the frame should have left behind was lost, and an alarm says so.
    pub lost_state: bool,
}

/// A guard in a network of its own.
pub struct Guard {
    model: Model,
    scratch: Scratch,
    kernel: Option<Kernel>,
    interfaces: BTreeMap<String, u32>,
    slots: u32,
    now: u64,
    frames: u64,
    overflows: u64,
}

impl Guard {
    /// On the host alone, with a clock of its own.
    #[must_use]
    pub fn on_host(tables: &PolicyTables, interfaces: BTreeMap<String, u32>) -> Self {
        let now = now();
        Self {
            model: Model::new(tables.clone(), now),
            scratch: Scratch::default(),
            kernel: None,
            interfaces,
            slots: tables.policy.slots,
            now,
            frames: 0,
            overflows: 0,
        }
    }

    /// On the host and in the kernel of this network namespace.
    #[must_use]
    pub fn on_both(tables: &PolicyTables, interfaces: BTreeMap<String, u32>) -> Self {
        Self { kernel: Some(Kernel::told(tables)), ..Self::on_host(tables, interfaces) }
    }

    /// Sets the switches, and puts garbage into the state.
    pub fn unleash(&mut self, random: &mut Random, chaos: &Chaos) {
        let Switches { mode, bypass, drop_until, opened, confirm_by } = chaos.switches;
        self.model.set_switches(Some(chaos.switches));
        if let Some(kernel) = &mut self.kernel {
            kernel.set(switch::MODE, mode);
            kernel.set(switch::BYPASS, bypass);
            kernel.set(switch::DROP_UNTIL, drop_until);
            kernel.set(switch::OPENED, opened);
            kernel.set(switch::CONFIRM_BY, confirm_by);
        }
        if chaos.garbage == 0 {
            return;
        }
        for table in Cells::ALL {
            for place in 0..table.count(self.slots) {
                if random.once_in(chaos.garbage) {
                    let garbage = [(); WORDS_MAX].map(|()| chaos::garbage(random, self.now));
                    store(&self.model, table, place, garbage);
                    if let Some(kernel) = &mut self.kernel {
                        kernel.store(table, place, garbage);
                    }
                }
            }
        }
    }

    /// Lets time pass.
    pub const fn wait(&mut self, nanoseconds: u64) {
        self.now += nanoseconds;
    }

    /// Runs a frame.
    ///
    /// # Errors
    ///
    /// What host and kernel disagree about.
    pub fn run(&mut self, frame: &[u8], interface: &str) -> Result<Answer, String> {
        let index = self.interfaces.get(interface).copied().unwrap_or(0);
        // Both are told the same time, or they would disagree about frames at their limit.
        let in_kernel = self.kernel.as_mut().map(|kernel| {
            kernel.set(switch::CLOCK, self.now);
            kernel.drops(frame, index)
        });
        self.model.set_now(self.now);
        let judgement = process(&frame, &self.model, &mut self.scratch, index);
        let dropped = judgement.verdict == Verdict::Drop;
        self.frames += 1;
        if let Some(in_kernel) = in_kernel {
            self.agree(judgement.counter, dropped, in_kernel)
                .map_err(|why| format!("{}: {why}", judgement.reason.name()))?;
        }
        let lost = [alarm::PIN_OVERFLOW, alarm::FRAGMENT_OVERFLOW, alarm::TENTATIVE_OVERFLOW];
        let overflows = lost.iter().map(|alarm| self.model.alarms(*alarm)).sum();
        let lost_state = overflows != self.overflows;
        self.overflows = overflows;
        Ok(Answer { dropped, reason: judgement.reason, lost_state })
    }

    /// Whether the kernel decided and counted the last frame as the host did. All counters were
    /// the same before it, so the row that the host's moved in, and the alarms, tell.
    fn agree(&self, counter: u32, on_host: bool, in_kernel: bool) -> Result<(), String> {
        let Some(kernel) = &self.kernel else { return Ok(()) };
        if on_host != in_kernel {
            return Err(format!("dropped on the host: {on_host}, in the kernel: {in_kernel}"));
        }
        let alarms = kernel.alarms();
        if (0..).zip(alarms).any(|(number, count)| self.model.alarms(number) != count) {
            return Err(format!("the kernel's alarms differ: {alarms:?}"));
        }
        for slot in (0..self.slots).filter(|slot| self.moved(*slot, counter)) {
            self.same_counters(kernel, slot)?;
        }
        Ok(())
    }

    /// Whether a slot has frames under a counter: one of those slots took the last frame.
    fn moved(&self, slot: u32, counter: u32) -> bool {
        let Some(counters) = self.model.counters(slot) else { return false };
        counters.counters.get(counter as usize).is_some_and(|counter| counter.packets > 0)
    }

    fn same_counters(&self, kernel: &Kernel, slot: u32) -> Result<(), String> {
        let counters = kernel.guard.counters(slot).map_err(|error| error.to_string())?;
        if self.model.counters(slot) == Some(counters) {
            return Ok(());
        }
        let host = self.model.counters(slot).unwrap_or_default();
        let names = Reason::all().filter(|reason| {
            [Some(reason.counter()), reason.dropped_counter()].into_iter().flatten().any(|number| {
                host.counters.get(number as usize) != counters.counters.get(number as usize)
            })
        });
        let names: Vec<_> = names.map(Reason::name).collect();
        Err(format!("counters of slot {slot} differ: {}", names.join(", ")))
    }

    /// Holds all counters against each other, and their sum against the frames there were.
    ///
    /// # Errors
    ///
    /// What does not add up.
    pub fn settle(&self) -> Result<(), String> {
        if self.model.frames() != self.frames {
            return Err(format!("{} frames, {} counted", self.frames, self.model.frames()));
        }
        let Some(kernel) = &self.kernel else { return Ok(()) };
        (0..self.slots).try_for_each(|slot| self.same_counters(kernel, slot))
    }
}
