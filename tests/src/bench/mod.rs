//! What `cargo xtask bench` measures, one topic a file.
//!
//! Everything takes turns within a run, so that what else the machine does hits all alike: ratios
//! between rows of one run mean something, absolute times on a shared machine little.

pub mod calls;
pub mod chart;
pub mod configuration;
pub mod figure;
pub mod flow;
pub mod frames;
pub mod live;
pub mod margins;
pub mod memory;
pub mod neighbour;
pub mod passed;
pub mod print;
pub mod programs;
pub mod report;
pub mod subject;
pub mod target;
