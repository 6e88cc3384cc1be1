//! Why a frame passed or did not: numbered, stable, named once.
//!
//! Numbers never change their meaning; retired ones stay as holes. The text of the CLI, the
//! JSON name and the metric label all come from [`Reason::name`].
//!
//! [`Droppable`] is the half of the reasons that can lead to a drop. It has no constructor from
//! a [`Reason`], so nothing that classification calls protected can become one; a number that
//! makes a detour through memory becomes one only if it is one's.

use crate::class::{Class, Kind};
use crate::verdict::Verdict;

/// First reason of traffic within its limits; the kind is added.
const WITHIN: u8 = 20;
/// First reason that can lead to a drop.
const DROPPABLE_FIRST: u8 = 40;
/// First reason for a source over its limit; the kind is added.
const OVER_SOURCE: u8 = 41;
/// First reason for a PSAP whose strangers together are over the limit; the kind is added.
const OVER_PSAP: u8 = 57;
/// One past the last reason that can lead to a drop.
const DROPPABLE_END: u8 = 73;
/// First of the reasons that came later and always pass.
const LATER: u8 = DROPPABLE_END;
/// One past the last reason.
const REASON_END: u8 = LATER + 3;

/// Reasons there is room for, holes included.
pub const REASONS: usize = REASON_END as usize;

/// Counters of a slot: one for each reason, and a second for each that can drop. The first
/// counts frames that passed, the second those that were dropped.
pub const COUNTERS: usize = REASONS + (DROPPABLE_END - DROPPABLE_FIRST) as usize;

/// Why a frame was treated as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(u8);

/// Name and class of each numbered reason outside the ranges that go by kind.
const NAMED: [(Reason, &str, Class); 24] = [
    (Reason::NO_POLICY, "no_policy", Class::Other),
    (Reason::UNREADABLE, "unreadable_frame", Class::Other),
    (Reason::NOT_IP, "not_ip", Class::Infrastructure),
    (Reason::CONTROL, "control", Class::Infrastructure),
    (Reason::SIGNALLING, "signalling", Class::Protected),
    (Reason::MEDIA, "media", Class::Protected),
    (Reason::SUPPORT, "support", Class::Protected),
    (Reason::TUNNEL, "tunnel", Class::Protected),
    (Reason::FRAGMENT, "fragment", Class::Protected),
    (Reason::UNCLEAR, "unclear", Class::Protected),
    (Reason::ELEMENT_OUT, "element_out", Class::Protected),
    (Reason::MARKED, "marked", Class::Protected),
    (Reason::DIALOG, "dialog", Class::Protected),
    (Reason::MEDIA_OPEN, "media_open", Class::Protected),
    (Reason::PINNED, "pinned", Class::Protected),
    (Reason::MARKED_BURST_SOURCE, "marked_burst_source", Class::Protected),
    (Reason::MARKED_BURST_PSAP, "marked_burst_psap", Class::Protected),
    (Reason::PINNED_FRAGMENT, "pinned_fragment", Class::Protected),
    (Reason::CONTINUED, "continued", Class::Protected),
    (Reason::MARKED_HEADER, "marked_header", Class::Protected),
    (Reason::MANAGEMENT, "management", Class::Management),
    (Reason::ALLOWED, "allowed", Class::Allowed),
    (Reason::OUT_OF_SCOPE, "transit", Class::Other),
    (Reason(DROPPABLE_FIRST), "denied", Class::Denied),
];

impl Reason {
    /// No policy has been loaded yet: everything passes.
    pub const NO_POLICY: Self = Self(0);
    /// Too short to be an Ethernet frame.
    pub const UNREADABLE: Self = Self(1);
    /// No IP: ARP, LLDP, LACP, STP, IS-IS, PTP and so on.
    pub const NOT_IP: Self = Self(2);
    /// Control traffic that proved where it comes from.
    pub const CONTROL: Self = Self(3);
    /// SIP on a configured service, between configured parties.
    pub const SIGNALLING: Self = Self(4);
    /// UDP between media ranges of configured parties.
    pub const MEDIA: Self = Self(5);
    /// A support service, between configured parties.
    pub const SUPPORT: Self = Self(6);
    /// A tunnel between configured ends.
    pub const TUNNEL: Self = Self(7);
    /// A later fragment between configured parties: it has no ports, so it may be part of a call.
    pub const FRAGMENT: Self = Self(8);
    /// Between configured parties, with headers the guard cannot read to the end.
    pub const UNCLEAR: Self = Self(9);
    /// Signalling or media that an element sends to a stranger.
    pub const ELEMENT_OUT: Self = Self(10);
    /// A start line with an emergency marker, to an element's SIP service.
    pub const MARKED: Self = Self(11);
    /// Signalling of a stranger whose marked call the element has answered.
    pub const DIALOG: Self = Self(12);
    /// From or to a management station.
    pub const MANAGEMENT: Self = Self(13);
    /// An allow entry.
    pub const ALLOWED: Self = Self(14);
    /// Media to an element some of whose signalling the controller may not have seen.
    pub const MEDIA_OPEN: Self = Self(15);
    /// Transit to an address that is neither an element nor this host.
    pub const OUT_OF_SCOPE: Self = Self(16);
    /// To a port that the element opened for this stranger: by its SDP, its media, its connection.
    pub const PINNED: Self = Self(17);
    /// Marked, from a stranger that sends more of it than a caller would.
    pub const MARKED_BURST_SOURCE: Self = Self(18);
    /// Marked, while strangers send more of it to this PSAP than callers would.
    pub const MARKED_BURST_PSAP: Self = Self(19);
    /// A later fragment of a stranger's datagram whose first was protected.
    pub const PINNED_FRAGMENT: Self = Self(LATER);
    /// The next segment of a stranger's message whose start line was marked.
    pub const CONTINUED: Self = Self(LATER + 1);
    /// An emergency marker elsewhere than in the start line.
    pub const MARKED_HEADER: Self = Self(LATER + 2);

