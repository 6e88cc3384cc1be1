//! Faults at the worst moment, at every moment: processes killed in the middle, power lost at a
//! write, while calls and a flood go on. No call is lost, no counter, and nothing is half.
//!
//! Each test has namespaces, a BPF file system and directories of its own and leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test may panic"
)]

#[path = "faults/kill.rs"]
mod kill;
#[path = "faults/power.rs"]
mod power;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/swaps.rs"]
mod swaps;
#[path = "faults/traffic.rs"]
mod traffic;
