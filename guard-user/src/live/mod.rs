//! Changes to the guard that is loaded: start, swap, live entries, switches, removal.
//!
//! A swap is all or nothing: the next generation is built, filled and verified before the first
//! interface sees it, and if one interface refuses it the others get the old program back.
//! Nothing here needs the daemon, and nothing here is needed to open the guard.

mod bypass;
mod change;
pub mod settle;
mod share;
mod sides;
mod swap;
mod switches;

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use guard_common::abi::state::switch;
use nix::unistd::Uid;
use thiserror::Error;

pub use self::sides::{Missing, is_wanted};
pub use self::switches::mode_number;

use self::sides::Refused;
use self::swap::Next;
use crate::config::{Config, ConfigError};
use crate::kernel::interface::{self, Placed};
use crate::kernel::lock;
use crate::kernel::pins::PinDir;
use crate::kernel::{KernelError, clock, object};
use crate::policy::Clock;
use crate::store::{self, Record, Store};

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
    /// What is not watched or labelled as configured.
    pub missing: Vec<Missing>,
}

impl Live {
    /// The guard with these directories, loaded or not.
    #[must_use]
    pub fn new(pin_dir: &Path, state_dir: &Path) -> Self {
        Self { pins: PinDir::new(pin_dir), store: Store::new(state_dir) }
    }

    /// Makes the caller the one daemon of what is pinned and of what is on disk.
    pub fn lock_daemon(&self) -> Result<(store::DaemonLock, lock::DaemonLock), LiveError> {
        self.store.create()?;
        let disk = self.store.lock_daemon()?;
        self.pins.create()?;
        Ok((disk, self.pins.lock_daemon()?))
    }

    /// Process id of the running daemon, as far as it is known.
    #[must_use]
    pub fn daemon(&self) -> Option<u32> {
        self.pins.daemon().or_else(|| self.store.daemon())
    }

    /// Brings a configuration file live: adopts what is pinned if it is the same, else loads or
    /// swaps.
    pub fn start(
        &self,
        file: &Path,
        config: &Config,
        kernel_log: bool,
    ) -> Result<Outcome, LiveError> {
        let outcome = self.try_start(file, config, kernel_log);
        if outcome.is_err() && !self.pins.is_loaded() {
            // Empty folders are all there can be. The first error is the one to tell.
            let _ = self.pins.remove();
        }
        outcome
    }

    fn try_start(
        &self,
        file: &Path,
        config: &Config,
        kernel_log: bool,
    ) -> Result<Outcome, LiveError> {
        self.pins.create()?;
        let lock = self.pins.lock()?;
        let interfaces = interface::indexes(config, &self.pins)?;
        let record = self.store.record()?;
        let overlay = record.as_ref().map(|record| record.overlay.clone()).unwrap_or_default();
        let effective = config.with_overlay(&overlay)?;
        let next =
            Next { file, base: config, overlay: &overlay, effective: &effective, kernel_log };
        if !self.pins.is_loaded() {
            return self.swap(&lock, &next);
        }
        self.fits_the_mode(&effective)?;
        if let Some(record) = record
            && record.config.says_the_same(config)
            && record.kernel_log == kernel_log
            && record.program == fingerprint()
            && record.interfaces == interfaces
            && record.host == interface::host_addresses()
            && self.holds_all(&record)
        {
            let (generation, placed) = (record.number, Vec::new());
            let missing = self.place_sides(&effective, generation, &Refused::new());
            self.share(&effective);
            return Ok(Outcome { started: Started::Adopted, generation, placed, missing });
        }
        self.swap(&lock, &next)
    }

    /// Whether a generation is on all its interfaces that are there.
    fn holds_all(&self, record: &Record) -> bool {
        let Record { number, interfaces, .. } = record;
        interfaces.iter().all(|(name, index)| *index == 0 || self.holds(*number, name))
    }

    /// Whether the pinned program of a generation is on an interface.
    #[must_use]
    pub fn holds(&self, number: u64, name: &str) -> bool {
        let id = self.program(number);
        let attached = interface::attached(name).ok().flatten();
        id.is_some() && attached.map(|attached| attached.program) == id
    }

    /// Whether an interface is guarded: by the live generation, or, while a swap is under way, by
    /// the one before or after it.
    #[must_use]
    pub fn guards(&self, live: u64, name: &str) -> bool {
        let attached = || interface::attached(name).ok().flatten();
        self.holds(live, name)
            || attached().is_some_and(|it| interface::is_pinned(it.program, &self.pins))
    }

    /// Kernel id of the pinned program of a generation. Who may not open it is told by the
    /// switches, about the live one.
    fn program(&self, number: u64) -> Option<u32> {
        if self.sees_programs(number) {
            let program = Xdp::from_pin(self.pins.program(number), XdpAttachType::Interface);
            return program.ok()?.info().ok().map(|info| info.id());
        }
        let switches = self.pins.switches().ok()?;
        let live = switches.get(switch::GENERATION).ok()? == number;
        let id = u32::try_from(switches.get(switch::PROGRAM).ok()?).ok()?;
        live.then_some(id)
    }

    /// Whether the caller may open the programs of a generation.
    #[must_use]
    pub fn sees_programs(&self, number: u64) -> bool {
        let seen = fs::metadata(self.pins.program(number));
        !seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    /// What is known about the live generation.
    pub fn record(&self) -> Result<Record, LiveError> {
        self.pins.must_be_loaded()?;
        Ok(self.store.record()?.ok_or_else(|| self.store.without_record())?)
    }

    /// The configuration in effect: the file's, and what live verbs changed since.
    pub fn effective(&self) -> Result<Config, LiveError> {
        let record = self.record()?;
        Ok(record.config.with_overlay(&record.overlay)?)
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
