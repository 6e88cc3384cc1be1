//! Which prefixes cover which: one walk over a sorted list, for any number of prefixes.
//!
//! Sorted by address and then by length, a prefix comes right after those that cover it, so a
//! stack of open prefixes answers the question in linear time. Knows nothing of what the
//! prefixes mean.

use std::net::IpAddr;

use guard_common::abi::party::{Prefix4, Prefix6};
use ipnet::IpNet;

/// A prefix in the order of the walk: IPv4 before IPv6, outer before inner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net {
    ipv6: bool,
    /// The address, left-aligned.
    bits: u128,
    length: u8,
}

/// A prefix as a key of the data plane's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    V4(Prefix4),
    V6(Prefix6),
}

impl Net {
    /// Length in bits.
    pub(crate) const fn length(&self) -> u8 {
        self.length
    }

    /// Whether the family is IPv6.
    pub(crate) const fn is_ipv6(&self) -> bool {
        self.ipv6
    }

    /// The prefix as a table key.
    pub(crate) fn key(&self) -> Key {
        let length = u32::from(self.length);
        let address = self.bits.to_be_bytes();
        match address {
            [a, b, c, d, ..] if !self.ipv6 => Key::V4(Prefix4 { address: [a, b, c, d], length }),
            address => Key::V6(Prefix6 { address, length }),
        }
    }

    /// Whether every address of `other` is in `self`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let unused = 128 - u32::from(self.length);
        let mask = u128::MAX.checked_shl(unused).unwrap_or(0);
        self.ipv6 == other.ipv6
            && self.length <= other.length
            && (self.bits ^ other.bits) & mask == 0
    }
}

impl From<IpNet> for Net {
    fn from(net: IpNet) -> Self {
        let length = net.prefix_len();
        match net.network() {
            IpAddr::V4(v4) => Self { ipv6: false, bits: u128::from(v4.to_bits()) << 96, length },
            IpAddr::V6(v6) => Self { ipv6: true, bits: v6.to_bits(), length },
        }
    }
}

/// Sorts by prefix, joins values of the same prefix with `join(into, from)`, and then lets each
/// prefix inherit from the nearest one that covers it, outermost first, so that what it inherits
/// is already the union of everything above. `inherit(parent, child)` may fail, which ends the walk.
pub(crate) fn flatten<T, E>(
    mut items: Vec<(Net, T)>,
    mut join: impl FnMut(&mut T, T),
    mut inherit: impl FnMut(Option<&T>, &mut T) -> Result<(), E>,
) -> Result<Vec<(Net, T)>, E> {
    // Stable: what stands first in the configuration stays first.
    items.sort_by_key(|(net, _)| *net);
    let mut flat: Vec<(Net, T)> = Vec::with_capacity(items.len());
    for (net, value) in items {
        match flat.last_mut() {
            Some((last, into)) if *last == net => join(into, value),
            _ => flat.push((net, value)),
        }
    }
    let mut open: Vec<usize> = Vec::new();
    for index in 0..flat.len() {
        let (above, rest) = flat.split_at_mut(index);
        let Some((net, value)) = rest.first_mut() else {
            break;
        };
        while open.last().and_then(|top| above.get(*top)).is_some_and(|(top, _)| !top.covers(net)) {
            open.pop();
        }
        let parent = open.last().and_then(|top| above.get(*top));
        inherit(parent.map(|(_, value)| value), value)?;
        open.push(index);
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::convert::Infallible;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn net(bits: u32, length: u8) -> IpNet {
        // Few bits that matter: random prefixes then really cover each other.
        IpNet::new(Ipv4Addr::from_bits(bits & 0xc000_0003).into(), length).unwrap().trunc()
    }

    proptest! {
        #[test]
        fn every_prefix_inherits_from_all_that_cover_it(
            nets in prop::collection::vec((any::<u32>(), 0u8..=32), 1..40)
        ) {
            let nets: Vec<_> = nets.into_iter().map(|(bits, length)| net(bits, length)).collect();
            let items = nets.iter().enumerate().map(|(n, net)| (Net::from(*net), 1u64 << n)).collect();
            let flat = flatten(items, |into, from| *into |= from, |parent, child| {
                *child |= parent.copied().unwrap_or(0);
                Ok::<(), Infallible>(())
            }).unwrap();
            for net in &nets {
                let naive = nets.iter().enumerate().filter(|(_, other)| other.contains(net));
                let naive = naive.fold(0u64, |bits, (n, _)| bits | 1 << n);
                let found = flat.iter().find(|(key, _)| *key == Net::from(*net)).unwrap();
                prop_assert_eq!(found.1, naive);
            }
        }
    }

    #[test]
    fn families_do_not_cover_each_other() {
        let v4 = Net::from("0.0.0.0/1".parse::<IpNet>().unwrap());
        let v6 = Net::from("::/8".parse::<IpNet>().unwrap());
        assert!(!v4.covers(&v6) && !v6.covers(&v4));
    }
}
