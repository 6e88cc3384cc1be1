//! The parties of a generation as the data plane finds them: records, and an index of prefixes
//! ([`guard_common::index`]).

use std::collections::BTreeMap;

use guard_common::abi::party::{Bucket4, Bucket6, Entry6, Party, Prefix4, Prefix6, WAYS4, WAYS6};
use guard_common::abi::policy::Policy;
use guard_common::index::{INDEX_MAX, entry4, entry6, parts4, parts6, places4, places6};

use super::PolicyTables;

/// How often entries change places before a larger index is tried.
const MOVES_MAX: usize = 500;

/// Records and their index.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The records, by number.
    pub records: Vec<Party>,
    /// Index of IPv4 prefixes: a power of two of buckets.
    pub index4: Vec<Bucket4>,
    /// Index of IPv6 prefixes.
    pub index6: Vec<Bucket6>,
}

impl Parties {
    /// Those of these tables. `None` if they do not fit an index, which takes millions of them.
    #[must_use]
    pub fn of(tables: &PolicyTables) -> Option<Self> {
        let PolicyTables { parties4, parties6, .. } = tables;
        let records = parties4.values().chain(parties6.values()).copied().collect();
        let mut numbers = 0..;
        let entries4: Vec<_> = parties4
            .keys()
            .zip(&mut numbers)
            .map(|(prefix, number)| entry4(prefix, number))
            .collect();
        let entries6: Vec<_> =
            parties6.keys().zip(numbers).map(|(prefix, number)| entry6(prefix, number)).collect();
        Some(Self { records, index4: index::<V4>(&entries4)?, index6: index::<V6>(&entries6)? })
    }

    /// The policy with what it has to know about the index.
    #[must_use]
    pub fn complete(&self, policy: Policy) -> Policy {
        Policy { party_mask4: mask(&self.index4), party_mask6: mask(&self.index6), ..policy }
    }
}

/// The entries of an index, back as prefixes and their records.
#[must_use]
pub fn read_back(
    index4: &[Bucket4],
    index6: &[Bucket6],
    records: &[Party],
) -> (BTreeMap<Prefix4, Party>, BTreeMap<Prefix6, Party>) {
    let record = |number: u32| records.get(usize::try_from(number).ok()?).copied();
    let used4 = index4.iter().flat_map(|bucket| bucket.entries).filter_map(parts4);
    let used6 = index6.iter().flat_map(|bucket| bucket.entries).filter_map(parts6);
    (
        used4.filter_map(|(prefix, number)| Some((prefix, record(number)?))).collect(),
        used6.filter_map(|(prefix, number)| Some((prefix, record(number)?))).collect(),
    )
}

fn mask<B>(index: &[B]) -> u32 {
    u32::try_from(index.len()).unwrap_or(1).saturating_sub(1)
}

/// An index of one family.
trait Family {
    type Entry: Copy + Default + PartialEq;
    type Bucket: Copy + Default;
    /// Entries of a bucket.
    const WAYS: usize;
    fn entries(bucket: &mut Self::Bucket) -> &mut [Self::Entry];
    /// The two buckets of an entry that is used.
    fn places(entry: Self::Entry, mask: u32) -> Option<[u32; 2]>;
}

struct V4;

impl Family for V4 {
    type Entry = u64;
    type Bucket = Bucket4;
    const WAYS: usize = WAYS4;

    fn entries(bucket: &mut Bucket4) -> &mut [u64] {
        &mut bucket.entries
    }

    fn places(entry: u64, mask: u32) -> Option<[u32; 2]> {
        parts4(entry).map(|(prefix, _)| places4(&prefix, mask))
    }
}

struct V6;

impl Family for V6 {
    type Entry = Entry6;
    type Bucket = Bucket6;
    const WAYS: usize = WAYS6;

    fn entries(bucket: &mut Bucket6) -> &mut [Entry6] {
        &mut bucket.entries
    }

