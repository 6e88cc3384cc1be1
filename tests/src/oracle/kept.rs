//! Which promises the guard keeps already: the oracle asks for no more, so that it can stand
//! beside a guard that still grows. A part is switched on here when the guard learns it; the
//! binary's `--promised PART` switches one on, or `all`, to see what is missing.

/// The parts of the promise that came, or will come, later than the marked start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// A marker in To, Route, Priority, Resource-Priority or Call-Info protects, too.
    pub headers: bool,
    /// Every later fragment of a datagram whose first fragment was protected passes.
    pub fragments: bool,
    /// A start line may be cut over TCP segments anywhere.
    pub segments: bool,
    /// `tel:(911)` and `urn:service:sos#x`: the grammar has them, nobody was seen to send them.
    pub spellings: bool,
    /// A message in an SCTP chunk that stands behind others, a SACK say.
    pub bundles: bool,
    /// A dialog of a stranger whose port is one of DHCP, LDP or BFD: a NAT may give them any.
    pub odd_ports: bool,
}

impl Kept {
    /// What today's guard keeps.
    pub const TODAY: Self = Self::ALL;
    /// All that is promised.
    pub const ALL: Self = Self {
        headers: true,
        fragments: true,
        segments: true,
        spellings: true,
        bundles: true,
        odd_ports: true,
    };

    /// With one more part, by its name, or `all`; `None` if there is none of that name.
    #[must_use]
    pub fn and(mut self, part: &str) -> Option<Self> {
        match part {
            "headers" => self.headers = true,
            "fragments" => self.fragments = true,
            "segments" => self.segments = true,
            "spellings" => self.spellings = true,
            "bundles" => self.bundles = true,
            "odd_ports" => self.odd_ports = true,
            "all" => self = Self::ALL,
            _ => return None,
        }
        Some(self)
    }
}
