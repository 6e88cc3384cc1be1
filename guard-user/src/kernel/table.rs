//! Whole tables of the pinned state at once, and what pinned maps take of memory.
//!
//! aya reads an array a system call an element; with `BPF_MAP_LOOKUP_BATCH` a table of 65,536
//! places takes sixteen, so that counting what is taken costs a scrape a millisecond.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::path::Path;

use aya::maps::MapData;
use aya_obj::generated::bpf_cmd::BPF_MAP_LOOKUP_BATCH;
use guard_common::abi::state::Cells;
use nix::errno::Errno;
use nix::libc::{SYS_bpf, syscall};

use super::error::KernelError;
use super::load::chain;

/// Places of one system call.
const AT_ONCE: u32 = 4096;

/// What `BPF_MAP_LOOKUP_BATCH` takes: a part of the kernel's `union bpf_attr`.
#[repr(C)]
struct Batch {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    descriptor: u32,
    element_flags: u64,
    flags: u64,
}

/// Calls `each` with the first word of every place of a table.
pub fn first_words(
    path: &Path,
    table: Cells,
    mut each: impl FnMut(u64),
) -> Result<(), KernelError> {
    let failed = |reason: String| KernelError::map(table.map(), reason);
    let map = MapData::from_pin(path).map_err(|error| failed(chain(&error)))?;
    let info = map.info().map_err(|error| failed(chain(&error)))?;
    let words = table.words();
    // The kernel writes as many bytes as the map has; another version's may have more.
    if usize::try_from(info.value_size()) != Ok(words * size_of::<u64>()) {
        return Err(failed("its places are of another size".to_owned()));
    }
    let mut from = None;
    let mut left = info.max_entries();
    while left > 0 {
        let (read, next) = batch(map.fd().as_fd().as_raw_fd(), from, words, left.min(AT_ONCE))
            .map_err(|error| failed(error.to_string()))?;
        if read.is_empty() {
            break;
        }
        left = left.saturating_sub(u32::try_from(read.len() / words).unwrap_or(left));
        read.chunks_exact(words).filter_map(<[u64]>::first).for_each(|word| each(*word));
        from = Some(next);
    }
    Ok(())
}

/// Reads so many places behind `from`: their words, and where to go on.
fn batch(
    descriptor: RawFd,
    from: Option<u32>,
    words: usize,
    count: u32,
) -> Result<(Vec<u64>, u32), Errno> {
    let places = usize::try_from(count).unwrap_or(0);
    let (mut keys, mut values) = (vec![0_u32; places], vec![0_u64; places * words]);
    let (from_word, mut to) = (from.unwrap_or(0), 0_u32);
    let mut attributes = Batch {
        from: if from.is_some() { (&raw const from_word) as u64 } else { 0 },
        to: (&raw mut to) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count,
        descriptor: u32::try_from(descriptor).unwrap_or(u32::MAX),
        element_flags: 0,
        flags: 0,
    };
    // SAFETY: the structure is as long as it says, and its pointers are to memory that outlives
    // the call: `keys` holds `count` keys of an array, `values` as many values of the size that the
    // caller has compared with the map's.
    let answer = unsafe {
        syscall(SYS_bpf, BPF_MAP_LOOKUP_BATCH as u32, &raw mut attributes, size_of::<Batch>())
    };
    // ENOENT: there was nothing more behind these.
    match Errno::result(answer) {
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(error),
    }
    values.truncate(usize::try_from(attributes.count).unwrap_or(0).saturating_mul(words));
    Ok((values, to))
}

/// Bytes of kernel memory that a pinned map takes; `None` if that cannot be known.
#[must_use]
pub fn bytes(path: &Path) -> Option<u64> {
    let map = MapData::from_pin(path).ok()?;
    let descriptor = map.fd().as_fd().as_raw_fd();
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}
