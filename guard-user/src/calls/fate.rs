//! What becomes of a call that a configured party makes to an element: is it answered?

use super::dialog::Side;
use super::message::{Message, Method, Start};
use super::tally::Tallies;

/// A server says something within 200 ms (RFC 3261 section 17.2.1); who hears nothing for so long,
/// in nanoseconds, has sent the same four times.
const SILENCE: u64 = 4_000_000_000;

/// How it stands with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not seen to begin, or was made by the element.
    Unknown,
    /// It began then, and nothing was heard yet.
    Tried(u64),
    /// The element, or what is before it, works on it.
    Proceeding,
    /// It was told how it ended.
    Told,
}

impl Fate {
    /// Takes in what a side said; tells what came of it for the element of a slot.
    pub fn hear(
        &mut self,
        side: Side,
        message: &Message,
        now: u64,
        (slot, tallies): (u32, &Tallies),
    ) {
        let is_waiting = matches!(self, Self::Tried(_) | Self::Proceeding);
        match (side, message.start, message.method) {
            (Side::Partner, Start::Request(Method::Invite), _) => {
                if *self == Self::Unknown && message.to_tag.is_empty() {
                    tallies.tried(slot);
                    *self = Self::Tried(now);
                }
            }
            (Side::Element, Start::Response(code), Method::Invite) if is_waiting => match code {
                // On its way; to be tried again with a password, or elsewhere; or the caller gave
                // up. None of that says that the element cannot be reached, or that it can.
                ..200 | 300..=399 | 401 | 407 | 487 => *self = Self::Proceeding,
                code => {
                    tallies.ended(slot, code < 300);
                    *self = Self::Told;
                }
            },
            _ => {}
        }
    }

    /// Tells of a call that heard nothing for too long.
    pub fn wait(&mut self, now: u64, (slot, tallies): (u32, &Tallies)) {
        if let Self::Tried(began) = *self
            && now.saturating_sub(began) > SILENCE
        {
            tallies.ended(slot, false);
            *self = Self::Told;
        }
    }
}
