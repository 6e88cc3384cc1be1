//! What was found out about the ends of a frame, for people to read.

use super::ends::{End, Ends};
use crate::pins::Standing;

/// What is known about one end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Role bits; none for a stranger, and for a source that is not believed.
    pub roles: u32,
    /// The kind of service that the frame's port belongs to at this end; 0 for none.
    pub service: u8,
    /// What is said there is encrypted.
    pub encrypted: bool,
}

impl Ends {
    /// Source and destination.
    #[must_use]
    pub const fn told(&self) -> [Told; 2] {
        [told(&self.source), told(&self.destination)]
    }

    /// How a stranger's frame stands to a pin.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }
}

const fn told(end: &End) -> Told {
    Told { roles: end.roles, service: end.kind(), encrypted: end.is_encrypted() }
}