    /// Limited traffic that kept within its limits.
    #[must_use]
    #[inline(always)]
    pub const fn within(kind: Kind) -> Self {
        Self(WITHIN + kind as u8)
    }

    /// Whether it is limited traffic, within its limits or over them, or denied: one comparison,
    /// so that the verifier goes one way.
    #[must_use]
    #[inline(always)]
    pub const fn is_unprotected(self) -> bool {
        self.0.wrapping_sub(WITHIN) < DROPPABLE_END - WITHIN
    }

    /// The reason of this number.
    #[must_use]
    #[inline(always)]
    pub const fn numbered(number: u8) -> Self {
        Self(number)
    }

    /// The number: stable, for ABI and JSON.
    #[must_use]
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the later fragments of a stranger's datagram pass because the first did.
    #[must_use]
    #[inline(always)]
    pub const fn protects_datagram(self) -> bool {
        matches!(
            self,
            Self::MARKED
                | Self::MARKED_BURST_SOURCE
                | Self::MARKED_BURST_PSAP
                | Self::MARKED_HEADER
                | Self::DIALOG
                | Self::PINNED
                | Self::MEDIA_OPEN
                | Self::ALLOWED
        )
    }

    /// Whether the frame may be signalling of a call.
    #[must_use]
    #[inline(always)]
    pub const fn is_signalling(self) -> bool {
        matches!(
            self,
            Self::SIGNALLING
                | Self::FRAGMENT
                | Self::ELEMENT_OUT
                | Self::MARKED
                | Self::MARKED_BURST_SOURCE
                | Self::MARKED_BURST_PSAP
                | Self::MARKED_HEADER
                | Self::DIALOG
                | Self::CONTINUED
                | Self::PINNED_FRAGMENT
        )
    }

    /// Whether queues should serve it after what configured parties send: marked signalling of a
    /// stranger always passes, so only its place in a queue is left to decide.
    #[must_use]
    #[inline(always)]
    pub const fn is_labelled(self) -> bool {
        matches!(
            self,
            Self::MARKED
                | Self::MARKED_BURST_SOURCE
                | Self::MARKED_BURST_PSAP
                | Self::MARKED_HEADER
                | Self::CONTINUED
        )
    }

    /// The counter for frames that passed with this reason.
    #[must_use]
    #[inline(always)]
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The counter for frames that were dropped for this reason, if there can be any.
    #[must_use]
    pub const fn dropped_counter(self) -> Option<u32> {
        if self.0 >= DROPPABLE_FIRST && self.0 < DROPPABLE_END {
            Some((self.0 - DROPPABLE_FIRST) as u32 + REASONS as u32)
        } else {
            None
        }
    }

    /// The reason of a counter, and what became of the frames in it.
    #[must_use]
    pub const fn of_counter(counter: u32) -> Option<(Self, Verdict)> {
        if counter < REASONS as u32 {
            Some((Self(counter as u8), Verdict::Pass))
        } else if counter < COUNTERS as u32 {
            Some((Self((counter - REASONS as u32) as u8 + DROPPABLE_FIRST), Verdict::Drop))
        } else {
            None
        }
    }

    /// All reasons in use, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..REASON_END).map(Self).filter(|reason| reason.is_in_use())
    }

    /// Whether it is a reason that frames may have.
    #[must_use]
    pub fn is_in_use(self) -> bool {
        self.meaning().is_some()
    }

    /// The name in tables, JSON and metrics, and the class.
    fn meaning(self) -> Option<(&'static str, Class)> {
        for (reason, name, class) in NAMED {
            if reason == self {
                return Some((name, class));
            }
        }
        for kind in Kind::ALL {
            for (first, names) in [
                (WITHIN, &WITHIN_NAMES),
                (OVER_SOURCE, &OVER_SOURCE_NAMES),
                (OVER_PSAP, &OVER_PSAP_NAMES),
            ] {
                if self.0 == first + kind as u8 {
                    let name = names.get(kind as usize).copied()?;
                    return Some((name, Class::Limited(kind)));
                }
            }
        }
        None
    }

    /// The name in tables, JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.meaning().map_or("retired", |(name, _)| name)
    }

    /// The class the reason belongs to.
    #[must_use]
    pub fn class(self) -> Class {
        self.meaning().map_or(Class::Other, |(_, class)| class)
    }
}

