//! The index of parties: from a prefix to its record by two looks at an array.
//!
//! A generation's parties never change, so they need none of what the kernel's hash does for
//! tables that do, and a look-up there is a call of 30 nanoseconds. Here a prefix lies in one of
//! two buckets, picked by its hash (cuckoo hashing: Pagh, Rodler 2004; with buckets: Dietzfelbinger,
//! Weidling 2007). The controller finds a bucket for each ([`places4`], [`places6`]), the data
//! plane compares the entries of the first and, where none fits, of the second.

use core::ops::ControlFlow;

use crate::abi::party::{Bucket4, Bucket6, Entry6, Party, Prefix4, Prefix6};
use crate::abi::policy::LENGTHS6_MAX;
use crate::memory::Word;
use crate::prefix::{self, LENGTHS4_MAX, Lengths};
use crate::tables::{Step, Tables};

/// Most buckets of an index, a power of two: so many bits of a hash pick each of the two.
pub const INDEX_MAX: u32 = 1 << 20;

/// Place of a party's number in what an entry says.
const NUMBER_SHIFT: u32 = 40;
/// Place of the prefix's length.
const LENGTH_SHIFT: u32 = 32;
/// Leaves of an entry what tells prefixes apart: address and length.
const KEY_BITS: u32 = 64 - NUMBER_SHIFT;

/// What an entry holds for a prefix and the number of its party, below 2^24 - 1.
#[must_use]
#[inline(always)]
pub const fn entry4(prefix: &Prefix4, number: u32) -> u64 {
    key4(prefix) | (number as u64 + 1) << NUMBER_SHIFT
}

/// The same for IPv6.
#[must_use]
#[inline(always)]
pub const fn entry6(prefix: &Prefix6, number: u32) -> Entry6 {
    let key = key6(prefix);
    Entry6 { rest: key.rest | (number as u64 + 1) << NUMBER_SHIFT, ..key }
}

/// The prefix and party number of an entry that is used.
#[must_use]
pub const fn parts4(entry: u64) -> Option<(Prefix4, u32)> {
    let Some(number) = ((entry >> NUMBER_SHIFT) as u32).checked_sub(1) else {
        return None;
    };
    let length = (entry >> LENGTH_SHIFT) as u32 & 0xff;
    Some((Prefix4 { address: (entry as u32).to_ne_bytes(), length }, number))
}

/// The same for IPv6.
#[must_use]
pub const fn parts6(entry: Entry6) -> Option<(Prefix6, u32)> {
    let Some(number) = ((entry.rest >> NUMBER_SHIFT) as u32).checked_sub(1) else {
        return None;
    };
    let length = (entry.rest >> LENGTH_SHIFT) as u32 & 0xff;
    Some((Prefix6 { address: entry.address, length }, number))
}

#[inline(always)]
const fn key4(prefix: &Prefix4) -> u64 {
    u32::from_ne_bytes(prefix.address) as u64 | (prefix.length as u64) << LENGTH_SHIFT
}

#[inline(always)]
const fn key6(prefix: &Prefix6) -> Entry6 {
    Entry6 { address: prefix.address, rest: (prefix.length as u64) << LENGTH_SHIFT }
}

/// The two buckets of a prefix in an index of `mask + 1`.
#[must_use]
#[inline(always)]
pub const fn places4(prefix: &Prefix4, mask: u32) -> [u32; 2] {
    places(key4(prefix), mask)
}

/// The same for IPv6.
#[must_use]
#[inline(always)]
pub fn places6(prefix: &Prefix6, mask: u32) -> [u32; 2] {
    let (upper, lower) = crate::address::Address(prefix.address).halves();
    let word = upper.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ lower;
    places(word.wrapping_add(u64::from(prefix.length)), mask)
}

