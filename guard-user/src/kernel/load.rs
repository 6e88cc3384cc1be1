//! Loading a generation: the object with new policy maps, filled before anything runs; and a
//! copy of one that is there, which shares its policy maps and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aya::maps::{Array, HashMap, Map, ProgramArray};
use aya::programs::{ProgramError, ProgramFd, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use guard_common::abi::Abi;
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{Cells, switch};
use guard_common::index::INDEX_MAX;

use super::acl::AclMaps;
use super::error::KernelError;
use super::object;
use super::wire::Wire;
use crate::policy::parties::Parties;
use crate::policy::{Constants, PolicyTables};

/// Room in the lists beyond what is configured, for live entries.
const SPARE_ACL: usize = 4096;
/// Room for conditional rules of live entries.
const SPARE_BLOCKS: usize = 256;
/// Bytes of a ring of a copy of a generation: some 600 copies.
const RING_BYTES: u32 = 1 << 20;

/// A generation in the kernel, not attached to anything.
pub struct Generation {
    ebpf: Ebpf,
    /// Whether the inside of some tunnel is looked at.
    looks_inside: bool,
}

/// Where the state of a new generation comes from.
pub enum State {
    /// Maps of its own: tests.
    Private,
    /// Maps of its own, and a clock that is told: frames on trial.
    Told,
    /// Maps of its own, with one slot for all that is counted: see [`Purpose::Proof`].
    Proof,
    /// Pinned maps, made where there are none; the function names the pin of a map.
    Pinned(Box<dyn Fn(&str) -> PathBuf>),
}

/// What a copy of a generation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To prove that calls pass. All it counts is counted in one slot, because it has no more: one
    /// look tells it.
    Proof,
    /// To try frames: with all slots, and a clock that is told.
    Trial,
}

/// Loads the object, fills its policy and has the verifier accept the XDP program; the tc
/// programs are loaded where they are wanted.
///
/// `log_level` is aya-log's; `None` leaves the kernel half silent.
pub fn load(
    tables: &PolicyTables,
    state: &State,
    log_level: Option<aya_log::Level>,
) -> Result<Generation, KernelError> {
    let level = log_level.map_or(0u8, |level| level as u8);
    let slots = tables.policy.slots.max(1);
    let parties = Parties::of(tables).ok_or(KernelError::Full {
        what: "the index of parties",
        limit: INDEX_MAX,
        step: "configure prefixes instead of single addresses",
    })?;
    let told = u32::from(matches!(state, State::Told));
    let mut loader = loader((&level, &told), &tables.constants, slots);
    loader
        .map_max_entries(object::PARTY_INDEX4, entries(parties.index4.len()))
        .map_max_entries(object::PARTY_INDEX6, entries(parties.index6.len()))
        .map_max_entries(object::PARTIES, entries(parties.records.len()))
        .map_max_entries(object::ACL4, entries(tables.acl4.len() + SPARE_ACL))
        .map_max_entries(object::ACL6, entries(tables.acl6.len() + SPARE_ACL))
        .map_max_entries(object::ACL_BLOCKS, entries(tables.acl_blocks.len() + SPARE_BLOCKS))
        .map_max_entries(object::COUNTERS, slots)
        .map_max_entries(object::OUT_COUNTERS, slots);
    match state {
        State::Private | State::Told => {}
        State::Proof => make_small(&mut loader, 1),
        State::Pinned(path) => {
            for name in object::STATE_MAPS {
                loader.map_pin_path(name, path(name));
            }
        }
    }
    let ebpf = loader.load(object::OBJECT).map_err(|error| refused(&error))?;
    let mut generation = Generation { ebpf, looks_inside: false };
    generation.fill(tables, &parties)?;
    generation.load_programs(&tables.constants)?;
    Ok(generation)
}

/// Loads a copy of a generation that is pinned in this folder: its policy maps, and state of its
/// own. `policy` is what the copy goes by beside them.
pub fn load_copy(
    folder: &Path,
    policy: &Policy,
    constants: &Constants,
    purpose: Purpose,
) -> Result<Generation, KernelError> {
    let silent = 0u8;
    let (told, counters) = match purpose {
        Purpose::Proof => (0u32, 1),
        Purpose::Trial => (1u32, policy.slots.max(1)),
    };
    let mut loader = loader((&silent, &told), constants, policy.slots.max(1));
    make_small(&mut loader, counters);
    for name in object::POLICY_MAPS.into_iter().filter(|name| *name != object::POLICY) {
        let path = folder.join(name);
        // What is not there would be made, empty.
        if !path.exists() {
            return Err(KernelError::map(name, format!("{} is not there", path.display())));
        }
        loader.map_pin_path(name, path);
    }
    let ebpf = loader.load(object::OBJECT).map_err(|error| refused(&error))?;
    let mut generation = Generation { ebpf, looks_inside: false };
    generation.set_policy(policy)?;
    generation.load_programs(constants)?;
    Ok(generation)
}

