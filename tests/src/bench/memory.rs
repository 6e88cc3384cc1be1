//! What a guard takes: kernel memory by map, and what its programs cost the verifier.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result};
use aya::maps::{MapInfo, MapType};
use guard_user::kernel::object;
use guard_user::kernel::private::PrivateGuard;
use guard_user::policy::Constants;
use serde::Serialize;

use super::configuration::{Size, enforcing, tables};

/// Memory of a map.
#[derive(Clone, Debug, Serialize)]
pub struct MapMemory {
    /// Which.
    pub name: String,
    /// Bytes, as the kernel accounts for them, those of all CPUs included.
    pub bytes: u64,
    /// Of these, what each possible CPU has of its own.
    pub per_cpu: u64,
}

/// Memory of a guard.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Of which configuration.
    pub name: &'static str,
    /// PSAPs.
    pub psaps: u32,
    /// Denied prefixes.
    pub denied: u32,
    /// CPUs the kernel makes room for.
    pub cpus: usize,
    /// The greatest first.
    pub maps: Vec<MapMemory>,
    /// In all.
    pub bytes: u64,
    /// In all, of each CPU.
    pub per_cpu: u64,
}

/// What a program cost the verifier.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Which.
    pub name: String,
    /// Instructions it looked at; none where the kernel does not say.
    pub instructions: Option<u32>,
}

/// The memory of a guard with a configuration of a size, and what watches frames that leave.
///
/// # Errors
///
/// The kernel does not take it or does not say.
pub fn memory(name: &'static str, size: Size) -> Result<Memory> {
    let (tables, _) = tables(size, None)?;
    let mut guard = enforcing(&tables)?;
    let generation = guard.generation();
    let mut ids = BTreeSet::new();
    ids.extend(generation.program()?.info()?.map_ids()?.unwrap_or_default());
    for classifier in [object::OUT_PROGRAM, object::LABEL_PROGRAM] {
        let info = generation.load_classifier(classifier)?.info()?;
        ids.extend(info.map_ids()?.unwrap_or_default());
    }
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    let mut maps = Vec::new();
    for id in ids {
        maps.push(map(id, cpus)?);
    }
    maps.sort_by_key(|map| std::cmp::Reverse(map.bytes));
    Ok(Memory {
        name,
        psaps: size.psaps,
        denied: size.denied,
        cpus,
        bytes: maps.iter().map(|map| map.bytes).sum(),
        per_cpu: maps.iter().map(|map| map.per_cpu).sum(),
        maps,
    })
}

fn map(id: u32, cpus: usize) -> Result<MapMemory> {
    let info = MapInfo::from_id(id)?;
    let name = info.name_as_str().unwrap_or("?").to_owned();
    let descriptor = info.fd()?;
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
        .with_context(|| format!("{path} does not say what {name} takes"))?;
    let own = match info.map_type()? {
        MapType::PerCpuArray | MapType::PerCpuHash | MapType::LruPerCpuHash => {
            u64::from(info.value_size().next_multiple_of(8)) * u64::from(info.max_entries())
        }
        _ => 0,
    };
    // What the kernel says counts every CPU once.
    let per_cpu = own.min(bytes / u64::try_from(cpus.max(1))?);
    Ok(MapMemory { name, bytes, per_cpu })
}

/// What all programs cost the verifier, with everything in them that can be configured.
///
/// # Errors
///
/// The kernel does not take one.
pub fn verified() -> Result<Vec<Verified>> {
    let (mut tables, _) = tables(Size::SMALL, None)?;
    tables.constants = Constants {
        label_mark: 911,
        label_priority: 6,
        sampling: 1,
        drop_interval: 1,
        looks_inside: true,
    };
    let mut guard = PrivateGuard::load(&tables)?;
    let mut programs = vec![
        (object::PROGRAM, guard.verified_instructions()?),
        (object::INSIDE_PROGRAM, guard.verified_instructions_inside()?),
    ];
    for name in [object::OUT_PROGRAM, object::OUT_INSIDE_PROGRAM, object::LABEL_PROGRAM] {
        // Some of them load others.
        let mut guard = PrivateGuard::load(&tables)?;
        programs.push((name, guard.verified_instructions_of(name)?));
    }
    let named = |(name, instructions): (&str, _)| Verified { name: name.to_owned(), instructions };
    Ok(programs.into_iter().map(named).collect())
}
