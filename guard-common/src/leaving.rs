//! Why a frame that leaves the host passes: the few reasons that ask neither a limit nor a list.
//!
//! What comes in may have them, too, where it is protected without a look at its past. No other
//! [`Reason`] becomes a [`Leaving`], so nothing else can come to be counted among what leaves, and
//! its counters need no more places than [`COUNTERS_OUT`].

use crate::reason::Reason;

/// Counters of a slot for what leaves: a place for each number up to the last of its reasons, so
/// that both directions count a reason at the same place.
pub const COUNTERS_OUT: usize = Leaving::OUT_OF_SCOPE.0.number() as usize + 1;

/// A reason that a frame that leaves the host may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving(Reason);

impl Leaving {
    /// See [`Reason::NO_POLICY`].
    pub const NO_POLICY: Self = Self(Reason::NO_POLICY);
    /// See [`Reason::UNREADABLE`].
    pub const UNREADABLE: Self = Self(Reason::UNREADABLE);
    /// See [`Reason::NOT_IP`].
    pub const NOT_IP: Self = Self(Reason::NOT_IP);
    /// See [`Reason::CONTROL`].
    pub const CONTROL: Self = Self(Reason::CONTROL);
    /// See [`Reason::SIGNALLING`].
    pub const SIGNALLING: Self = Self(Reason::SIGNALLING);
    /// See [`Reason::MEDIA`].
    pub const MEDIA: Self = Self(Reason::MEDIA);
    /// See [`Reason::SUPPORT`].
    pub const SUPPORT: Self = Self(Reason::SUPPORT);
    /// See [`Reason::TUNNEL`].
    pub const TUNNEL: Self = Self(Reason::TUNNEL);
    /// See [`Reason::FRAGMENT`].
    pub const FRAGMENT: Self = Self(Reason::FRAGMENT);
    /// See [`Reason::UNCLEAR`].
    pub const UNCLEAR: Self = Self(Reason::UNCLEAR);
    /// See [`Reason::ELEMENT_OUT`].
    pub const ELEMENT_OUT: Self = Self(Reason::ELEMENT_OUT);
    /// See [`Reason::OUT_OF_SCOPE`].
    pub const OUT_OF_SCOPE: Self = Self(Reason::OUT_OF_SCOPE);

    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NO_POLICY,
        Self::UNREADABLE,
        Self::NOT_IP,
        Self::CONTROL,
        Self::SIGNALLING,
        Self::MEDIA,
        Self::SUPPORT,
        Self::TUNNEL,
        Self::FRAGMENT,
        Self::UNCLEAR,
        Self::ELEMENT_OUT,
        Self::OUT_OF_SCOPE,
    ];

    /// The reason, for counting and reporting.
    #[must_use]
    #[inline(always)]
    pub const fn reason(self) -> Reason {
        self.0
    }

    /// As a word.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn packed(self) -> u32 {
        self.0.number() as u32
    }

    /// From a word that [`Leaving::packed`] made. What is beyond the last place is taken for the
    /// last, so that whatever is counted finds one.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn unpacked(word: u32) -> Self {
        if word < COUNTERS_OUT as u32 {
            Self(Reason::numbered(word as u8))
        } else {
            Self::OUT_OF_SCOPE
        }
    }
}

// Each has a place of its own among the counters, in both directions.
const _: () = {
    let mut rest: &[Leaving] = &Leaving::ALL;
    while let [leaving, others @ ..] = rest {
        assert!((leaving.0.counter() as usize) < COUNTERS_OUT);
        assert!(leaving.0.dropped_counter().is_none());
        rest = others;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_come_back_from_memory_and_nothing_else_gets_their_counters() {
        let mut places = [0; COUNTERS_OUT];
        for leaving in Leaving::ALL {
            assert_eq!(Leaving::unpacked(leaving.packed()), leaving);
            if let Some(place) = places.get_mut(leaving.reason().counter() as usize) {
                *place += 1;
            }
        }
        assert_eq!(places.iter().sum::<usize>(), Leaving::ALL.len());
        assert!(places.iter().all(|reasons| *reasons <= 1), "{places:?}");
    }

    #[test]
    fn no_word_makes_a_reason_without_a_place() {
        for word in (0..0x400).chain([u32::MAX]) {
            let place = Leaving::unpacked(word).reason().counter();
            assert!((place as usize) < COUNTERS_OUT, "{word:#x}");
        }
    }
}
