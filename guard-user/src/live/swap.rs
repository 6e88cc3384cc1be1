//! Swapping generations: all or nothing.

use std::collections::BTreeMap;

use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use guard_common::abi::state::{opened, switch};

use super::next::{Deadline, Next};
use super::settle::{self, Calm};
use super::sides::Refused;
use super::{
    Live, LiveError, Outcome, Started, clock_pair, fingerprint, mode_number, random, time,
};
use crate::audit::Took;
use crate::config::Config;
use crate::gates::{self, Passed};
use crate::kernel::interface::{self, Placed};
use crate::kernel::load::{Generation, State, initialise, load};
use crate::kernel::lock::ChangeLock;
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, object};
use crate::policy::{self, Inputs, PolicyTables, slots};
use crate::recorded::Side;
use crate::store::Record;

/// What happened on an interface, and the program that was on it before.
struct Placement {
    name: String,
    how: Placed,
    before: Option<u32>,
}

/// A generation that is on the interfaces and written down.
struct Committed {
    placed: Vec<(String, Placed)>,
    /// The tc programs, which come later, that the kernel refused.
    refused: Refused,
    /// How long it took until frames came by the new program.
    took: Took,
}

/// How to get room for more PSAPs.
const BEGIN_ANEW: &str = "raise `capacity` in [guard], or leave it out and name them all in the \
                          file; then, in a quiet hour, `systemctl stop guard`, `guard unload`, \
                          `systemctl start guard`: everything passes meanwhile, and the counters \
                          begin anew";
/// How to get it where nothing is guarded yet.
const BEGIN_WITH_IT: &str = "nothing is guarded yet, so let it begin with this file: `systemctl \
                             stop guard`, `guard unload`, `systemctl start guard`";

/// The switches that a swap sets on its way.
const WORDS: [u32; 4] = [switch::CONFIRM_BY, switch::PROGRAM, switch::GENERATION, switch::CHANGING];

impl Live {
    /// Builds the next generation and puts it on all interfaces.
    ///
    /// In this order, so that wherever it ends, what runs is whole, what is written down is whole,
    /// and the next start finds out which of the two is older:
    ///
    /// 1. counter slots are written down, before anything counts in them
    /// 2. the record is written beside the old one, which still counts
    /// 3. the old configuration is kept in the history
    /// 4. maps are filled and the programs are verified
    /// 5. all are pinned, and the canary runs through a copy
    /// 6. the deadline for a confirmation is set: from now on a dead controller opens
    /// 7. the program is put on one interface after the other
    /// 8. the number of the generation is set, for those who read
    /// 9. the record counts
    /// 10. a deadline that is past its purpose is lifted
    /// 11. what is beside XDP follows, what is old goes
    pub(super) fn swap(
        &self,
        _lock: &ChangeLock,
        next: &Next<'_>,
        mut passed: Passed,
    ) -> Result<Outcome, LiveError> {
        let effective = next.effective;
        let fresh = !self.is_initialised()?;
        if fresh {
            // Left by a start that did not get to the end: nothing runs on it.
            self.pins.clear()?;
            self.pins.create()?;
        }
        let record = self.next_record(next, interface::indexes(effective, &self.pins)?)?;
        let number = record.number;
        let loaded = self.load_and_commit(next, &record, fresh, &mut passed);
        let Committed { placed, refused, took } = loaded.inspect_err(|_| {
            // The first error is the one to tell; what is left over goes with the next swap.
            let _ = self.pins.remove_generation(number);
            let _ = if fresh { self.pins.clear() } else { Ok(()) };
            next.live.into_iter().for_each(|live| self.store.forget(live));
        })?;
        let missing = self.place_sides(effective, number, &refused);
        self.store.forget(&record);
        if let Err(error) = self.leave_others(effective, number) {
            // The generation is live and written down; the next swap cleans up again.
            tracing::warn!("something old could not be removed: {error}");
        }
        self.share(effective);
        let started = if fresh { Started::Fresh } else { Started::Swapped };
        let (generation, findings) = (number, passed.findings());
        Ok(Outcome { started, generation, placed, missing, findings, took: Some(took) })
    }

    /// What will be written down about the next generation.
    pub(super) fn next_record(
        &self,
        next: &Next<'_>,
        interfaces: BTreeMap<String, u32>,
    ) -> Result<Record, LiveError> {
        let Next { file, base, overlay, kernel_log, live, made, pending, .. } = next;
        let last = live.map_or(0, |record| record.number);
        let pinned = self.pins.generations()?.into_iter().max().unwrap_or(0);
        Ok(Record {
            number: last.max(pinned).saturating_add(1),
            since: time(),
            by: self.audit.by(),
            made: made.clone(),
            pending: pending.clone(),
            unloaded: false,
            file: file.to_path_buf(),
            config: (*base).clone(),
            overlay: (*overlay).clone(),
            host: interface::host_addresses(),
            interfaces,
            program: fingerprint(),
            kernel_log: *kernel_log,
        })
    }

