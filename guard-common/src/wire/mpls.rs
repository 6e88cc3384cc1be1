//! MPLS label stacks (RFC 3032).
//!
//! ```text
//! | label, 20 bits | class, 3 | bottom of the stack, 1 | time to live, 8 |
//! ```

/// Length of one entry.
pub const ENTRY: usize = 4;
/// Entries that are followed: transport, VPN, and an entropy label with its indicator, twice over.
pub const STACK_MAX_DEPTH: usize = 6;

/// Whether this entry is the last one.
#[must_use]
#[inline(always)]
pub const fn is_bottom([_, _, flags, _]: [u8; ENTRY]) -> bool {
    flags & 1 != 0
}