const WITHIN_NAMES: [&str; crate::class::KINDS] = [
    "sip_within",
    "syn_within",
    "tcp_within",
    "udp_within",
    "amplification_within",
    "icmp_echo_within",
    "fragment_within",
    "tunnel_within",
    "invalid_within",
    "other_ip_within",
    "control_within",
    "connected_within",
    "pinned_within",
    "pinned_other_within",
];

const OVER_SOURCE_NAMES: [&str; crate::class::KINDS] = [
    "sip_over_source",
    "syn_over_source",
    "tcp_over_source",
    "udp_over_source",
    "amplification_over_source",
    "icmp_echo_over_source",
    "fragment_over_source",
    "tunnel_over_source",
    "invalid_over_source",
    "other_ip_over_source",
    "control_over_source",
    "connected_over_source",
    "pinned_over_source",
    "pinned_other_over_source",
];

const OVER_PSAP_NAMES: [&str; crate::class::KINDS] = [
    "sip_over_psap",
    "syn_over_psap",
    "tcp_over_psap",
    "udp_over_psap",
    "amplification_over_psap",
    "icmp_echo_over_psap",
    "fragment_over_psap",
    "tunnel_over_psap",
    "invalid_over_psap",
    "other_ip_over_psap",
    "control_over_psap",
    "connected_over_psap",
    "pinned_over_psap",
    "pinned_other_over_psap",
];

/// A reason that can lead to a drop. Only the lists and the limiter can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Droppable(u8);

impl Droppable {
    /// A deny entry matched.
    pub const DENIED: Self = Self(DROPPABLE_FIRST);

    /// The source is over its limit for this kind.
    #[must_use]
    #[inline(always)]
    pub const fn over_source(kind: Kind) -> Self {
        Self(OVER_SOURCE + kind as u8)
    }

    /// Strangers together are over the PSAP's limit for this kind.
    #[must_use]
    #[inline(always)]
    pub const fn over_psap(kind: Kind) -> Self {
        Self(OVER_PSAP + kind as u8)
    }

    /// The reason, for counting and reporting.
    #[must_use]
    #[inline(always)]
    pub const fn reason(self) -> Reason {
        Reason(self.0)
    }

    /// From the number of a reason that can drop.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn numbered(number: u8) -> Option<Self> {
        if number >= DROPPABLE_FIRST && number < DROPPABLE_END { Some(Self(number)) } else { None }
    }

    /// The counter for frames dropped for this reason.
    #[must_use]
    #[inline(always)]
    pub const fn dropped_counter(self) -> u32 {
        (self.0 - DROPPABLE_FIRST) as u32 + REASONS as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_one_name_and_its_own_counters() {
        let mut names = BTreeSet::new();
        let mut counters = BTreeSet::new();
        for reason in Reason::all() {
            assert!(names.insert(reason.name()), "{} twice", reason.name());
            assert!(counters.insert(reason.counter()));
            assert_eq!(Reason::of_counter(reason.counter()), Some((reason, Verdict::Pass)));
            if let Some(dropped) = reason.dropped_counter() {
                assert!(counters.insert(dropped));
                assert_eq!(Reason::of_counter(dropped), Some((reason, Verdict::Drop)));
            }
        }
        assert!(counters.iter().all(|counter| (*counter as usize) < COUNTERS));
        assert_eq!(Reason::of_counter(COUNTERS as u32), None);
    }

    #[test]
    fn what_can_drop_is_never_protected() {
        for kind in Kind::ALL {
            for droppable in [Droppable::over_source(kind), Droppable::over_psap(kind)] {
                assert_eq!(droppable.reason().class(), Class::Limited(kind));
                assert_eq!(droppable.reason().dropped_counter(), Some(droppable.dropped_counter()));
            }
        }
        assert_eq!(Droppable::DENIED.reason().class(), Class::Denied);
    }

    #[test]
    fn numbers_are_stable() {
        // Pinned maps and stored reports carry these numbers: a change here needs a new ABI.
        let numbers: Vec<_> =
            Reason::all().map(|reason| (reason.number(), reason.name())).collect();
        assert_eq!(numbers.len(), NAMED.len() + 3 * crate::class::KINDS);
        assert!(numbers.contains(&(4, "signalling")));
        assert!(numbers.contains(&(20, "sip_within")));
        assert!(numbers.contains(&(40, "denied")));
        assert!(numbers.contains(&(41, "sip_over_source")));
        assert!(numbers.contains(&(57, "sip_over_psap")));
    }
}
