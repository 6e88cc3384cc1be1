//! What frames are tried against: the live policy, or a configuration file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aya::maps::{Array, MapData};
use guard_common::abi::state::{Cells, MODE_ENFORCE, MODE_MONITOR, switch};
use guard_common::verdict::Switches;

use crate::config::{Config, Mode};
use crate::kernel::state::open;
use crate::kernel::{KernelError, clock, interface};
use crate::live::{Live, LiveError, clock_pair};
use crate::policy::model::Words;
use crate::policy::{self, Inputs, PolicyTables, slots};

/// First of the indexes that stand for interfaces which this host does not have.
const MADE_UP: u32 = 1 << 30;
/// Key of the hashes where there is no state to share it with.
const HASH_KEY: u64 = 911;
/// A deadline that has passed.
const PASSED: u64 = 1;

/// Where a copy of the program gets its policy from.
pub(super) enum Source {
    /// The pinned maps of a generation, and its program.
    Pinned {
        /// Where they are.
        folder: PathBuf,
        /// The program that is on the interfaces.
        program: PathBuf,
    },
    /// The tables: nobody has loaded them.
    Tables,
}

/// A policy to try frames against.
pub struct Ground {
    /// What it is, for people.
    pub name: String,
    /// The configuration, with the places of its entries where they are known.
    pub config: Config,
    /// Why the places of entries are not known, if they are not.
    pub placeless: Option<String>,
    /// Its tables.
    pub tables: PolicyTables,
    /// Kernel indexes of its interfaces; those that are not here have made-up ones.
    pub interfaces: BTreeMap<String, u32>,
    /// The switches by which frames are judged now.
    pub switches: Switches,
    pub(super) source: Source,
    /// Ids by counter slot.
    owners: BTreeMap<u32, String>,
    /// Where the live state is pinned.
    state: Option<PathBuf>,
}

impl Ground {
    /// The live policy, as it is in the kernel.
    ///
    /// # Errors
    ///
    /// No guard is loaded, or it may not be looked at.
    pub fn live(live: &Live) -> Result<Self, LiveError> {
        let record = live.record()?;
        let switches = live.pins.switches()?;
        let (config, placeless) = placed(&record.config, &record.file);
        let config = config.replayed(&record.overlay);
        let tables = live.tables(&config, &switches, &record, clock_pair())?;
        Ok(Self {
            name: format!("generation {}, live", record.number),
            placeless,
            interfaces: record.interfaces.clone(),
            switches: current(&switches)?,
            source: Source::Pinned {
                folder: live.pins.generation(record.number),
                program: live.pins.program(record.number),
            },
            owners: owners(&live.store.slots()?),
            state: Some(live.pins.state("")),
            tables,
            config,
        })
    }

    /// A configuration file, as it would be on this host: with the counters' places and the live
    /// changes of the guard that is loaded, if one is.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is wrong.
    pub fn file(path: &Path, live: &Live) -> Result<Self, LiveError> {
        let file = Config::load(path)?;
        // Without the right to look at what is loaded, or with nothing there, the file is all.
        let record = live.record().ok();
        let config = match &record {
            Some(record) => file.replayed(&record.overlay.over(&file)),
            None => file,
        };
        let known = live.store.slots().unwrap_or_default();
        let slots = slots::assign(&known, &config);
        let interfaces = indexes(&config);
        let inputs = Inputs {
            slots: &slots,
            capacity: slots::capacity(&slots, &config),
            interfaces: &interfaces,
            host: &record.map_or_else(interface::host_addresses, |record| record.host),
            clock: clock_pair(),
            generation: 0,
            hash_key: HASH_KEY,
        };
        let tables = policy::build(&config, &inputs)?;
        let mode = match config.guard.mode {
            Mode::Enforce => MODE_ENFORCE,
            Mode::Monitor => MODE_MONITOR,
        };
        Ok(Self {
            name: path.display().to_string(),
            placeless: None,
            interfaces,
            switches: Switches { mode, ..Switches::DROPPING },
            source: Source::Tables,
            owners: owners(&slots),
            state: None,
            tables,
            config,
        })
    }

