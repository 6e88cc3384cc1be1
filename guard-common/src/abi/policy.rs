//! The part of a generation's policy that is not a table of addresses.

use super::abi_types;
use crate::class::KINDS;

/// Most interfaces one guard protects. The list is searched from the front for each frame.
pub const INTERFACES_MAX: usize = 16;
/// Most VLANs of one interface with a zone of their own.
pub const VLANS_MAX: usize = 14;
/// Zones are bits of a `u64`: every interface is one, every VLAN with a role of its own is one.
pub const ZONES_MAX: usize = 64;
/// Most different lengths of IPv6 prefixes in one table: each may cost a look-up.
pub const LENGTHS6_MAX: usize = 16;

/// Transit to addresses that are neither elements nor the host is limited too.
pub const SCOPE_TRANSIT: u32 = 1 << 0;
/// What is behind MPLS labels is looked at.
pub const SCOPE_LABELS: u32 = 1 << 1;

/// A VLAN that is a zone of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    /// The outermost VLAN identifier, 1 to 4094; 0 in unused places.
    pub id: u16,
    /// Zone number, below [`ZONES_MAX`].
    pub zone: u16,
}

/// An interface the guard is attached to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Kernel interface index; 0 in unused places.
    pub index: u32,
    /// Zone number of tagged frames whose VLAN has none of its own, below [`ZONES_MAX`].
    pub zone: u16,
    /// How many of `vlans` are used.
    pub vlan_count: u16,
    /// Zones (bits) that a frame without a visible tag may be of: the interface's, and those of
    /// its VLANs, because a NIC that strips tags leaves nothing to tell them apart by.
    pub untagged: u64,
    /// VLANs with a zone of their own.
    pub vlans: [Vlan; VLANS_MAX],
}

/// One limit: a rate and how much of a burst it forgives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSpec {
    /// Nanoseconds between frames at the limit; 0 means without limit.
    pub interval: u64,
    /// How far, in nanoseconds, the theoretical arrival time may run ahead of the clock.
    pub tolerance: u64,
}

/// Everything that is not a table.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// [`super::ABI_VERSION`]. Zero means "never written": the guard then passes everything.
    pub abi: u32,
    /// `SCOPE_` bits.
    pub scope: u32,
    /// Number of this generation.
    pub generation: u64,
    /// Secret key of the hashes that choose buckets and pins. The same in every generation that shares the state.
    pub hash_key: u64,
    /// How many of `interfaces` are used.
    pub interface_count: u32,
    /// How many counter slots (and rows of per-PSAP buckets) the state maps hold.
    pub slots: u32,
    /// Interfaces.
    pub interfaces: [Interface; INTERFACES_MAX],
    /// Limit per source and kind, by [`crate::class::Kind`].
    pub per_source: [LimitSpec; KINDS],
    /// Limit per PSAP or site and kind.
    pub per_psap: [LimitSpec; KINDS],
    /// Marked signalling of one stranger beyond this is a burst: material for alarms, never a drop.
    pub marked_per_source: LimitSpec,
    /// The same for all strangers at one PSAP or site.
    pub marked_per_psap: LimitSpec,
    /// What a pin grants its own source; beyond it, frames are limited.
    pub pin_allowance: LimitSpec,
    /// What everybody else may send to a port that a pin keeps open, together.
    pub pin_others: LimitSpec,
    /// How long media to an element stays open for everybody after a copy of its signalling was
    /// lost or the controller began anew, in nanoseconds.
    pub open_for: u64,
    /// Buckets of the index of IPv4 parties, less one: a power of two less one.
    pub party_mask4: u32,
    /// The same for IPv6.
    pub party_mask6: u32,
    /// Lengths of IPv6 party prefixes; bit `i` of a bucket stands for place `i`, longest first;
    /// unused places are 0.
    pub party_lengths6: [u8; LENGTHS6_MAX],
    /// Lengths of IPv6 prefixes in the allow and deny lists, likewise.
    pub acl_lengths6: [u8; LENGTHS6_MAX],
}

abi_types! {
    Vlan => 4,
    Interface => 72,
    LimitSpec => 16,
    Policy => 32 + 72 * INTERFACES_MAX + 2 * 16 * KINDS + 4 * 16 + 8 + 8 + 2 * LENGTHS6_MAX,
}
