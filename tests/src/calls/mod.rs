//! Whole calls through a guarded router: sipp callers and a desk that holds, transfers and
//! refuses, Kamailio in between, audio both ways with its losses counted, and floods against all
//! of it.
//!
//! Owns what a scenario is made of. What must come of one is in `tests/calls.rs`.

pub mod attack;
pub mod audio;
pub mod bodies;
pub mod esrp;
pub mod ground;
pub mod party;
