//! Recorded traffic: a bounded, rolling sample of real headers, and what can be told from it.
//!
//! ```text
//! ring -> source (strip, mask) -> quota -> store -> compare, suggest
//!                             \-> seen
//!                             \-> crate::drops
//! ```
//!
//! Kept are headers, and the start line of SIP with every name and number in it masked; no bodies,
//! for a day at most. The quotas spread what is kept over PSAPs, kinds and pairs of ends, so that
//! no flood pushes out what is rare. Nothing here is needed to guard: whatever goes wrong is
//! said, and that is all.

mod compare;
mod kept;
mod mask;
mod objection;
mod parties;
mod quota;
mod recorder;
mod ring;
mod seen;
mod source;
mod store;
mod strip;
pub mod suggest;
mod talkers;
#[cfg(test)]
mod tests;

pub use self::compare::{Comparison, Example, Loss, Side, TOLERATED, compare};
pub use self::kept::{Facts, Kept};
pub use self::mask::start_line;
pub use self::objection::{Objection, objections};
pub use self::recorder::Recorder;
pub use self::ring::Sample;
pub use self::seen::{Seen, key};
pub use self::source::{Source, Taken};
pub use self::store::Store;
