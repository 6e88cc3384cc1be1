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

    /// Brings the live lists from `before` to `after`.
    pub fn change(
        &mut self,
        before: &PolicyTables,
        after: &PolicyTables,
    ) -> Result<(), KernelError> {
        let Self { lengths4, lengths6, entries4, entries6 } = self;
        // Buckets first: a bit without an entry only costs a look-up.
        add_bits(lengths4, &before.acl_lengths4, &after.acl_lengths4, object::ACL_LENGTHS4)?;
        add_bits(lengths6, &before.acl_lengths6, &after.acl_lengths6, object::ACL_LENGTHS6)?;
        change_entries(entries4, &before.acl4, &after.acl4, object::ACL4)?;
        change_entries(entries6, &before.acl6, &after.acl6, object::ACL6)?;
        take_bits(lengths4, &before.acl_lengths4, &after.acl_lengths4, object::ACL_LENGTHS4)?;
        take_bits(lengths6, &before.acl_lengths6, &after.acl_lengths6, object::ACL_LENGTHS6)
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

/// Adds the bits that are new.
fn add_bits(
    map: &mut Array<MapData, u32>,
    before: &[u32],
    after: &[u32],
    name: &str,
) -> Result<(), KernelError> {
    set_bits(map, before, after, name, |before, after| before | after, |before, _| before)
}

/// Takes the bits that are gone.
fn take_bits(
    map: &mut Array<MapData, u32>,
    before: &[u32],
    after: &[u32],
    name: &str,
) -> Result<(), KernelError> {
    set_bits(map, before, after, name, |_, after| after, |before, after| before | after)
}

/// Writes the buckets in which the wanted bits differ from those that are there.
fn set_bits(
    map: &mut Array<MapData, u32>,
    before: &[u32],
    after: &[u32],
    name: &str,
    wanted: impl Fn(u32, u32) -> u32,
    there: impl Fn(u32, u32) -> u32,
) -> Result<(), KernelError> {
    for (number, (before, after)) in (0..).zip(before.iter().zip(after)) {
        let wanted = wanted(*before, *after);
        if wanted != there(*before, *after) {
            map.set(number, wanted, 0).map_err(|error| KernelError::map(name, error))?;
        }
    }
    Ok(())
}

/// Writes the entries that are new or changed, allowed ones first, and removes those gone.
fn change_entries<K: Abi + Ord>(
    map: &mut HashMap<MapData, Wire<K>, Wire<AclEntry>>,
    before: &BTreeMap<K, AclEntry>,
    after: &BTreeMap<K, AclEntry>,
    name: &str,
) -> Result<(), KernelError> {
    let failed = |error| KernelError::map(name, error);
    let changed = || after.iter().filter(|(key, entry)| before.get(key) != Some(entry));
    let allowed = changed().filter(|(_, entry)| entry.allow_until != 0);
    let others = changed().filter(|(_, entry)| entry.allow_until == 0);
    for (key, entry) in allowed.chain(others) {
        map.insert(Wire(*key), Wire(*entry), 0).map_err(failed)?;
    }
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        match map.remove(&Wire(*key)) {
            // Not there: a change that is taken back did not get so far.
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(failed)?,
        }
    }
    Ok(())
}
