//! Lookups in policy and state: the second of the two traits behind which memory hides.
//!
//! Every lookup may fail, and every failure means that the frame passes.

use core::ops::ControlFlow;

use crate::abi::acl::{AclBlock, AclEntry};
use crate::abi::copy::CopyHeader;
use crate::abi::party::{Bucket4, Bucket6, Party, Prefix4, Prefix6};
use crate::abi::policy::Policy;
use crate::abi::sample::SampleHeader;
use crate::abi::state::{Cell, Cells};
use crate::verdict::Switches;

/// A step of a loop that is too long for the verifier to follow. What changes from one step to
/// the next has to lie in map memory ([`crate::memory`]).
pub trait Step {
    /// Takes it.
    fn take(&mut self) -> ControlFlow<()>;
}

/// Policy of the generation, and the state that generations share.
pub trait Tables {
    /// The policy that is not a table.
    fn policy(&self) -> Option<&Policy>;
    /// Lengths of IPv4 party prefixes in a bucket of [`crate::prefix::bucket4`].
    fn party_lengths4(&self, bucket: u32) -> u32;
    /// Lengths of IPv6 party prefixes in a bucket of [`crate::prefix::bucket6`].
    fn party_lengths6(&self, bucket: u32) -> u32;
    /// A bucket of the index of IPv4 parties, see [`crate::index`].
    fn party_bucket4(&self, bucket: u32) -> Option<&Bucket4>;
    /// A bucket of the index of IPv6 parties.
    fn party_bucket6(&self, bucket: u32) -> Option<&Bucket6>;
    /// The party of this number.
    fn party(&self, number: u32) -> Option<&Party>;
    /// Takes steps until one breaks, at most so many.
    fn repeat<S: Step>(&self, most: u32, step: &mut S);
    /// Lengths of IPv4 prefixes in the allow and deny lists.
    fn acl_lengths4(&self, bucket: u32) -> u32;
    /// Lengths of IPv6 prefixes in the allow and deny lists.
    fn acl_lengths6(&self, bucket: u32) -> u32;
    /// What the lists say about an IPv4 prefix.
    fn acl4(&self, prefix: &Prefix4) -> Option<AclEntry>;
    /// What the lists say about an IPv6 prefix.
    fn acl6(&self, prefix: &Prefix6) -> Option<AclEntry>;
    /// A block of conditional rules.
    fn acl_block(&self, block: u32) -> Option<&AclBlock>;

    /// The switches that decide about droppable frames.
    fn switches(&self) -> Option<Switches>;
    /// A place of the state. `N` is what [`Cells::words`] says.
    fn place<const N: usize>(&self, table: Cells, place: u32) -> Option<&[Cell; N]>;

    /// A place of one cell.
    #[inline(always)]
    fn cell(&self, table: Cells, place: u32) -> Option<&Cell> {
        let [cell] = self.place(table, place)?;
        Some(cell)
    }

    /// Monotonic nanoseconds; may step by some milliseconds.
    fn now(&self) -> u64;
    /// Adds one frame of `bytes` to a counter of a slot; how many frames it has counted on this
    /// CPU. `None` if there is no such counter.
    fn count(&self, slot: u32, counter: u32, bytes: u32) -> Option<u64>;
    /// Hands a copy of the frame's payload, from this offset on, to the controller; `header` says
    /// the rest. False if any piece of it found no room.
    fn copy(&self, header: &CopyHeader, payload: usize) -> bool;
    /// Whether samples of frames are wanted.
    fn are_sampled(&self) -> bool;
    /// Nanoseconds between two samples of what is over its limit, on each CPU; 0 if none are
    /// wanted.
    fn drop_interval(&self) -> u64;
    /// Hands the first bytes of the frame to the controller. False if they found no room.
    fn sample(&self, header: &SampleHeader) -> bool;
    /// Adds one to an alarm of [`crate::abi::state::alarm`].
    fn alarm(&self, number: u32);
}
