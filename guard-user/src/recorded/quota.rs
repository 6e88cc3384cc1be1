//! How much of what is kept: a share for every pair of ends, kind and PSAP.
//!
//! One of these stands for one segment of the store, some minutes of traffic; all numbers are
//! per segment.

use std::collections::HashMap;
use std::net::IpAddr;

use super::kept::Kept;

/// Frames of one kind between the same two addresses.
const PAIR_MAX: u16 = 2;
/// Frames of one kind at one PSAP.
const KIND_MAX: u16 = 48;
/// Frames at one PSAP.
const OWNER_MAX: u16 = 256;
/// Bytes of a segment.
pub const BYTES_MAX: u64 = 1 << 20;
/// Beyond this many bytes, only kinds of which a PSAP has fewer frames than [`QUIET_MAX`].
const BYTES_SPARED: u64 = BYTES_MAX / 2;
const QUIET_MAX: u16 = 2;

type Kind = (Option<String>, u8, bool);

/// What a segment already has.
#[derive(Debug, Default)]
pub struct Quota {
    pairs: HashMap<(Option<(IpAddr, IpAddr)>, Kind), u16>,
    kinds: HashMap<Kind, u16>,
    owners: HashMap<Option<String>, u16>,
    bytes: u64,
}

impl Quota {
    /// Whether there is room for a frame that takes so many bytes; it then counts as kept.
    pub fn admit(&mut self, kept: &Kept, bytes: u64) -> bool {
        let kind = (kept.owner.clone(), kept.reason, kept.dropped);
        let ends = kept.facts().map(|facts| (facts.source, facts.destination));
        let pair = (ends, kind.clone());
        let of_kind = self.kinds.get(&kind).copied().unwrap_or(0);
        let room = if of_kind < QUIET_MAX { BYTES_MAX } else { BYTES_SPARED };
        if self.bytes.saturating_add(bytes) > room
            || of_kind >= KIND_MAX
            || self.pairs.get(&pair).is_some_and(|count| *count >= PAIR_MAX)
            || self.owners.get(&kept.owner).is_some_and(|count| *count >= OWNER_MAX)
        {
            return false;
        }
        self.bytes += bytes;
        *self.pairs.entry(pair).or_default() += 1;
        *self.kinds.entry(kind).or_default() += 1;
        *self.owners.entry(kept.owner.clone()).or_default() += 1;
        true
    }
}
