//! ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861, 2710, 3810): what the type says.

/// What an ICMP message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Echo request or reply.
    Echo,
    /// An error, "packet too big" included: connections hang without them.
    Error,
    /// Neighbour or router discovery: only valid with hop limit 255 (RFC 4861 section 6.1).
    Neighbour,
    /// Multicast listener discovery, router discovery of IPv4.
    Group,
    /// Anything else.
    Other,
}

/// Purpose of an ICMP type of IPv4.
#[must_use]
#[inline(always)]
pub const fn purpose4(kind: u8) -> Purpose {
    match kind {
        0 | 8 => Purpose::Echo,
        3 | 4 | 11 | 12 => Purpose::Error,
        9 | 10 => Purpose::Group,
        _ => Purpose::Other,
    }
}

/// Purpose of an ICMPv6 type.
#[must_use]
#[inline(always)]
pub const fn purpose6(kind: u8) -> Purpose {
    match kind {
        128 | 129 => Purpose::Echo,
        1..=4 => Purpose::Error,
        133..=137 => Purpose::Neighbour,
        130..=132 | 143 => Purpose::Group,
        _ => Purpose::Other,
    }
}
