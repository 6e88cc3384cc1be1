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
            (Side::Partner, Start::Request(Method::Invite), _)
                if *self == Self::Unknown && message.to_tag.is_empty() =>
            {
                tallies.tried(slot);
                *self = Self::Tried(now);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::tally::Tally;
    use super::*;

    const SLOT: u32 = 3;
    const SECOND: u64 = 1_000_000_000;

    /// What is told of a call in which this was said, and nothing for ten seconds.
    fn told(said: &[(Side, &str)]) -> Tally {
        let (tallies, mut fate) = (Tallies::default(), Fate::Unknown);
        for (side, start) in said {
            let tag = if start.starts_with("SIP") { ";tag=b" } else { "" };
            let text = format!(
                "{start}\r\nFrom: <sip:a>;tag=a\r\nTo: <sip:b>{tag}\r\nCall-ID: 1\r\n\
                 CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            );
            fate.hear(*side, &Message::read(text.as_bytes()).unwrap(), SECOND, (SLOT, &tallies));
        }
        for second in 1..10 {
            fate.wait(second * SECOND, (SLOT, &tallies));
        }
        tallies.now().get(&SLOT).copied().unwrap_or_default()
    }

    fn tally(tried: u64, answered: u64, failed: u64) -> Tally {
        Tally { tried, answered, failed }
    }

    #[test]
    fn each_call_is_told_once() {
        let invite = (Side::Partner, "INVITE sip:x SIP/2.0");
        let says = |status| (Side::Element, status);
        let (trying, ok) = (says("SIP/2.0 100 x"), says("SIP/2.0 200 x"));
        assert_eq!(told(&[invite, invite, trying, ok, ok]), tally(1, 1, 0));
        assert_eq!(told(&[invite, says("SIP/2.0 503 x"), ok]), tally(1, 0, 1));
        assert_eq!(told(&[invite]), tally(1, 0, 1), "heard nothing");
        assert_eq!(told(&[invite, trying]), tally(1, 0, 0), "it rings");
        assert_eq!(told(&[invite, says("SIP/2.0 401 x"), invite, ok]), tally(1, 1, 0));
        assert_eq!(told(&[invite, says("SIP/2.0 487 x")]), tally(1, 0, 0), "the caller gave up");
        // The element's own calls, and what is heard of one that began before.
        assert_eq!(told(&[(Side::Element, invite.1), (Side::Partner, ok.1)]), tally(0, 0, 0));
        assert_eq!(told(&[ok]), tally(0, 0, 0));
    }
}
