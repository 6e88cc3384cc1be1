//! Swapping generations: all or nothing.

use std::path::Path;
use std::time::SystemTime;

use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use guard_common::abi::state::switch;

use super::settle::{self, Calm};
use super::sides::Refused;
use super::{Live, LiveError, Outcome, Started, clock_pair, fingerprint, mode_number, random, who};
use crate::config::{Config, Overlay};
use crate::kernel::interface::{self, Placed};
use crate::kernel::load::{Generation, State, initialise, load};
use crate::kernel::lock::ChangeLock;
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, object};
use crate::policy::{self, Inputs, PolicyTables, slots};
use crate::store::Record;

/// What happened on an interface, and the program that was on it before.
struct Placement {
    name: String,
    how: Placed,
    before: Option<u32>,
}

/// What the next generation is made of.
pub(super) struct Next<'a> {
    pub(super) file: &'a Path,
    pub(super) base: &'a Config,
    pub(super) overlay: &'a Overlay,
    pub(super) effective: &'a Config,
    pub(super) kernel_log: bool,
}

impl<'a> Next<'a> {
    /// The same file as the live generation, with other live changes.
    pub(super) fn of(record: &'a Record, overlay: &'a Overlay, effective: &'a Config) -> Self {
        let Record { file, config, kernel_log, .. } = record;
        Self { file, base: config, overlay, effective, kernel_log: *kernel_log }
    }
}

impl Live {
    /// Builds the next generation and puts it on all interfaces.
    pub(super) fn swap(&self, _lock: &ChangeLock, next: &Next<'_>) -> Result<Outcome, LiveError> {
        let effective = next.effective;
        let fresh = !self.is_initialised()?;
        if fresh {
            // Left by a start that did not get to the end: nothing runs on it.
            self.pins.clear()?;
            self.pins.create()?;
        }
        let record = self.next_record(next)?;
        let number = record.number;
        let loaded = self.load_and_commit(&record, effective, fresh);
        let (placed, refused) = loaded.inspect_err(|_| {
            // The first error is the one to tell; what is left over goes with the next swap.
            let _ = if fresh { self.pins.clear() } else { self.pins.remove_generation(number) };
        })?;
        let missing = self.place_sides(effective, number, &refused);
        if let Err(error) = self.leave_others(effective, number) {
            // The generation is live and written down; the next swap cleans up again.
            tracing::warn!("something old could not be removed: {error}");
        }
        self.share(effective);
        let started = if fresh { Started::Fresh } else { Started::Swapped };
        Ok(Outcome { started, generation: number, placed, missing })
    }

    /// What will be written down about the next generation.
    fn next_record(&self, next: &Next<'_>) -> Result<Record, LiveError> {
        let Next { file, base, overlay, effective, kernel_log } = *next;
        let last = self.store.record()?.map_or(0, |record| record.number);
        let pinned = self.pins.generations()?.into_iter().max().unwrap_or(0);
        Ok(Record {
            number: last.max(pinned).saturating_add(1),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            by: who(),
            file: file.to_path_buf(),
            config: base.clone(),
            overlay: overlay.clone(),
            host: interface::host_addresses(),
            interfaces: interface::indexes(effective, &self.pins)?,
            program: fingerprint(),
            kernel_log,
        })
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
            return Err(LiveError::Kernel(KernelError::Full {
                what: "the list of counter slots",
                limit: capacity,
                step: "raise `capacity` in [guard], then `guard unload` and `guard run` in a \
                       quiet hour: the counters begin anew",
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
    /// Of the tc programs, which come later, it tells which the kernel refused.
    fn load_and_commit(
        &self,
        record: &Record,
        config: &Config,
        fresh: bool,
    ) -> Result<(Vec<(String, Placed)>, Refused), LiveError> {
        let tables = self.next_tables(config, record, fresh)?;
        let staged = self.store.stage_record(record)?;
        let log = record.kernel_log.then_some(aya_log::Level::Info);
        let pins = self.pins.clone();
        let state = State::Pinned(Box::new(move |map| pins.state(map)));
        let mut generation = load(&tables, &state, log)?;
        if fresh {
            let mut switches = Switches::open(&self.pins.state(object::SWITCHES))?;
            // Before the version is written, which says that the state is complete.
            self.restore_bypass(&mut switches)?;
            initialise(&mut switches, &tables.policy, mode_number(config.guard.mode))?;
        }
        self.pin(&mut generation, record.number)?;
        let refused = self.pin_sides(&mut generation, config, record.number);
        let mut placed = Vec::new();
        let done = self
            .place_all(&mut generation, config, &mut placed)
            .and_then(|()| self.name_live(&mut generation, record.number))
            .and_then(|()| Ok(staged.commit()?));
        if let Err(error) = done {
            self.take_back(&placed);
            return Err(error);
        }
        let placed =
            placed.into_iter().map(|Placement { name, how, before: _ }| (name, how)).collect();
        Ok((placed, refused))
    }

    /// Tells readers which generation is live, and which program is its.
    fn name_live(&self, generation: &mut Generation, number: u64) -> Result<(), LiveError> {
        let id = generation.program()?.info().map_or(0, |info| info.id());
        let mut switches = self.pins.switches()?;
        switches.set(switch::PROGRAM, u64::from(id))?;
        Ok(switches.set(switch::GENERATION, number)?)
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
    fn leave_others(&self, config: &Config, number: u64) -> Result<(), LiveError> {
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
