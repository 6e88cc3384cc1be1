//! Changes to the guard that is loaded: start, swap, live entries, switches, removal.
//!
//! A swap is all or nothing: the next generation is built, filled and verified before the first
//! interface sees it, and if one interface refuses it the others get the old program back.
//! Nothing here needs the daemon, and nothing here is needed to open the guard.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, switch};
use nix::unistd::Uid;
use thiserror::Error;

use crate::config::{Change, Config, ConfigError, Mode, Overlay};
use crate::kernel::acl::AclMaps;
use crate::kernel::interface::{self, Placed};
use crate::kernel::load::{Generation, State, initialise, load};
use crate::kernel::pins::{ChangeLock, PinDir};
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, clock, object};
use crate::policy::{self, Clock, Inputs, PolicyTables, slots};
use crate::store::{BypassNote, Record, Store};

/// What can go wrong with a change.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kernel side refuses.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// The guard under one pin directory.
#[derive(Clone, Debug)]
pub struct Live {
    /// What is pinned.
    pub pins: PinDir,
    /// What is on disk.
    pub store: Store,
}

/// How a start went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// Nothing was loaded before.
    Fresh,
    /// What was pinned is what is configured: nothing was touched.
    Adopted,
    /// What was pinned has been replaced, without a gap.
    Swapped,
}

/// A start or swap that worked.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it went.
    pub started: Started,
    /// Number of the live generation.
    pub generation: u64,
    /// What happened on each interface.
    pub placed: Vec<(String, Placed)>,
}

/// What the next generation is made of.
struct Next<'a> {
    file: &'a Path,
    base: &'a Config,
    overlay: &'a Overlay,
    effective: &'a Config,
    kernel_log: bool,
}

impl<'a> Next<'a> {
    /// The same file as the live generation, with other live changes.
    fn of(record: &'a Record, overlay: &'a Overlay, effective: &'a Config) -> Self {
        let Record { file, config, kernel_log, .. } = record;
        Self { file, base: config, overlay, effective, kernel_log: *kernel_log }
    }
}

impl Live {
    /// The guard with these directories, loaded or not.
    #[must_use]
    pub fn new(pin_dir: &Path, state_dir: &Path) -> Self {
        Self { pins: PinDir::new(pin_dir), store: Store::new(state_dir) }
    }

    /// Brings a configuration file live: adopts what is pinned if it is the same, else loads or
    /// swaps.
    pub fn start(
        &self,
        file: &Path,
        config: &Config,
        kernel_log: bool,
    ) -> Result<Outcome, LiveError> {
        let indexes = interface::indexes(config)?;
        self.store.create()?;
        self.pins.create()?;
        let lock = self.pins.lock()?;
        let overlay = self.store.overlay()?;
        let effective = config.with_overlay(&overlay)?;
        let next =
            Next { file, base: config, overlay: &overlay, effective: &effective, kernel_log };
        if !self.pins.is_loaded() {
            return self.swap(&lock, &next);
        }
        self.pins.switches()?;
        if let Some(record) = self.store.record()?
            && record.config.says_the_same(config)
            && record.kernel_log == kernel_log
            && record.program == fingerprint()
            && indexes.keys().all(|name| self.holds(record.number, name))
        {
            let placed = Vec::new();
            return Ok(Outcome { started: Started::Adopted, generation: record.number, placed });
        }
        self.swap(&lock, &next)
    }

    /// Makes one live change. It is in effect when this returns, and kept for restarts.
    pub fn change(&self, change: &Change) -> Result<u64, LiveError> {
        let lock = self.pins.lock()?;
        let switches = self.pins.switches()?;
        let record = self.record()?;
        let mut overlay = self.store.overlay()?;
        let before = record.config.with_overlay(&overlay)?;
        let after = before.with_change(change)?;
        if switches.get(switch::MODE)? == MODE_ENFORCE {
            after.validate_as(Mode::Enforce)?;
        }
        overlay.0.push(change.clone());
        let in_place = matches!(
            change,
            Change::AddAllow(_)
                | Change::RemoveAllow(_)
                | Change::AddDeny(_)
                | Change::RemoveDeny(_)
        );
        if in_place && self.change_lists(&switches, record.number, &before, &after)? {
            self.store.set_overlay(&overlay)?;
            return Ok(record.number);
        }
        let outcome = self.swap(&lock, &Next::of(&record, &overlay, &after))?;
        Ok(outcome.generation)
    }

    /// Builds the same configuration anew, for this host as it is now.
    pub fn refresh(&self) -> Result<u64, LiveError> {
        let lock = self.pins.lock()?;
        let record = self.record()?;
        let overlay = self.store.overlay()?;
        let effective = record.config.with_overlay(&overlay)?;
        let outcome = self.swap(&lock, &Next::of(&record, &overlay, &effective))?;
        Ok(outcome.generation)
    }

