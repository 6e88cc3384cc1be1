//! The pin directory: what of a guard outlives its processes.
//!
//! ```text
//! <pin-dir>/state/<MAP>               state maps, shared by generations
//! <pin-dir>/state-next/<MAP>          those that replace state of another layout, meanwhile
//! <pin-dir>/generations/<n>/<MAP>     policy maps of a generation, and its program
//! <pin-dir>/links/<interface>         the links that hold the program on the interfaces
//! <pin-dir>/outgoing/<interface>      the links of the tc program that watches what leaves
//! <pin-dir>/labels/<interface>        the links of the tc program that labels
//! <pin-dir>/daemon                    empty; locked by the daemon as long as it lives
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use guard_common::abi::ABI_VERSION;
use guard_common::abi::state::switch;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::error::KernelError;
use super::lock::{DAEMON, GENERATIONS};
use super::object;
use super::owner::{self, Sight};
use super::state::{Counts, OutSlots, Switches};
use super::tc::Side;

/// Name of the program's pin.
const PROGRAM: &str = "program";
/// Folder of the state maps, and of those that are to replace them.
const STATE: &str = "state";
const STATE_NEXT: &str = "state-next";

/// A pin directory.
#[derive(Clone, Debug)]
pub struct PinDir {
    path: PathBuf,
    /// Name of the folder with the state maps.
    state: &'static str,
}

/// The next step where a daemon may not give something to a group.
const SUPPLEMENTARY: &str =
    "run as root, or make the daemon's user a member of read-group (SupplementaryGroups=)";
impl PinDir {
    /// The directory at this path, which need not exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), state: STATE }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pin of a state map.
    #[must_use]
    pub fn state(&self, map: &str) -> PathBuf {
        self.path.join(self.state).join(map)
    }

    /// Folder of the state maps.
    pub(super) fn state_folder(&self) -> PathBuf {
        self.path.join(self.state)
    }

    /// Folder of a generation.
    #[must_use]
    pub fn generation(&self, number: u64) -> PathBuf {
        self.path.join("generations").join(number.to_string())
    }

    /// Pin of a generation's program.
    #[must_use]
    pub fn program(&self, number: u64) -> PathBuf {
        self.generation(number).join(PROGRAM)
    }

    /// Pin of the link on an interface.
    #[must_use]
    pub fn link(&self, interface: &str) -> PathBuf {
        self.path.join("links").join(escaped(interface))
    }

    /// Interfaces whose links are pinned.
    pub fn linked(&self) -> Result<Vec<String>, KernelError> {
        Ok(names(&self.path.join("links"))?.iter().map(|name| unescaped(name)).collect())
    }

    /// Pin of a generation's tc program.
    #[must_use]
    pub fn classifier(&self, number: u64, side: Side) -> PathBuf {
        self.generation(number).join(side.program())
    }

    /// Pin of the link of a tc program on an interface.
    #[must_use]
    pub fn side_link(&self, side: Side, interface: &str) -> PathBuf {
        self.path.join(side.folder()).join(escaped(interface))
    }

    /// Interfaces with a pinned link of a tc program.
    pub fn side_linked(&self, side: Side) -> Result<Vec<String>, KernelError> {
        Ok(names(&self.path.join(side.folder()))?.iter().map(|name| unescaped(name)).collect())
    }