    /// Keeps what is live in the history, if what follows is a change of it.
    pub(super) fn keep_history(&self, next: &Next<'_>) -> Result<(), LiveError> {
        match next.live {
            Some(live) if next.made.revision > live.made.revision => Ok(self.store.keep(live)?),
            _ => Ok(()),
        }
    }

    /// Whether the pinned state got all its switches.
    fn is_initialised(&self) -> Result<bool, LiveError> {
        Ok(self.pins.is_loaded() && self.pins.switches()?.get(switch::ABI)? != 0)
    }

    /// Slots, kept before anything counts in them, and tables.
    fn next_tables(
        &self,
        config: &Config,
        record: &Record,
        fresh: bool,
    ) -> Result<PolicyTables, LiveError> {
        let assigned = slots::assign(&self.store.slots()?, config);
        let (capacity, hash_key) = if fresh {
            (slots::capacity(&assigned, config), random()?)
        } else {
            let switches = self.pins.switches()?;
            let capacity = u32::try_from(switches.get(switch::SLOTS)?).unwrap_or(0);
            (capacity, switches.get(switch::HASH_KEY)?)
        };
        if assigned.values().any(|slot| *slot >= capacity) {
            let nothing = self.store.record()?.is_some_and(|live| live.effective().is_nothing());
            return Err(LiveError::Kernel(KernelError::Full {
                what: "the list of counter slots",
                limit: capacity,
                step: if nothing { BEGIN_WITH_IT } else { BEGIN_ANEW },
            }));
        }
        self.store.set_slots(&assigned)?;
        let inputs = Inputs {
            slots: &assigned,
            capacity,
            interfaces: &record.interfaces,
            host: &record.host,
            clock: clock_pair(),
            generation: record.number,
            hash_key,
        };
        Ok(policy::build(config, &inputs)?)
    }

    /// Loads a generation, puts it on the interfaces and writes it down; all of that or nothing.
    fn load_and_commit(
        &self,
        next: &Next<'_>,
        record: &Record,
        fresh: bool,
        passed: &mut Passed,
    ) -> Result<Committed, LiveError> {
        let config = next.effective;
        let tables = self.next_tables(config, record, fresh)?;
        if !fresh && let Some(live) = next.live {
            self.judge_recorded(
                live,
                &live.effective(),
                (config, &tables, &record.interfaces),
                passed,
            )?;
        }
        let staged = self.store.stage_record(record)?;
        self.keep_history(next)?;
        let log = record.kernel_log.then_some(aya_log::Level::Info);
        let pins = self.pins.clone();
        let state = State::Pinned(Box::new(move |map| pins.state(map)));
        let mut generation = load(&tables, &state, log)?;
        if fresh {
            self.initialise(next, &tables)?;
        }
        self.pin(&mut generation, record.number)?;
        let refused = self.pin_sides(&mut generation, config, record.number);
        let cause = passed.cause;
        passed.judge(|| {
            Ok::<_, LiveError>(gates::canary::check(&self.pins, record, config, cause))
        })?;
        let before = self.words()?;
        let mut placed = Vec::new();
        let mut took = passed.took();
        let done = self
            .set_deadline(next.deadline)
            .and_then(|()| self.place_all(&mut generation, config, &mut placed))
            .map(|()| took = passed.took())
            .and_then(|()| self.name_live(&mut generation, record.number))
            .and_then(|()| Ok(staged.commit()?));
        if let Err(error) = done {
            self.take_back(&placed);
            // Where it cannot be set back, the guard opens at the deadline, and the next start lifts
            // it.
            let _ = self.set_words(before);
            return Err(error);
        }
        if next.deadline == Deadline::Lift {
            self.lift_deadline()?;
        }
        let placed =
            placed.into_iter().map(|Placement { name, how, before: _ }| (name, how)).collect();
        Ok(Committed { placed, refused, took })
    }

    /// Holds recorded traffic against tables that would take the place of the live ones, which are
    /// those of the configuration `before`.
    pub(super) fn judge_recorded(
        &self,
        live: &Record,
        before: &Config,
        (config, tables, interfaces): (&Config, &PolicyTables, &BTreeMap<String, u32>),
        passed: &mut Passed,
    ) -> Result<(), LiveError> {
        let cause = passed.cause;
        passed.judge(|| {
            let switches = self.pins.switches()?;
            let live_tables = self.tables(before, &switches, live, clock_pair())?;
            let side = Side { tables: &live_tables, interfaces: &live.interfaces };
            let next = Side { tables, interfaces };
            Ok(gates::recorded::check(&self.store, (before, side), (config, next), cause))
        })
    }

    /// What the switches say of the live generation.
    fn words(&self) -> Result<[u64; WORDS.len()], LiveError> {
        let switches = self.pins.switches()?;
        let mut words = [0; WORDS.len()];
        for (word, number) in words.iter_mut().zip(WORDS) {
            *word = switches.get(number)?;
        }
        Ok(words)
    }

    /// Says that again.
    fn set_words(&self, words: [u64; WORDS.len()]) -> Result<(), LiveError> {
        let mut switches = self.pins.switches()?;
        for (word, number) in words.into_iter().zip(WORDS) {
            switches.set(number, word)?;
        }
        Ok(())
    }