/// What is the same for all that is loaded; `slots` is how many counter slots the state has.
fn loader<'a>(
    (level, told): (&'a u8, &'a u32),
    constants: &'a Constants,
    slots: u32,
) -> EbpfLoader<'a> {
    let mut loader = EbpfLoader::new();
    loader
        .override_global(object::CLOCK_TOLD, told, true)
        .override_global(aya_log::LEVEL, level, false)
        .override_global(object::LABEL_MARK, &constants.label_mark, true)
        .override_global(object::LABEL_PRIORITY, &constants.label_priority, true)
        .override_global(object::SAMPLING, &constants.sampling, true)
        .override_global(object::DROP_INTERVAL, &constants.drop_interval, true);
    for table in Cells::ALL {
        loader.map_max_entries(table.map(), table.count(slots));
    }
    loader
}

/// Rings and counters as small as a guard needs them that nobody else looks at.
fn make_small(loader: &mut EbpfLoader<'_>, counters: u32) {
    loader
        .map_max_entries(object::COPIES, RING_BYTES)
        .map_max_entries(object::STRANGER_COPIES, RING_BYTES)
        .map_max_entries(object::COUNTERS, counters)
        .map_max_entries(object::OUT_COUNTERS, 1);
}

impl Generation {
    /// The program.
    pub fn program(&mut self) -> Result<&mut Xdp, KernelError> {
        self.xdp(object::PROGRAM)
    }

    /// The program for the inside of tunnels, loaded where some tunnel is looked into.
    pub fn inside_program(&mut self) -> Result<&mut Xdp, KernelError> {
        self.xdp(object::INSIDE_PROGRAM)
    }

    fn xdp(&mut self, name: &str) -> Result<&mut Xdp, KernelError> {
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        program.try_into().map_err(|_| missing(name))
    }

    /// Has the verifier accept what XDP runs.
    fn load_programs(&mut self, constants: &Constants) -> Result<(), KernelError> {
        self.program()?.load().map_err(|error| program_refused(&error))?;
        if constants.looks_inside {
            self.load_inside()?;
        }
        self.looks_inside = constants.looks_inside;
        Ok(())
    }

    /// Has the verifier accept the program for the inside of tunnels, and puts it where the
    /// program looks for it.
    fn load_inside(&mut self) -> Result<(), KernelError> {
        let program = self.inside_program()?;
        program.load().map_err(|error| program_refused(&error))?;
        let program = copy_of(program.fd());
        self.set_inside(object::INSIDE, program)
    }

    /// Has the verifier accept a tc program, and the one for the inside with that which watches.
    pub fn load_classifier(&mut self, name: &str) -> Result<&mut SchedClassifier, KernelError> {
        if self.looks_inside && name == object::OUT_PROGRAM {
            let program = self.classifier(object::OUT_INSIDE_PROGRAM)?;
            program.load().map_err(|error| program_refused(&error))?;
            let program = copy_of(program.fd());
            self.set_inside(object::OUT_INSIDE, program)?;
        }
        let program = self.classifier(name)?;
        program.load().map_err(|error| program_refused(&error))?;
        Ok(program)
    }

    fn classifier(&mut self, name: &str) -> Result<&mut SchedClassifier, KernelError> {
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        program.try_into().map_err(|_| missing(name))
    }

    fn set_inside(
        &mut self,
        map: &'static str,
        program: Result<ProgramFd, ProgramError>,
    ) -> Result<(), KernelError> {
        let program = program.map_err(|error| program_refused(&error))?;
        let failed = |error| KernelError::map(map, error);
        let mut array = ProgramArray::try_from(self.map_mut(map)?).map_err(failed)?;
        array.set(0, &program, 0).map_err(failed)
    }

    /// A map, by its name.
    pub fn map(&self, name: &str) -> Result<&Map, KernelError> {
        self.ebpf.map(name).ok_or_else(|| KernelError::map(name, "not in the object"))
    }

    /// A map, to be kept apart from the generation.
    pub fn take_map(&mut self, name: &str) -> Result<Map, KernelError> {
        self.ebpf.take_map(name).ok_or_else(|| KernelError::map(name, "not in the object"))
    }

    fn map_mut(&mut self, name: &str) -> Result<&mut Map, KernelError> {
        self.ebpf.map_mut(name).ok_or_else(|| KernelError::map(name, "not in the object"))
    }