    /// Numbers of the generations that are pinned.
    pub fn generations(&self) -> Result<Vec<u64>, KernelError> {
        let names = names(&self.path.join("generations"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Makes the directories, for root alone. They must be on a BPF file system.
    pub fn create(&self) -> Result<(), KernelError> {
        let sides = Side::ALL.map(Side::folder);
        for folder in [self.state, GENERATIONS, "links", DAEMON].into_iter().chain(sides) {
            self.create_folder(&self.path.join(folder))?;
        }
        Ok(())
    }

    /// Makes the folder of a generation, empty.
    pub fn create_generation(&self, number: u64) -> Result<PathBuf, KernelError> {
        let folder = self.generation(number);
        self.remove_generation(number)?;
        self.create_folder(&folder)?;
        Ok(folder)
    }

    fn create_folder(&self, folder: &Path) -> Result<(), KernelError> {
        let parent = self.parent();
        let known = statfs(parent).map_err(|error| {
            KernelError::path(parent, error, "make the folder, on a BPF file system")
        })?;
        if known.filesystem_type() != BPF_FS_MAGIC {
            return Err(KernelError::path(
                parent,
                "no BPF file system",
                "mount one: `mount -t bpf bpf /sys/fs/bpf`, or choose another pin-dir",
            ));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            KernelError::NotPermitted {
                what: format!("make {}", folder.display()),
                reason: error.to_string(),
            }
        })
    }

    /// Gives all that is pinned the owner of the directory, and to a group what it may see.
    pub fn set_owners(&self, group: Option<u32>) -> Result<(), KernelError> {
        let set = |path: &Path, sight| {
            owner::set(path, &self.path, group, sight)
                .map_err(|error| KernelError::path(path, error, SUPPLEMENTARY))
        };
        set(&self.path, Sight::Pass)?;
        for name in names(&self.path)? {
            let folder = self.path.join(&name);
            let sight = match name.as_str() {
                "links" => Sight::List,
                STATE => Sight::Pass,
                _ => Sight::None,
            };
            set(&folder, sight)?;
            for name in names(&folder)? {
                let pin = folder.join(&name);
                let readable = object::READABLE_MAPS.contains(&name.as_str());
                set(&pin, if readable { Sight::Read } else { Sight::None })?;
                if pin.is_dir() {
                    for name in names(&pin)? {
                        set(&pin.join(name), Sight::None)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a generation's pins away. What still runs keeps its maps.
    pub fn remove_generation(&self, number: u64) -> Result<(), KernelError> {
        remove_all(&self.generation(number))
    }

    /// The same directory with other state maps, beside those that are in use.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { state: STATE_NEXT, ..self.clone() }
    }

    fn is_beside(&self) -> bool {
        self.state == STATE_NEXT
    }

    /// The switches of the state that this one is to replace, whatever its version.
    pub fn replaced_switches(&self) -> Result<Option<Switches>, KernelError> {
        if !self.is_beside() {
            return Ok(None);
        }
        Self::new(&self.path).any_switches().map(Some)
    }

    /// Whether the state that is pinned is of another version.
    pub fn is_of_another_version(&self) -> Result<bool, KernelError> {
        match self.is_loaded().then(|| self.switches()) {
            Some(Err(KernelError::OtherAbi { .. })) => Ok(true),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Ok(false),
        }
    }

    /// Puts the state that was made beside in the place of the old one, and forgets that. There is
    /// no moment without either.
    pub fn take_over(&self) -> Result<(), KernelError> {
        let (old, new) = (self.path.join(STATE), self.path.join(STATE_NEXT));
        renameat2(AT_FDCWD, &old, AT_FDCWD, &new, RenameFlags::RENAME_EXCHANGE)
            .map_err(|error| KernelError::path(&old, error, "run as root"))?;
        // Whoever switched the bypass on meanwhile did so there.
        let bypass = self.beside().any_switches()?.get(switch::BYPASS)?;
        if bypass != 0 {
            self.any_switches()?.set(switch::BYPASS, bypass)?;
        }
        self.forget_replaced()
    }

    /// Takes away state that was replaced, if some was left.
    pub fn forget_replaced(&self) -> Result<(), KernelError> {
        remove_all(&self.path.join(STATE_NEXT))
    }

    /// Takes everything away, links first, so that nothing runs without its pins.
    pub fn remove(&self) -> Result<(), KernelError> {
        self.clear()?;
        remove_all(&self.path.join(DAEMON))?;
        remove_all(&self.path)
    }

    /// Takes away all that is pinned; what is locked stays, and stays locked.
    pub fn clear(&self) -> Result<(), KernelError> {
        if self.is_beside() {
            return remove_all(&self.path.join(STATE_NEXT));
        }
        remove_all(&self.path.join("links"))?;
        for side in Side::ALL {
            remove_all(&self.path.join(side.folder()))?;
        }
        for number in self.generations()? {
            self.remove_generation(number)?;
        }
        remove_all(&self.path.join("generations"))?;
        remove_all(&self.path.join(STATE_NEXT))?;
        remove_all(&self.path.join(STATE))
    }

    /// Whether state is pinned here.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.state(object::SWITCHES).exists()
    }

    /// The switches, whatever version the state is of.
    pub fn any_switches(&self) -> Result<Switches, KernelError> {
        self.must_be_loaded()?;
        Switches::open(&self.state(object::SWITCHES))
    }

    /// The switches, after checking that the state is of our version.
    pub fn switches(&self) -> Result<Switches, KernelError> {
        let path = self.state(object::SWITCHES);
        let switches = self.any_switches()?;
        // Zero: made, but its first start did not get to the end. Nothing runs on it yet.
        match switches.get(switch::ABI)? {
            0 => Ok(switches),
            found if found == u64::from(ABI_VERSION) => Ok(switches),
            found => Err(KernelError::OtherAbi { path, found, expected: ABI_VERSION }),
        }
    }

    /// Counters and alarms, after checking that the state is of our version.
    pub fn counts(&self) -> Result<Counts, KernelError> {
        self.switches()?;
        Counts::open(&self.state(object::COUNTERS), &self.state(object::ALARMS))
    }

    /// Counters of what leaves the host, after the same check.
    pub fn out_counts(&self) -> Result<OutSlots, KernelError> {
        self.switches()?;
        OutSlots::open(&self.state(object::OUT_COUNTERS), object::OUT_COUNTERS)
    }

    pub(crate) fn not_loaded(&self) -> KernelError {
        let why = match statfs(self.parent()) {
            Ok(known) if known.filesystem_type() != BPF_FS_MAGIC => {
                ", which is on no BPF file system; `mount -t bpf bpf /sys/fs/bpf` mounts one"
            }
            _ => "",
        };
        KernelError::NotLoaded { path: self.path.clone(), why }
    }

    fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Errors where no state is pinned, or none that the caller may see.
    pub fn must_be_loaded(&self) -> Result<(), KernelError> {
        match fs::metadata(self.state(object::SWITCHES)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(KernelError::NotPermitted {
                    what: format!("read {}", self.path.display()),
                    reason: error.to_string(),
                })
            }
            Err(_) => Err(self.not_loaded()),
        }
    }
}

/// A BPF file system allows no dots in names, interfaces do.
fn escaped(interface: &str) -> String {
    interface.replace('%', "%25").replace('.', "%2e")
}

fn unescaped(name: &str) -> String {
    name.replace("%2e", ".").replace("%25", "%")
}

/// The names in a folder; none if it does not exist.
fn names(folder: &Path) -> Result<Vec<String>, KernelError> {
    let failed = |error| KernelError::path(folder, error, "run as root");
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Removes a folder of pins and the pins in it; no error if it is gone already.
fn remove_all(folder: &Path) -> Result<(), KernelError> {
    let failed = |error| KernelError::path(folder, error, "run as root");
    for name in names(folder)? {
        fs::remove_file(folder.join(name)).map_err(failed)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_survive() {
        for name in ["eth0", "eth0.100", "a%2eb", "wan%.7"] {
            assert!(!escaped(name).contains('.'));
            assert_eq!(unescaped(&escaped(name)), name);
        }
    }
}
