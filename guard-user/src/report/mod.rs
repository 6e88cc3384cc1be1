//! What the guard is doing, in the shape that tables and JSON share.
//!
//! Read from what is pinned and what is on disk, with the daemon alive or dead. Field names are
//! the JSON schema: they are only ever added to.

mod counted;
mod owners;
mod status;

use guard_common::abi::state::SlotCounters;
use guard_common::class::Class;
use guard_common::reason::Reason;
use serde::Serialize;

use crate::config::Mode;

pub use self::counted::{Counted, Fate, counted};
pub use self::owners::{DropRow, PsapRow, drops, psaps};
pub use self::status::{
    Bypass, CanaryInfo, CanaryResult, Configured, Controller, GenerationInfo, InterfaceInfo,
    Opened, SideInfo, Stance, Status, stance, status,
};

/// Version of the JSON shapes in this module.
pub const SCHEMA: u32 = 1;

/// Frames and bytes, passed and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Frames that passed.
    pub passed_packets: u64,
    /// Their bytes.
    pub passed_bytes: u64,
    /// Frames that were dropped.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Of the passed ones: those that belong to 911 calls, or may.
    pub protected_packets: u64,
    /// Of the passed ones: those that enforcing would have dropped.
    pub over_limit_packets: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, counters: &SlotCounters) {
        for reason in Reason::all() {
            let passed = counter(counters, Some(reason.counter()));
            let dropped = counter(counters, reason.dropped_counter());
            self.passed_packets = self.passed_packets.saturating_add(passed.0);
            self.passed_bytes = self.passed_bytes.saturating_add(passed.1);
            self.dropped_packets = self.dropped_packets.saturating_add(dropped.0);
            self.dropped_bytes = self.dropped_bytes.saturating_add(dropped.1);
            if reason.class() == Class::Protected {
                self.protected_packets = self.protected_packets.saturating_add(passed.0);
            }
            if reason.dropped_counter().is_some() {
                self.over_limit_packets = self.over_limit_packets.saturating_add(passed.0);
            }
        }
    }
}

/// Frames and bytes that left the host, which always pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutTotals {
    /// Frames that left.
    pub out_packets: u64,
    /// Their bytes.
    pub out_bytes: u64,
    /// Of them: those that belong to 911 calls, or may.
    pub out_protected_packets: u64,
}

impl OutTotals {
    fn add(&mut self, counters: &SlotCounters) {
        let mut totals = Totals::default();
        totals.add(counters);
        self.out_packets = self.out_packets.saturating_add(totals.passed_packets);
        self.out_bytes = self.out_bytes.saturating_add(totals.passed_bytes);
        self.out_protected_packets =
            self.out_protected_packets.saturating_add(totals.protected_packets);
    }
}

/// Packets and bytes of a counter; zero where there is none.
fn counter(counters: &SlotCounters, number: Option<u32>) -> (u64, u64) {
    number
        .and_then(|number| counters.counters.get(usize::try_from(number).ok()?))
        .map_or((0, 0), |counter| (counter.packets, counter.bytes))
}

/// The mode a word names, for reading it back from JSON.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Monitor => "monitor",
        Mode::Enforce => "enforce",
    }
}
