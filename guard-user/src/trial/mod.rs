//! Frames on trial: what a policy says about them, with nothing touched that is live.
//!
//! ```text
//! ground: policy, interfaces, owners     pace: the clock of a capture
//!     \-> host: the brain in memory   -\
//!      -> kernel: the program's copy  --> trial: one outcome, and whether the two agree
//! ```
//!
//! The verdict is that of a private copy of the program, which reads the live policy maps and has
//! all state for itself; the reasons in words come from the same brain in memory. Both are told
//! the same time, so that they have to agree about every frame, and it is said where they do not.
//! `explain`, `replay` and the comparison of recorded traffic all run frames through here.

mod entrance;
mod ground;
mod host;
mod kernel;
mod pace;
mod run;

pub use self::entrance::{Entrance, How};
pub use self::ground::Ground;
pub use self::host::{Host, Judged};
pub use self::kernel::Kernel;
pub use self::pace::Pace;
pub use self::run::{Difference, Outcome, Trial};