    /// Tells readers which generation is live, and which program is its.
    fn name_live(&self, generation: &mut Generation, number: u64) -> Result<(), LiveError> {
        let id = generation.program()?.info().map_or(0, |info| info.id());
        let mut switches = self.pins.switches()?;
        switches.set(switch::PROGRAM, u64::from(id))?;
        switches.set(switch::GENERATION, number)?;
        // Whatever became of a change of the old one's lists.
        Ok(switches.set(switch::CHANGING, 0)?)
    }

    /// Writes the switches of state that was made just now.
    fn initialise(&self, next: &Next<'_>, tables: &PolicyTables) -> Result<(), LiveError> {
        let mut switches = Switches::open(&self.pins.state(object::SWITCHES))?;
        // Before the version is written, which says that the state is complete.
        self.restore_bypass(&mut switches)?;
        if next.open {
            switches.open_for(opened::UNCONFIRMED)?;
        }
        let mode = match self.pins.replaced_switches()? {
            Some(replaced) => carry_over(&replaced, &mut switches)?,
            None => mode_number(next.effective.guard.mode),
        };
        Ok(initialise(&mut switches, &tables.policy, mode)?)
    }

    fn set_deadline(&self, deadline: Deadline) -> Result<(), LiveError> {
        match deadline {
            Deadline::At(deadline) => {
                Ok(self.pins.switches()?.set(switch::CONFIRM_BY, deadline)?)
            }
            Deadline::Keep | Deadline::Lift => Ok(()),
        }
    }

    /// Pins the policy maps and the program of a generation.
    fn pin(&self, generation: &mut Generation, number: u64) -> Result<(), LiveError> {
        let folder = self.pins.create_generation(number)?;
        for name in object::POLICY_MAPS.into_iter().chain(object::PROGRAM_MAPS) {
            generation
                .map(name)?
                .pin(folder.join(name))
                .map_err(|error| KernelError::map(name, error))?;
        }
        let path = self.pins.program(number);
        generation
            .program()?
            .pin(&path)
            .map_err(|error| KernelError::path(&path, error, "run as root"))?;
        Ok(())
    }

    /// Puts the program on every interface; `placed` says how far it came.
    fn place_all(
        &self,
        generation: &mut Generation,
        config: &Config,
        placed: &mut Vec<Placement>,
    ) -> Result<(), LiveError> {
        for interface in &config.interface {
            let name = interface.name.clone();
            let before = interface::attached(&name).ok().flatten().map(|before| before.program);
            let calm = Calm::of(&name);
            let how = interface::place(generation, interface, &self.pins)?;
            placed.push(Placement { name, how, before });
            if matches!(how, Placed::Native | Placed::Generic | Placed::FellBack) {
                calm.again(settle::PATIENCE)?;
            }
        }
        Ok(())
    }

    /// Gives every interface back what it had. Goes on where one cannot be given back: what is
    /// there then is the next generation, whole, and the next start puts it right.
    fn take_back(&self, placed: &[Placement]) {
        for Placement { name, how, before } in placed {
            let done = match how {
                Placed::Replaced => self.restore(name, *before),
                Placed::Native | Placed::Generic | Placed::FellBack => {
                    settle::detach(name, &self.pins)
                }
                Placed::Taken | Placed::Absent => Ok(()),
            };
            if let Err(error) = done {
                tracing::error!("{name}: {error}");
            }
        }
    }

    /// Puts the pinned program with this kernel id back on an interface.
    fn restore(&self, name: &str, before: Option<u32>) -> Result<(), KernelError> {
        for number in self.pins.generations()? {
            let path = self.pins.program(number);
            let mut old = Xdp::from_pin(&path, XdpAttachType::Interface)
                .map_err(|error| KernelError::path(&path, error, "`guard run` anew"))?;
            if old.info().ok().map(|info| info.id()) == before {
                return interface::restore(&mut old, name, &self.pins);
            }
        }
        Ok(())
    }

    /// Leaves interfaces that are no longer configured, and forgets older generations.
    pub(super) fn leave_others(&self, config: &Config, number: u64) -> Result<(), LiveError> {
        for name in self.pins.linked()? {
            if !config.interface.iter().any(|interface| interface.name == name) {
                settle::detach(&name, &self.pins)?;
            }
        }
        for old in self.pins.generations()? {
            if old != number {
                self.pins.remove_generation(old)?;
            }
        }
        Ok(())
    }
}

/// What is not begun anew with state of another layout: whether the guard is open, until when the
/// watchdog lets it drop, and its mode, which is returned. These words have the same places in all versions.
fn carry_over(replaced: &Switches, switches: &mut Switches) -> Result<u64, KernelError> {
    for word in [switch::BYPASS, switch::OPENED, switch::DROP_UNTIL] {
        let before = replaced.get(word)?;
        if before != 0 {
            switches.set(word, before)?;
        }
    }
    replaced.get(switch::MODE)
}
