//! The kernel half as it is built into this binary, and the names in it.

use guard_common::abi::state::PSAP_CELLS;

/// The object file.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/guard.o"));

/// The XDP program.
pub const PROGRAM: &str = "guard_xdp";

/// The policy.
pub const POLICY: &str = "POLICY";
/// Lengths of IPv4 party prefixes by bucket.
pub const PARTY_LENGTHS4: &str = "PARTY_LENGTHS4";
/// Lengths of IPv6 party prefixes by bucket.
pub const PARTY_LENGTHS6: &str = "PARTY_LENGTHS6";
/// IPv4 parties.
pub const PARTIES4: &str = "PARTIES4";
/// IPv6 parties.
pub const PARTIES6: &str = "PARTIES6";
/// Lengths of IPv4 prefixes in the lists, by bucket.
pub const ACL_LENGTHS4: &str = "ACL_LENGTHS4";
/// Lengths of IPv6 prefixes in the lists, by bucket.
pub const ACL_LENGTHS6: &str = "ACL_LENGTHS6";
/// IPv4 prefixes of the lists.
pub const ACL4: &str = "ACL4";
/// IPv6 prefixes of the lists.
pub const ACL6: &str = "ACL6";
/// Conditional rules.
pub const ACL_BLOCKS: &str = "ACL_BLOCKS";
/// Maps that belong to one generation.
pub const POLICY_MAPS: [&str; 10] = [
    POLICY,
    PARTY_LENGTHS4,
    PARTY_LENGTHS6,
    PARTIES4,
    PARTIES6,
    ACL_LENGTHS4,
    ACL_LENGTHS6,
    ACL4,
    ACL6,
    ACL_BLOCKS,
];

/// The switches.
pub const SWITCHES: &str = "SWITCHES";
/// Counters by slot.
pub const COUNTERS: &str = "COUNTERS";
/// Alarms.
pub const ALARMS: &str = "ALARMS";
/// Buckets of sources.
pub const SOURCE_BUCKETS: &str = "SOURCE_BUCKETS";
/// Buckets of PSAPs.
pub const PSAP_BUCKETS: &str = "PSAP_BUCKETS";
/// Tentative pins.
pub const TENTATIVE: &str = "TENTATIVE";
/// Confirmed pins.
pub const PINS: &str = "PINS";
/// The kernel half's log, which aya names.
pub const LOGS: &str = "AYA_LOGS";
/// Maps that generations share.
pub const STATE_MAPS: [&str; 8] =
    [SWITCHES, COUNTERS, ALARMS, SOURCE_BUCKETS, PSAP_BUCKETS, TENTATIVE, PINS, LOGS];

/// Cells of PSAP buckets for so many slots.
#[must_use]
pub const fn psap_buckets_len(slots: u32) -> u32 {
    slots.saturating_mul(PSAP_CELLS)
}