    fn fill(&mut self, tables: &PolicyTables, parties: &Parties) -> Result<(), KernelError> {
        self.set_all(object::PARTY_LENGTHS4, &tables.party_lengths4)?;
        self.set_all(object::PARTY_LENGTHS6, &tables.party_lengths6)?;
        self.set_all(object::PARTY_INDEX4, &parties.index4)?;
        self.set_all(object::PARTY_INDEX6, &parties.index6)?;
        self.set_all(object::PARTIES, &parties.records)?;
        self.set_all(object::ACL_LENGTHS4, &tables.acl_lengths4)?;
        self.set_all(object::ACL_LENGTHS6, &tables.acl_lengths6)?;
        self.insert_all(object::ACL4, &tables.acl4)?;
        self.insert_all(object::ACL6, &tables.acl6)?;
        let blocks = self.map_mut(object::ACL_BLOCKS)?;
        AclMaps::set_blocks(blocks, &tables.acl_blocks)?;
        // Last: a policy that is there means that all its tables are.
        self.set_policy(&parties.complete(tables.policy))
    }

    fn set_policy(&mut self, policy: &Policy) -> Result<(), KernelError> {
        let failed = |error| KernelError::map(object::POLICY, error);
        let map = self.map_mut(object::POLICY)?;
        let mut array = Array::<_, Wire<Policy>>::try_from(map).map_err(failed)?;
        array.set(0, Wire(*policy), 0).map_err(failed)
    }

    /// Sets all places of an array that are not as a new map has them, all zero.
    fn set_all<T: Abi + Default + PartialEq>(
        &mut self,
        name: &str,
        values: &[T],
    ) -> Result<(), KernelError>
    where
        Wire<T>: Pod,
    {
        let failed = |error| KernelError::map(name, error);
        let mut array = Array::<_, Wire<T>>::try_from(self.map_mut(name)?).map_err(failed)?;
        for (number, value) in (0..).zip(values) {
            if *value != T::default() {
                array.set(number, Wire(*value), 0).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn insert_all<K: Abi, V: Abi>(
        &mut self,
        name: &str,
        entries: &BTreeMap<K, V>,
    ) -> Result<(), KernelError>
    where
        Wire<K>: Pod,
        Wire<V>: Pod,
    {
        let failed = |error| KernelError::map(name, error);
        let mut hash =
            HashMap::<_, Wire<K>, Wire<V>>::try_from(self.map_mut(name)?).map_err(failed)?;
        for (key, value) in entries {
            hash.insert(Wire(*key), Wire(*value), 0).map_err(failed)?;
        }
        Ok(())
    }
}

/// Writes the switches of state maps that were made just now.
pub fn initialise(
    switches: &mut super::state::Switches,
    policy: &Policy,
    mode: u64,
) -> Result<(), KernelError> {
    switches.set(switch::MODE, mode)?;
    switches.set(switch::SLOTS, u64::from(policy.slots))?;
    switches.set(switch::HASH_KEY, policy.hash_key)?;
    switches.set(switch::ABI, u64::from(guard_common::abi::ABI_VERSION))
}

/// A handle of its own on a program.
fn copy_of(program: Result<&ProgramFd, ProgramError>) -> Result<ProgramFd, ProgramError> {
    program?.try_clone().map_err(ProgramError::IOError)
}

fn missing(program: &str) -> KernelError {
    KernelError::Load {
        reason: format!("the object has no program {program}"),
        step: "build it anew with `cargo xtask build`",
    }
}

/// A map may not have zero places.
fn entries(count: usize) -> u32 {
    u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

fn refused(error: &aya::EbpfError) -> KernelError {
    let reason = chain(error);
    if reason.contains("Operation not permitted") || reason.contains("os error 1)") {
        return KernelError::NotPermitted { what: "load the guard".to_owned(), reason };
    }
    KernelError::Load {
        reason,
        step: "see `uname -r` (5.18 or newer is needed) and the kernel table in README.md",
    }
}

fn program_refused(error: &ProgramError) -> KernelError {
    let text = match error {
        // The whole log of the verifier is thousands of lines; its end says why.
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let end: Vec<_> = log.lines().rev().take(5).collect();
            let end: Vec<_> = end.into_iter().rev().collect();
            format!("{io_error}; the verifier says: {}", end.join(" | "))
        }
        other => chain(other),
    };
    if text.contains("Operation not permitted") {
        return KernelError::NotPermitted { what: "load the guard".to_owned(), reason: text };
    }
    KernelError::Load { reason: text, step: "report this with the output of `uname -a`" }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}