    /// Changes allow and deny entries in the live generation; false if that needs a new one.
    fn change_lists(
        &self,
        switches: &Switches,
        number: u64,
        before: &Config,
        after: &Config,
    ) -> Result<bool, LiveError> {
        let now = clock_pair();
        let before = self.tables(before, switches, number, now)?;
        let after = self.tables(after, switches, number, now)?;
        if AclMaps::needs_generation(&before, &after) {
            return Ok(false);
        }
        let mut maps = AclMaps::open(&self.pins.generation(number))?;
        match maps.change(&before, &after) {
            Ok(()) => Ok(true),
            // No room left: the next generation makes more. What was written is part of it.
            Err(KernelError::Map { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Tables of a configuration for the state that is loaded.
    fn tables(
        &self,
        config: &Config,
        switches: &Switches,
        generation: u64,
        clock: Clock,
    ) -> Result<PolicyTables, LiveError> {
        let capacity = u32::try_from(switches.get(switch::SLOTS)?).unwrap_or(0);
        let inputs = Inputs {
            slots: &self.store.slots()?,
            capacity,
            interfaces: &interface::indexes(config)?,
            host: &interface::host_addresses(),
            clock,
            generation,
            hash_key: switches.get(switch::HASH_KEY)?,
        };
        Ok(policy::build(config, &inputs)?)
    }

    /// Builds the next generation and puts it on all interfaces.
    fn swap(&self, _lock: &ChangeLock, next: &Next<'_>) -> Result<Outcome, LiveError> {
        let Next { file, base, overlay, effective, kernel_log } = *next;
        let fresh = !self.is_initialised()?;
        if fresh {
            // Left by a start that did not get to the end: nothing runs on it.
            self.pins.remove()?;
            self.pins.create()?;
        }
        let record = self.store.record()?;
        let number = self.next_number(record.as_ref())?;
        let tables = self.next_tables(effective, number, fresh)?;
        let placed = match self.load_and_place(&tables, next, fresh, number) {
            Ok(placed) => placed,
            Err(error) => {
                if fresh {
                    self.pins.remove()?;
                } else {
                    self.pins.remove_generation(number)?;
                }
                return Err(error);
            }
        };
        self.pins.switches()?.set(switch::GENERATION, number)?;
        self.store.set_overlay(overlay)?;
        self.store.set_record(&Record {
            number,
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            by: who(),
            file: file.to_path_buf(),
            config: base.clone(),
            program: fingerprint(),
            kernel_log,
        })?;
        self.leave_others(effective, number)?;
        let started = if fresh { Started::Fresh } else { Started::Swapped };
        Ok(Outcome { started, generation: number, placed })
    }

    /// Whether the pinned state got all its switches.
    fn is_initialised(&self) -> Result<bool, LiveError> {
        Ok(self.pins.is_loaded() && self.pins.switches()?.get(switch::ABI)? != 0)
    }

    fn next_number(&self, record: Option<&Record>) -> Result<u64, LiveError> {
        let pinned = self.pins.generations()?.into_iter().max().unwrap_or(0);
        Ok(pinned.max(record.map_or(0, |record| record.number)).saturating_add(1))
    }

    /// Slots, kept before anything counts in them, and tables.
    fn next_tables(
        &self,
        config: &Config,
        number: u64,
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
            interfaces: &interface::indexes(config)?,
            host: &interface::host_addresses(),
            clock: clock_pair(),
            generation: number,
            hash_key,
        };
        Ok(policy::build(config, &inputs)?)
    }

    fn load_and_place(
        &self,
        tables: &PolicyTables,
        next: &Next<'_>,
        fresh: bool,
        number: u64,
    ) -> Result<Vec<(String, Placed)>, LiveError> {
        let config = next.effective;
        let log = next.kernel_log.then_some(aya_log::Level::Info);
        let pins = self.pins.clone();
        let state = State::Pinned(Box::new(move |map| pins.state(map)));
        let mut generation = load(tables, &state, log)?;
        if fresh {
            let mut switches = Switches::open(&self.pins.state(object::SWITCHES))?;
            initialise(&mut switches, tables, mode_number(config.guard.mode))?;
            self.restore_bypass(&mut switches)?;
        }
        self.pin(&mut generation, number)?;
        self.place_all(&mut generation, config)
    }

    /// A bypass that was on when the machine went down is on again.
    fn restore_bypass(&self, switches: &mut Switches) -> Result<(), LiveError> {
        if self.store.bypass()?.is_some() {
            switches.set(switch::BYPASS, 1)?;
        }
        Ok(())
    }

    /// Pins the policy maps and the program of a generation.
    fn pin(&self, generation: &mut Generation, number: u64) -> Result<(), LiveError> {
        let folder = self.pins.create_generation(number)?;
        for name in object::POLICY_MAPS {
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

    /// Puts the program on every interface; if one refuses, all are as they were.
    fn place_all(
        &self,
        generation: &mut Generation,
        config: &Config,
    ) -> Result<Vec<(String, Placed)>, LiveError> {
        let mut placed: Vec<(String, Placed)> = Vec::new();
        for interface in &config.interface {
            match interface::place(generation, interface, &self.pins) {
                Ok(how) => placed.push((interface.name.clone(), how)),
                Err(error) => {
                    self.take_back(&placed)?;
                    return Err(error.into());
                }
            }
        }
        Ok(placed)
    }

    fn take_back(&self, placed: &[(String, Placed)]) -> Result<(), LiveError> {
        let before = self.store.record()?.map(|record| self.pins.program(record.number));
        for (name, how) in placed {
            match (how, &before) {
                (Placed::Replaced, Some(program)) => {
                    let mut old = Xdp::from_pin(program, XdpAttachType::Interface)
                        .map_err(|error| KernelError::path(program, error, "`guard run` anew"))?;
                    interface::restore(&mut old, name, &self.pins)?;
                }
                (Placed::Replaced, None) => {}
                (Placed::Native | Placed::Generic | Placed::FellBack, _) => {
                    interface::detach(name, &self.pins)?;
                }
            }
        }
        Ok(())
    }

    /// Leaves interfaces that are no longer configured, and forgets older generations.
    fn leave_others(&self, config: &Config, number: u64) -> Result<(), LiveError> {
        for name in self.pins.linked()? {
            if !config.interface.iter().any(|interface| interface.name == name) {
                interface::detach(&name, &self.pins)?;
            }
        }
        for old in self.pins.generations()? {
            if old != number {
                self.pins.remove_generation(old)?;
            }
        }
        Ok(())
    }

    /// Whether the pinned program of a generation is on an interface.
    fn holds(&self, number: u64, name: &str) -> bool {
        let program = Xdp::from_pin(self.pins.program(number), XdpAttachType::Interface);
        let id = program.ok().and_then(|program| program.info().ok()).map(|info| info.id());
        let attached = interface::attached(name).ok().flatten();
        id.is_some() && attached.map(|attached| attached.program) == id
    }

    /// What is known about the live generation.
    pub fn record(&self) -> Result<Record, LiveError> {
        let missing = || KernelError::NotLoaded { path: self.pins.path().to_path_buf() };
        Ok(self.store.record()?.ok_or_else(missing)?)
    }

    /// The configuration in effect: the file's, and what live verbs changed since.
    pub fn effective(&self) -> Result<Config, LiveError> {
        Ok(self.record()?.config.with_overlay(&self.store.overlay()?)?)
    }

    /// Sets the mode. Enforcing needs a configuration that is complete enough for it.
    pub fn set_mode(&self, mode: Mode) -> Result<(), LiveError> {
        let _lock = self.pins.lock()?;
        let mut switches = self.pins.switches()?;
        if mode == Mode::Enforce {
            self.effective()?.validate_as(mode)?;
        }
        Ok(switches.set(switch::MODE, mode_number(mode))?)
    }

    /// Switches the bypass: one map write, before and without anything else. Whether the note
    /// about it could be kept is told apart.
    pub fn set_bypass(&self, on: bool, reason: &str) -> Result<Result<(), KernelError>, LiveError> {
        self.pins.switches()?.set(switch::BYPASS, u64::from(on))?;
        let note = BypassNote {
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            by: who(),
            reason: reason.to_owned(),
        };
        Ok(self.store.set_bypass(on.then_some(&note)))
    }

    /// Takes the guard off all interfaces and out of the kernel.
    pub fn unload(&self) -> Result<Vec<String>, LiveError> {
        let _lock = self.pins.lock()?;
        let left = self.pins.linked()?;
        self.pins.remove()?;
        self.store.clear_record()?;
        self.store.set_bypass(None)?;
        Ok(left)
    }
}

/// Number of a mode in the switches.
#[must_use]
pub const fn mode_number(mode: Mode) -> u64 {
    match mode {
        Mode::Monitor => MODE_MONITOR,
        Mode::Enforce => MODE_ENFORCE,
    }
}

/// Who is calling: the user id, and the one before `sudo` if it says so.
#[must_use]
pub fn who() -> String {
    let mut who = format!("uid {}", Uid::current());
    if let Ok(name) = std::env::var("SUDO_USER") {
        let name: String = name.chars().filter(char::is_ascii_graphic).take(32).collect();
        // Writing to a string cannot fail.
        let _ = write!(who, " (sudo by {name})");
    }
    who
}

/// The same moment on both clocks.
fn clock_pair() -> Clock {
    Clock { wall: SystemTime::now(), monotonic: clock::now() }
}

/// Fingerprint of the built-in program: FNV-1a, enough to tell two builds apart.
fn fingerprint() -> String {
    let hash = object::OBJECT.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Eight bytes nobody can guess.
fn random() -> Result<u64, KernelError> {
    use std::io::Read as _;
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 8];
    std::fs::File::open(&path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| KernelError::path(&path, error, "mount /dev"))?;
    Ok(u64::from_ne_bytes(bytes))
}
