//! The allow and deny lists of the live generation, changed in place.
//!
//! A change is computed as a whole and written entry by entry, each write whole in itself: a
//! frame meets the old entry or the new one. Allowed prefixes are written first, and a bucket
//! gets its bit before its entry and loses it after. What cannot be changed this way
//! ([`AclMaps::needs_generation`]) goes live with a new generation instead.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use guard_common::abi::Abi;
use guard_common::abi::acl::{AclBlock, AclEntry};
use guard_common::abi::party::{Prefix4, Prefix6};

use super::error::KernelError;
use super::object;
use super::state::open;
use super::wire::Wire;
use crate::policy::PolicyTables;

/// The maps of the lists.
pub struct AclMaps {
    lengths4: Array<MapData, u32>,
    lengths6: Array<MapData, u32>,
    entries4: HashMap<MapData, Wire<Prefix4>, Wire<AclEntry>>,
    entries6: HashMap<MapData, Wire<Prefix6>, Wire<AclEntry>>,
}

impl AclMaps {
    /// Opens the maps of a generation by the pins in its folder.
    pub fn open(generation: &Path) -> Result<Self, KernelError> {
        let map = |name: &str| open(&generation.join(name), name);
        Ok(Self {
            lengths4: array(map(object::ACL_LENGTHS4)?, object::ACL_LENGTHS4)?,
            lengths6: array(map(object::ACL_LENGTHS6)?, object::ACL_LENGTHS6)?,
            entries4: hash(map(object::ACL4)?, object::ACL4)?,
            entries6: hash(map(object::ACL6)?, object::ACL6)?,
        })
    }

    /// Writes the blocks of a generation that is not live yet.
    pub fn set_blocks(map: &mut Map, blocks: &[AclBlock]) -> Result<(), KernelError> {
        let failed = |error| KernelError::map(object::ACL_BLOCKS, error);
        let mut array = Array::<_, Wire<AclBlock>>::try_from(map).map_err(failed)?;
        for (number, block) in (0..).zip(blocks) {
            array.set(number, Wire(*block), 0).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether a change of the lists needs a new generation: other IPv6 lengths would give the
    /// bits of buckets another meaning, and blocks of conditional rules are shared.
    #[must_use]
    pub fn needs_generation(before: &PolicyTables, after: &PolicyTables) -> bool {
        before.policy.acl_lengths6 != after.policy.acl_lengths6
            || before.acl_blocks != after.acl_blocks
    }

    /// Makes a change of the live lists.
    pub fn change(&mut self, change: &AclChange) -> Result<(), KernelError> {
        let Self { lengths4, lengths6, entries4, entries6 } = self;
        let AclChange { bits4, bits6, acl4, acl6 } = change;
        // Buckets first: a bit without an entry only costs a look-up.
        set_bits(lengths4, &bits4.added, object::ACL_LENGTHS4)?;
        set_bits(lengths6, &bits6.added, object::ACL_LENGTHS6)?;
        change_entries(entries4, acl4, object::ACL4)?;
        change_entries(entries6, acl6, object::ACL6)?;
        set_bits(lengths4, &bits4.taken, object::ACL_LENGTHS4)?;
        set_bits(lengths6, &bits6.taken, object::ACL_LENGTHS6)
    }
}

/// What is to be written to bring the live lists from one state to another.
pub struct AclChange {
    bits4: Bits,
    bits6: Bits,
    acl4: Entries<Prefix4>,
    acl6: Entries<Prefix6>,
}

impl AclChange {
    /// From `before` to `after`.
    #[must_use]
    pub fn new(before: &PolicyTables, after: &PolicyTables) -> Self {
        Self {
            bits4: Bits::new(&before.acl_lengths4, &after.acl_lengths4),
            bits6: Bits::new(&before.acl_lengths6, &after.acl_lengths6),
            acl4: Entries::new(&before.acl4, &after.acl4),
            acl6: Entries::new(&before.acl6, &after.acl6),
        }
    }
}

/// Buckets and what is to stand in them.
struct Bits {
    /// Those that get a bit, with all they had.
    added: Vec<(u32, u32)>,
    /// Those that lose one.
    taken: Vec<(u32, u32)>,
}

impl Bits {
    fn new(before: &[u32], after: &[u32]) -> Self {
        let both = || (0..).zip(before.iter().zip(after));
        let added = both().filter(|(_, (before, after))| *before | *after != **before);
        let taken = both().filter(|(_, (before, after))| *before | *after != **after);
        Self {
            added: added.map(|(number, (before, after))| (number, before | after)).collect(),
            taken: taken.map(|(number, (_, after))| (number, *after)).collect(),
        }
    }
}

/// Entries that are new or changed, allowed ones first, and those that are gone.
struct Entries<K> {
    written: Vec<(K, AclEntry)>,
    gone: Vec<K>,
}

impl<K: Abi + Ord> Entries<K> {
    fn new(before: &BTreeMap<K, AclEntry>, after: &BTreeMap<K, AclEntry>) -> Self {
        let changed = after.iter().filter(|(key, entry)| before.get(key) != Some(entry));
        let (allowed, others): (Vec<_>, Vec<_>) = changed
            .map(|(key, entry)| (*key, *entry))
            .partition(|(_, entry)| entry.allow_until != 0);
        let gone = before.keys().filter(|key| !after.contains_key(key)).copied().collect();
        Self { written: [allowed, others].concat(), gone }
    }
}

fn array<V: aya::Pod>(map: Map, name: &str) -> Result<Array<MapData, V>, KernelError> {
    Array::try_from(map).map_err(|error| KernelError::map(name, error))
}

fn hash<K: aya::Pod, V: aya::Pod>(
    map: Map,
    name: &str,
) -> Result<HashMap<MapData, K, V>, KernelError> {
    HashMap::try_from(map).map_err(|error| KernelError::map(name, error))
}

fn set_bits(
    map: &mut Array<MapData, u32>,
    buckets: &[(u32, u32)],
    name: &str,
) -> Result<(), KernelError> {
    for (number, bits) in buckets {
        map.set(*number, *bits, 0).map_err(|error| KernelError::map(name, error))?;
    }
    Ok(())
}

fn change_entries<K: Abi + Ord>(
    map: &mut HashMap<MapData, Wire<K>, Wire<AclEntry>>,
    entries: &Entries<K>,
    name: &str,
) -> Result<(), KernelError> {
    let failed = |error| KernelError::map(name, error);
    for (key, entry) in &entries.written {
        map.insert(Wire(*key), Wire(*entry), 0).map_err(failed)?;
    }
    for key in &entries.gone {
        match map.remove(&Wire(*key)) {
            // Not there: a change that is taken back did not get so far.
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(failed)?,
        }
    }
    Ok(())
}
