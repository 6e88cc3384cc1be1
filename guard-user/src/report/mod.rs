//! What the guard is doing, in the shape that tables and JSON share.
//!
//! Read from what is pinned and what is on disk, with the daemon alive or dead. Field names are
//! the JSON schema, which docs/json.md documents and a test holds against what the verbs say: they
//! are only ever added to, or [`SCHEMA`] is raised.

mod counted;
mod json;
mod owners;
mod parties;
mod shape;
mod status;
mod trouble;

use std::time::SystemTime;

use guard_common::abi::state::SlotCounters;
use guard_common::class::Class;
use guard_common::reason::Reason;
use serde::Serialize;

use crate::config::Mode;

pub use self::counted::{Counted, Fate, counted};
pub use self::json::answer;
pub use self::owners::{Asked, DropRow, PsapRow, drops, owner_of, psaps};
pub use self::parties::{Parties, protocol_name};
pub use self::shape::{
    Bypass, CanaryInfo, CanaryResult, Configured, Controller, GenerationInfo, InterfaceInfo,
    Opened, Pulse, Set, SideInfo, Stance, Status,
};
pub use self::status::{pulse, stance, status};
pub use self::trouble::{Rates, Recent, recent};

/// Version of all that verbs say in JSON.
pub const SCHEMA: u32 = 3;

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
    /// Adds a slot's counters, of one reason or of all.
    pub(crate) fn add(&mut self, counters: &SlotCounters, only: Option<Reason>) {
        for reason in Reason::all().filter(|reason| only.is_none_or(|only| only == *reason)) {
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

    /// What they grew since others.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    /// Adds others.
    pub fn join(&mut self, other: Self) {
        *self = self.with(other, u64::saturating_add);
    }

    fn with(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            passed_packets: each(self.passed_packets, other.passed_packets),
            passed_bytes: each(self.passed_bytes, other.passed_bytes),
            dropped_packets: each(self.dropped_packets, other.dropped_packets),
            dropped_bytes: each(self.dropped_bytes, other.dropped_bytes),
            protected_packets: each(self.protected_packets, other.protected_packets),
            over_limit_packets: each(self.over_limit_packets, other.over_limit_packets),
        }
    }

    /// How much trouble it is: the more, the further up in lists.
    #[must_use]
    pub const fn trouble(&self) -> (u64, u64) {
        (self.dropped_packets, self.over_limit_packets)
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
    fn add(&mut self, counters: &SlotCounters, only: Option<Reason>) {
        let mut totals = Totals::default();
        totals.add(counters, only);
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

/// A moment as it is written.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The word for a mode, as in the configuration.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Monitor => "monitor",
        Mode::Enforce => "enforce",
    }
}
