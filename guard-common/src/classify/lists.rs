//! What the allow and deny lists say about a frame.

use crate::abi::acl::{ACTION_ALLOW, AclBlock, AclEntry};
use crate::abi::policy::LENGTHS6_MAX;
use crate::address::Address;
use crate::frame::{Frame, Version};
use crate::prefix::{self, LENGTHS4_MAX};
use crate::tables::Tables;

/// What the allow and deny lists say about a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nothing,
    Allowed,
    Denied,
}

/// What the allow and deny lists say. An allow entry wins over every deny entry.
#[inline(always)]
pub(super) fn listed<T: Tables>(frame: &Frame, tables: &T) -> Listed {
    let lengths = match frame.version {
        Version::V4 => tables.acl_lengths4(prefix::bucket4(frame.source.ipv4())),
        Version::V6 => tables.acl_lengths6(prefix::bucket6(frame.source.0)),
        Version::Unknown => 0,
    };
    // Most sources are nowhere near a list: they pay for one look at a bucket, not for a call.
    if lengths == 0 { Listed::Nothing } else { look_up(frame, tables, lengths) }
}

/// The longest listed prefix around the source, and what its entry says.
#[inline(never)]
fn look_up<T: Tables>(frame: &Frame, tables: &T, lengths: u32) -> Listed {
    let lengths = prefix::Lengths::new(lengths);
    let entry = match frame.version {
        Version::V4 => acl4(tables, frame.source.ipv4(), lengths),
        Version::V6 => acl6(tables, &frame.source, lengths),
        Version::Unknown => None,
    };
    let Some(entry) = entry else {
        return Listed::Nothing;
    };
    let now = tables.now();
    if entry.allow_until > now {
        return Listed::Allowed;
    }
    if let Some(number) = entry.block.checked_sub(1)
        && let Some(block) = tables.acl_block(number)
    {
        match block_says(block, frame, now) {
            Listed::Nothing => {}
            says => return says,
        }
    }
    if entry.deny_until > now { Listed::Denied } else { Listed::Nothing }
}

#[inline(always)]
fn acl4<T: Tables>(tables: &T, address: [u8; 4], mut lengths: prefix::Lengths) -> Option<AclEntry> {
    for _ in 0..LENGTHS4_MAX {
        let length = prefix::length4(lengths.take()?);
        if let Some(entry) = tables.acl4(&prefix::network4(address, length)) {
            return Some(entry);
        }
    }
    None
}

#[inline(never)]
fn acl6<T: Tables>(
    tables: &T,
    address: &Address,
    mut lengths: prefix::Lengths,
) -> Option<AclEntry> {
    let policy = tables.policy()?;
    for _ in 0..LENGTHS6_MAX {
        let length = prefix::length6(&policy.acl_lengths6, lengths.take()?)?;
        if let Some(entry) = tables.acl6(&prefix::network6(address.0, length)) {
            return Some(entry);
        }
    }
    None
}

/// What the conditional rules of a block say; allow rules come first in a block.
#[inline(always)]
fn block_says(block: &AclBlock, frame: &Frame, now: u64) -> Listed {
    let destination = mapped_destination(frame).halves();
    for rule in &block.rules {
        let (network, mask) =
            (Address(rule.destination).halves(), Address(rule.destination_mask).halves());
        let differs = (destination.0 & mask.0) ^ network.0 | (destination.1 & mask.1) ^ network.1;
        if rule.until > now
            && differs == 0
            && (rule.protocol == 0 || rule.protocol == frame.protocol)
            && rule.port_low <= frame.destination_port
            && frame.destination_port <= rule.port_high
        {
            return if rule.action == ACTION_ALLOW { Listed::Allowed } else { Listed::Denied };
        }
    }
    Listed::Nothing
}

/// The destination as an IPv6 address; IPv4 as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[inline(always)]
fn mapped_destination(frame: &Frame) -> Address {
    match frame.version {
        Version::V4 => {
            let [a, b, c, d] = frame.destination.ipv4();
            Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
        }
        Version::V6 | Version::Unknown => frame.destination,
    }
}
