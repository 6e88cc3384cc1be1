//! The parties of a pinned generation, read back from its maps.

use std::collections::BTreeMap;
use std::path::Path;

use aya::Pod;
use aya::maps::Array;
use guard_common::abi::Abi;
use guard_common::abi::party::{Bucket4, Bucket6, Party, Prefix4, Prefix6};

use super::error::KernelError;
use super::object;
use super::state::open;
use super::wire::Wire;
use crate::policy::parties::read_back;

/// Parties by prefix, of each family.
pub type Parties = (BTreeMap<Prefix4, Party>, BTreeMap<Prefix6, Party>);

/// The parties of the generation that is pinned in this folder.
pub fn parties(folder: &Path) -> Result<Parties, KernelError> {
    Ok(read_back(
        &all::<Bucket4>(folder, object::PARTY_INDEX4)?,
        &all::<Bucket6>(folder, object::PARTY_INDEX6)?,
        &all::<Party>(folder, object::PARTIES)?,
    ))
}

/// Everything in an array.
fn all<T: Abi>(folder: &Path, name: &str) -> Result<Vec<T>, KernelError>
where
    Wire<T>: Pod,
{
    let failed = |error| KernelError::map(name, error);
    let map = open(&folder.join(name), name)?;
    let array = Array::<_, Wire<T>>::try_from(map).map_err(failed)?;
    let values = array.iter().map(|value| value.map(|Wire(value)| value));
    values.collect::<Result<_, _>>().map_err(failed)
}
