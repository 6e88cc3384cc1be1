//! Allow and deny entries, as the data plane reads them.
//!
//! All entries of one source prefix share one [`AclEntry`]. Most say just "allow" or "deny";
//! those with a destination or a service go into a block of [`AclRule`]s beside it. The
//! controller has already merged what every covering prefix says into it, so the longest match
//! is enough.
//! Meaning lives in the entry: no mode flips what it says.

use super::abi_types;

/// Expiry of an entry that does not expire.
pub const NEVER: u64 = u64::MAX;

/// The rule lets matching frames pass without limit.
pub const ACTION_ALLOW: u8 = 1;
/// The rule drops matching frames that nothing protects.
pub const ACTION_DENY: u8 = 2;

/// Most conditional rules that may apply to one source prefix, those of covering prefixes included.
pub const RULES_PER_SOURCE: usize = 8;

/// What the list says about one source prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclEntry {
    /// Until when everything from here is allowed: monotonic nanoseconds, [`NEVER`], or 0 for "not at all".
    pub allow_until: u64,
    /// Until when everything from here is denied, likewise.
    pub deny_until: u64,
    /// Number of the block with conditional rules plus one; 0 if there is none.
    pub block: u32,
    /// Always zero.
    pub padding: u32,
}

/// One conditional rule.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclRule {
    /// Monotonic nanoseconds, or [`NEVER`]; 0 in unused places.
    pub until: u64,
    /// Destination network; IPv4 as `::ffff:a.b.c.d`. Network byte order.
    pub destination: [u8; 16],
    /// The bits of a destination that must be the same; all zero matches every destination.
    pub destination_mask: [u8; 16],
    /// `ACTION_ALLOW` or `ACTION_DENY`.
    pub action: u8,
    /// IP protocol number; 0 matches every protocol.
    pub protocol: u8,
    /// Always zero.
    pub padding: u8,
    /// First destination port; 0 to 65535 where the rule names none.
    pub port_low: u16,
    /// Last destination port, inclusive.
    pub port_high: u16,
}

/// The conditional rules of one source prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclBlock {
    /// The rules; unused places are all zero.
    pub rules: [AclRule; RULES_PER_SOURCE],
}

abi_types! {
    AclEntry => 24,
    AclRule => 48,
    AclBlock => 48 * RULES_PER_SOURCE,
}