/// Two bits' worth of a product: nobody chooses configured prefixes to collide, and an index in
/// which they do is made larger.
#[inline(always)]
const fn places(word: u64, mask: u32) -> [u32; 2] {
    let hash = (word ^ word >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [(hash >> 44) as u32 & mask, (hash >> 24) as u32 & mask]
}

/// The number of an IPv4 prefix's party, plus one; 0 if it has none.
#[inline(always)]
fn number4<T: Tables>(tables: &T, prefix: &Prefix4) -> u32 {
    let Some(policy) = tables.policy() else { return 0 };
    let [first, second] = places4(prefix, policy.party_mask4);
    let key = key4(prefix);
    match number4_in(tables, first, key) {
        0 => number4_in(tables, second, key),
        found => found,
    }
}

/// [`number4`] in one of the two buckets.
#[inline(always)]
fn number4_in<T: Tables>(tables: &T, bucket: u32, key: u64) -> u32 {
    tables.party_bucket4(bucket).map_or(0, |bucket| match4(bucket, key))
}

/// What the entry of this key says; 0 if there is none. No key is that of an unused entry: a
/// prefix has a length.
#[inline(always)]
fn match4(bucket: &Bucket4, key: u64) -> u32 {
    for entry in &bucket.entries {
        if (entry ^ key) << KEY_BITS == 0 {
            return (entry >> NUMBER_SHIFT) as u32;
        }
    }
    0
}

/// The number of an IPv6 prefix's party, plus one; 0 if it has none.
#[inline(always)]
fn number6<T: Tables>(tables: &T, prefix: &Prefix6) -> u32 {
    let Some(policy) = tables.policy() else { return 0 };
    let [first, second] = places6(prefix, policy.party_mask6);
    let key = key6(prefix);
    match number6_in(tables, first, &key) {
        0 => number6_in(tables, second, &key),
        found => found,
    }
}

/// [`number6`] in one of the two buckets.
#[inline(always)]
fn number6_in<T: Tables>(tables: &T, bucket: u32, key: &Entry6) -> u32 {
    tables.party_bucket6(bucket).map_or(0, |bucket| match6(bucket, key))
}

/// As [`match4`].
#[inline(always)]
fn match6(bucket: &Bucket6, key: &Entry6) -> u32 {
    let (key_upper, key_lower) = key.halves();
    for entry in &bucket.entries {
        let (upper, lower) = entry.halves();
        let differs = (upper ^ key_upper) | (lower ^ key_lower);
        if differs | (entry.rest ^ key.rest) << KEY_BITS == 0 {
            return (entry.rest >> NUMBER_SHIFT) as u32;
        }
    }
    0
}

/// A search for the longest configured prefix around an address, in memory to work in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Search {
    /// The lengths that are left to try ([`Lengths`]).
    lengths: Word<u32>,
    /// The number of the party, plus one; 0 if none was found.
    number: Word<u32>,
}

impl Search {
    /// The party of the longest configured prefix around an IPv4 address.
    ///
    /// Nearly always one length is all there is; the others are worth a loop of the kernel's, which
    /// the verifier follows once and not for each length.
    #[inline(always)]
    pub fn party4<'a, T: Tables>(&mut self, tables: &'a T, address: [u8; 4]) -> Option<&'a Party> {
        let mut lengths = Lengths::new(tables.party_lengths4(prefix::bucket4(address)));
        let length = prefix::length4(lengths.take()?);
        self.number.set(number4(tables, &prefix::network4(address, length)));
        if self.number.get() == 0 && !lengths.is_empty() {
            self.lengths.set(lengths.bits());
            tables.repeat(LENGTHS4_MAX, &mut Shorter4 { tables, address, search: self });
        }
        tables.party(self.number.get().checked_sub(1)?)
    }

    /// The party of the longest configured prefix around an IPv6 address.
    #[inline(always)]
    pub fn party6<'a, T: Tables>(&mut self, tables: &'a T, address: [u8; 16]) -> Option<&'a Party> {
        let mut lengths = Lengths::new(tables.party_lengths6(prefix::bucket6(address)));
        let place = lengths.take()?;
        let length = prefix::length6(&tables.policy()?.party_lengths6, place)?;
        self.number.set(number6(tables, &prefix::network6(address, length)));
        if self.number.get() == 0 && !lengths.is_empty() {
            self.lengths.set(lengths.bits());
            tables.repeat(LENGTHS6_MAX as u32, &mut Shorter6 { tables, address, search: self });
        }
        tables.party(self.number.get().checked_sub(1)?)
    }

    /// The next length; none if none is left.
    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let mut lengths = Lengths::new(self.lengths.get());
        let place = lengths.take();
        self.lengths.set(lengths.bits());
        place
    }

    /// Goes on unless something was found.
    #[inline(always)]
    fn found(&mut self, number: u32) -> ControlFlow<()> {
        self.number.set(number);
        if number == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// The next shorter prefix around an IPv4 address.
struct Shorter4<'a, T> {
    tables: &'a T,
    address: [u8; 4],
    search: &'a mut Search,
}

