//! What was dropped, or would be if the guard enforced, frame by frame: a few samples a second.
//!
//! ```text
//! ring -> recorded::Source -> log -> follow -> lines, JSON, capture
//!                          \-------> (with the daemon dead)
//! ```
//!
//! The daemon reads the ring and keeps the last samples in two files in the state directory; who
//! follows reads those. With the daemon dead, who follows reads the ring. Kept are headers, no
//! bodies, unless `bodies` in `[samples]` says so; nothing for longer than `keep` there.

mod drop;
mod follow;
mod log;
mod pcap;
mod tail;
#[cfg(test)]
mod tests;

pub use self::drop::{Drop, Filter};
pub use self::follow::Follow;
pub use self::log::{Log, kept};
pub use self::pcap::Capture;