    /// Whether it is the live policy.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.source, Source::Pinned { .. })
    }

    /// Id of the PSAP, site or element that frames of a slot are counted under.
    #[must_use]
    pub fn owner(&self, slot: u32) -> Option<&str> {
        self.owners.get(&slot).map(String::as_str)
    }

    /// Indexes of interfaces that are on this host: of the live policy under the same name, of a
    /// file's under any.
    pub(super) fn usable(&self) -> BTreeSet<u32> {
        if !self.is_live() {
            return existing();
        }
        let is_here = |(name, index): (&String, &u32)| {
            (*index != 0 && interface::index(name).ok() == Some(*index)).then_some(*index)
        };
        self.interfaces.iter().filter_map(is_here).collect()
    }

    /// Reads places of the live state; `None` where nothing is loaded.
    pub(super) fn state(&self) -> Option<impl Fn(Cells, u32) -> Option<Words> + use<>> {
        let folder = self.state.clone()?;
        let maps: BTreeMap<Cells, Reader> = Cells::ALL
            .into_iter()
            .filter_map(|table| Some((table, Reader::open(&folder, table).ok()?)))
            .collect();
        Some(move |table, place| maps.get(&table)?.read(place))
    }
}

/// A table of the live state.
enum Reader {
    One(Array<MapData, u64>),
    Two(Array<MapData, [u64; 2]>),
    Four(Array<MapData, [u64; 4]>),
}

impl Reader {
    fn open(folder: &Path, table: Cells) -> Result<Self, KernelError> {
        let failed = |error| KernelError::map(table.map(), error);
        let map = open(&folder.join(table.map()), table.map())?;
        Ok(match table.words() {
            1 => Self::One(Array::try_from(map).map_err(failed)?),
            2 => Self::Two(Array::try_from(map).map_err(failed)?),
            _ => Self::Four(Array::try_from(map).map_err(failed)?),
        })
    }

    fn read(&self, place: u32) -> Option<Words> {
        match self {
            Self::One(map) => map.get(&place, 0).ok().map(|word| [word, 0, 0, 0]),
            Self::Two(map) => map.get(&place, 0).ok().map(|[a, b]| [a, b, 0, 0]),
            Self::Four(map) => map.get(&place, 0).ok(),
        }
    }
}

/// The configuration as the file has it, if that still says what went live: with places.
fn placed(kept: &Config, file: &Path) -> (Config, Option<String>) {
    match Config::read(file) {
        Ok(read) if read.says_the_same(kept) => (read, None),
        Ok(_) => (
            kept.clone(),
            Some(format!("{} has changed since: lines are not told", file.display())),
        ),
        Err(_) => {
            (kept.clone(), Some(format!("{} cannot be read: lines are not told", file.display())))
        }
    }
}

/// The live switches; a deadline says whether it has passed, whatever clock frames go by.
fn current(switches: &crate::kernel::state::Switches) -> Result<Switches, KernelError> {
    let now = clock::now();
    let drop_until = switches.get(switch::DROP_UNTIL)?;
    let confirm_by = switches.get(switch::CONFIRM_BY)?;
    Ok(Switches {
        mode: switches.get(switch::MODE)?,
        bypass: switches.get(switch::BYPASS)?,
        opened: switches.get(switch::OPENED)?,
        drop_until: if now >= drop_until { PASSED } else { Switches::DROPPING.drop_until },
        confirm_by: if confirm_by != 0 && now >= confirm_by { PASSED } else { 0 },
    })
}

fn owners(slots: &BTreeMap<String, u32>) -> BTreeMap<u32, String> {
    slots.iter().map(|(id, slot)| (*slot, id.clone())).collect()
}

/// Indexes of all interfaces that are on this host.
fn existing() -> BTreeSet<u32> {
    let listed = nix::net::if_::if_nameindex();
    listed.iter().flatten().map(nix::net::if_::Interface::index).collect()
}

/// Indexes of a file's interfaces: this host's. Those that it does not have borrow the index of one
/// that the file does not name, so that the kernel can run frames, or have a made-up one.
fn indexes(config: &Config) -> BTreeMap<String, u32> {
    let names = || config.interface.iter().map(|entry| entry.name.as_str());
    let own: BTreeMap<&str, u32> =
        names().filter_map(|name| Some((name, interface::index(name).ok()?))).collect();
    let mut spare = existing();
    spare.retain(|index| !own.values().any(|own| own == index));
    let mut spare = spare.into_iter().chain(MADE_UP..);
    let index = |name: &str| match own.get(name) {
        Some(index) => *index,
        None => spare.next().unwrap_or(MADE_UP),
    };
    names().map(str::to_owned).zip(names().map(index)).collect()
}
