//! Changes to the guard that is loaded: start, apply, roll-back, live entries, switches, removal.
//!
//! Every change of the configuration passes the gates, is kept in the history and told the audit
//! log, with the daemon alive or dead.
//!
//! A swap is all or nothing: the next generation is built, filled and verified before the first
//! interface sees it, and if one interface refuses it the others get the old program back.
//! Nothing here needs the daemon, and nothing here is needed to open the guard.

mod apply;
mod bypass;
mod change;
mod confirm;
mod import;
mod next;
mod pieces;
mod rollback;
pub mod settle;
mod share;
mod sides;
mod start;
mod swap;
mod switches;
mod turned;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use guard_common::abi::state::{MODE_ENFORCE, switch};
use thiserror::Error;

pub use self::apply::{Applied, Request};
pub use self::confirm::{CONFIRM_MAX, Overdue};
pub use self::import::Imported;
pub use self::rollback::{Back, Step};
pub use self::sides::{Missing, is_wanted};
pub use self::start::{FileSays, Start};
pub use self::switches::mode_number;
pub use self::turned::{Suspect, Turn};

use crate::audit::{Audit, Took};
use crate::config::{Config, ConfigError, Mode};
use crate::gates::{Finding, GateError, Refused};
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
    /// A gate refuses.
    #[error(transparent)]
    Gate(#[from] Refused),
    /// Another change waits to be confirmed, or none does.
    #[error("{what}\n  next: {next}")]
    Order {
        /// What is in the way.
        what: String,
        /// What to do.
        next: &'static str,
    },
}

impl From<GateError> for LiveError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Config(error) => Self::Config(error),
            GateError::Refused(refused) => Self::Gate(refused),
        }
    }
}

/// The guard under one pin directory.
#[derive(Clone, Debug)]
pub struct Live {
    /// What is pinned.
    pub pins: PinDir,
    /// What is on disk.
    pub store: Store,
    /// Who did what.
    pub audit: Audit,
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
    /// What the gates found and did not stop.
    pub findings: Vec<Finding>,
    /// How long it took to be in effect; `None` where nothing was changed.
    pub took: Option<Took>,
}

impl Live {
    /// The guard with these directories, loaded or not.
    #[must_use]
    pub fn new(pin_dir: &Path, state_dir: &Path) -> Self {
        let (pins, store) = (PinDir::new(pin_dir), Store::new(state_dir));
        Self { pins, store, audit: Audit::new(state_dir) }
    }

    /// The same guard, for what the daemon does by itself.
    #[must_use]
    pub fn of_daemon(self) -> Self {
        Self { audit: self.audit.of_daemon(), ..self }
    }

    /// The same guard, for what the daemon does because somebody with this user id asked it to.
    #[must_use]
    pub fn of_asker(self, uid: u32) -> Self {
        Self { audit: self.audit.of_asker(uid), ..self }
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

    /// The kernel's tag of the pinned program of a generation, in hexadecimal digits; `None` if the
    /// caller may not open it.
    #[must_use]
    pub fn tag(&self, number: u64) -> Option<String> {
        let program = Xdp::from_pin(self.pins.program(number), XdpAttachType::Interface).ok()?;
        Some(format!("{:016x}", program.info().ok()?.tag()))
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
        Ok(self.record()?.effective())
    }

    /// The mode that is on, as the configuration names it.
    fn mode(&self) -> Result<Mode, LiveError> {
        Ok(match self.pins.switches()?.get(switch::MODE)? {
            MODE_ENFORCE => Mode::Enforce,
            _ => Mode::Monitor,
        })
    }

    /// Number of the live generation, as far as it can be found out: for the audit log.
    fn generation(&self) -> Option<u64> {
        self.pins.any_switches().ok()?.get(switch::GENERATION).ok()
    }

    /// Tells the audit log how a change went.
    fn tell<T>(&self, what: &str, why: Option<&str>, outcome: &Result<T, LiveError>) {
        self.tell_timed(what, why, outcome, |_| None);
    }

    /// The same, with how long it took to be in effect.
    fn tell_timed<T>(
        &self,
        what: &str,
        why: Option<&str>,
        outcome: &Result<T, LiveError>,
        took: impl FnOnce(&T) -> Option<Took>,
    ) {
        let took = outcome.as_ref().ok().and_then(took);
        self.audit.outcome(what, why, outcome, self.generation(), took);
    }
}

/// Now, RFC 3339.
fn time() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The same moment on both clocks.
pub(crate) fn clock_pair() -> Clock {
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
