//! What a frame can be.

/// How many [`Kind`]s there are.
pub const KINDS: usize = 14;

/// The kinds of traffic that are limited, each with a rate per source and one per PSAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// SIP from a stranger that carries no emergency marker.
    Sip = 0,
    /// The first segment of a TCP connection.
    Syn = 1,
    /// Any other TCP segment that belongs to no completed connection.
    Tcp = 2,
    /// UDP to anything but a SIP service.
    Udp = 3,
    /// What looks like the answer of a service that amplifies: DNS, NTP, SSDP, memcached and so on.
    Amplification = 4,
    /// ICMP echo and its answer.
    IcmpEcho = 5,
    /// A fragment, not the first, of a datagram that nothing protects.
    Fragment = 6,
    /// A tunnel of somebody who is no configured end.
    Tunnel = 7,
    /// Headers that a receiver's IP stack must discard.
    Invalid = 8,
    /// Any other IP protocol.
    OtherIp = 9,
    /// Control traffic that could not prove where it comes from: ICMP errors, BGP, DHCP relays.
    Control = 10,
    /// TCP segments of connections that a stranger and an element have completed.
    Connected = 11,
    /// What a pinned stranger sends beyond its pin's allowance.
    Pinned = 12,
    /// What others send to a port that a pin keeps open.
    PinnedOther = 13,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; KINDS] = [
        Self::Sip,
        Self::Syn,
        Self::Tcp,
        Self::Udp,
        Self::Amplification,
        Self::IcmpEcho,
        Self::Fragment,
        Self::Tunnel,
        Self::Invalid,
        Self::OtherIp,
        Self::Control,
        Self::Connected,
        Self::Pinned,
        Self::PinnedOther,
    ];

    /// The kind of this number.
    #[must_use]
    #[inline(always)]
    pub const fn numbered(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Sip,
            1 => Self::Syn,
            2 => Self::Tcp,
            3 => Self::Udp,
            4 => Self::Amplification,
            5 => Self::IcmpEcho,
            6 => Self::Fragment,
            7 => Self::Tunnel,
            8 => Self::Invalid,
            9 => Self::OtherIp,
            10 => Self::Control,
            11 => Self::Connected,
            12 => Self::Pinned,
            13 => Self::PinnedOther,
            _ => return None,
        })
    }

    /// The name in configuration, tables, JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Syn => "syn",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Amplification => "amplification",
            Self::IcmpEcho => "icmp_echo",
            Self::Fragment => "fragment",
            Self::Tunnel => "tunnel",
            Self::Invalid => "invalid",
            Self::OtherIp => "other_ip",
            Self::Control => "control",
            Self::Connected => "connected",
            Self::Pinned => "pinned",
            Self::PinnedOther => "pinned_other",
        }
    }
}

/// The classes of DESIGN, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// What keeps the network itself alive.
    Infrastructure,
    /// Part of an emergency call, or not surely something else.
    Protected,
    /// From or to a management station.
    Management,
    /// An allow entry matched.
    Allowed,
    /// A deny entry matched.
    Denied,
    /// Limited by rate.
    Limited(Kind),
    /// None of the guard's business: counted and passed.
    Other,
}

impl Class {
    /// The name in tables and JSON; the kind of limited traffic is told apart by its reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Protected => "protected",
            Self::Management => "management",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Limited(_) => "limited",
            Self::Other => "other",
        }
    }
}