    fn places(entry: Entry6, mask: u32) -> Option<[u32; 2]> {
        parts6(entry).map(|(prefix, _)| places6(&prefix, mask))
    }
}

/// The smallest index, a power of two of buckets, in which every entry finds a place.
fn index<F: Family>(entries: &[F::Entry]) -> Option<Vec<F::Bucket>> {
    // Two thirds full at most: such an index is found at the first attempt.
    let mut buckets = (entries.len() * 3 / (2 * F::WAYS) + 1).next_power_of_two();
    while buckets <= usize::try_from(INDEX_MAX).ok()? {
        let mut index = vec![F::Bucket::default(); buckets];
        if entries.iter().all(|entry| insert::<F>(&mut index, *entry)) {
            return Some(index);
        }
        buckets *= 2;
    }
    None
}

/// Puts an entry into one of its buckets; what is in the way moves to its other one.
fn insert<F: Family>(index: &mut [F::Bucket], entry: F::Entry) -> bool {
    let mask = mask(index);
    let mut homeless = entry;
    let mut avoided = None;
    for number in 0..MOVES_MAX {
        let Some(places) = F::places(homeless, mask) else {
            return false;
        };
        for place in places {
            if let Some(free) = bucket::<F>(index, place)
                .and_then(|entries| entries.iter_mut().find(|e| **e == F::Entry::default()))
            {
                *free = homeless;
                return true;
            }
        }
        // Not back to where it was driven out, and not always the same out of there.
        let [first, second] = places;
        let place = if avoided == Some(first) { second } else { first };
        avoided = Some(place);
        let Some(taken) =
            bucket::<F>(index, place).and_then(|entries| entries.get_mut(number % F::WAYS))
        else {
            return false;
        };
        std::mem::swap(taken, &mut homeless);
    }
    false
}

fn bucket<F: Family>(index: &mut [F::Bucket], place: u32) -> Option<&mut [F::Entry]> {
    index.get_mut(usize::try_from(place).ok()?).map(F::entries)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn prefix4(number: u32, length: u32) -> Prefix4 {
        guard_common::prefix::network4(number.wrapping_mul(0x0101_0107).to_be_bytes(), length)
    }

    #[test]
    fn every_prefix_is_found_where_the_data_plane_looks() {
        for count in [0, 1, 2, 5, 100, 6_000, 50_000] {
            let keys: BTreeMap<Prefix4, ()> =
                (0..count).map(|n| (prefix4(n, 8 + n % 25), ())).collect();
            let entries: Vec<_> = (0..).zip(keys.keys()).map(|(n, key)| entry4(key, n)).collect();
            let index = index::<V4>(&entries).unwrap();
            assert!(index.len().is_power_of_two());
            assert!(index.len() <= (entries.len() * 2 / WAYS4 + 1).next_power_of_two() * 2);
            for entry in entries {
                let places = V4::places(entry, mask(&index)).unwrap();
                let found = places.iter().any(|place| {
                    index.get(usize::try_from(*place).unwrap()).unwrap().entries.contains(&entry)
                });
                assert!(found);
            }
        }
    }

    #[test]
    fn what_is_in_an_index_reads_back() {
        let keys: Vec<_> = (0..300u32)
            .map(|n| {
                guard_common::prefix::network6(u128::from(n).rotate_left(90).to_be_bytes(), 64)
            })
            .collect();
        let keys: BTreeMap<Prefix6, ()> = keys.into_iter().map(|key| (key, ())).collect();
        let entries: Vec<_> = (0..).zip(keys.keys()).map(|(n, key)| entry6(key, n)).collect();
        let records: Vec<_> =
            (0..).zip(&entries).map(|(slot, _)| Party { slot, ..Party::default() }).collect();
        let index = index::<V6>(&entries).unwrap();
        let (none, back) = read_back(&[], &index, &records);
        assert!(none.is_empty());
        assert!(back.keys().eq(keys.keys()));
        assert!(back.values().map(|party| party.slot).eq(0..u32::try_from(keys.len()).unwrap()));
    }
}