impl<T: Tables> Step for Shorter4<'_, T> {
    #[inline(always)]
    fn take(&mut self) -> ControlFlow<()> {
        let Some(place) = self.search.next() else {
            return ControlFlow::Break(());
        };
        let prefix = prefix::network4(self.address, prefix::length4(place));
        self.search.found(number4(self.tables, &prefix))
    }
}

/// The next shorter prefix around an IPv6 address.
struct Shorter6<'a, T> {
    tables: &'a T,
    address: [u8; 16],
    search: &'a mut Search,
}

impl<T: Tables> Step for Shorter6<'_, T> {
    #[inline(always)]
    fn take(&mut self) -> ControlFlow<()> {
        let (Some(place), Some(policy)) = (self.search.next(), self.tables.policy()) else {
            return ControlFlow::Break(());
        };
        let Some(length) = prefix::length6(&policy.party_lengths6, place) else {
            return ControlFlow::Break(());
        };
        self.search.found(number6(self.tables, &prefix::network6(self.address, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_it_was_made_of() {
        let prefix = Prefix4 { address: [198, 51, 100, 10], length: 32 };
        assert_eq!(parts4(entry4(&prefix, 7)), Some((prefix, 7)));
        let mut address = [0; 16];
        address[0] = 0x20;
        address[15] = 9;
        let prefix = Prefix6 { address, length: 128 };
        assert_eq!(parts6(entry6(&prefix, 0xff_fffe)), Some((prefix, 0xff_fffe)));
        assert_eq!(parts4(0), None);
        assert_eq!(parts6(Entry6::default()), None);
    }

    #[test]
    fn only_the_very_prefix_matches() {
        let prefix = Prefix4 { address: [198, 51, 100, 10], length: 32 };
        let bucket = Bucket4 { entries: [0, entry4(&prefix, 7), 0, 0] };
        assert_eq!(match4(&bucket, key4(&prefix)), 8);
        for bit in 0..NUMBER_SHIFT {
            assert_eq!(match4(&bucket, key4(&prefix) ^ 1 << bit), 0, "bit {bit}");
        }
        assert_eq!(match4(&Bucket4::default(), key4(&prefix)), 0, "an unused entry");
    }

    #[test]
    fn only_the_very_ipv6_prefix_matches() {
        let prefix = Prefix6 { address: [0x20; 16], length: 64 };
        let bucket = Bucket6 { entries: [Entry6::default(), entry6(&prefix, 7)] };
        let key = key6(&prefix);
        assert_eq!(match6(&bucket, &key), 8);
        for bit in 0..128 {
            let address = (u128::from_be_bytes(key.address) ^ 1 << bit).to_be_bytes();
            assert_eq!(match6(&bucket, &Entry6 { address, ..key }), 0, "bit {bit}");
        }
        for bit in 0..NUMBER_SHIFT {
            let rest = key.rest ^ 1 << bit;
            assert_eq!(match6(&bucket, &Entry6 { rest, ..key }), 0, "bit {bit} of the length");
        }
        assert_eq!(match6(&Bucket6::default(), &key), 0, "an unused entry");
    }
}
