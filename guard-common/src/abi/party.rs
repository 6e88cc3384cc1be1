//! Who owns an address: the configured parties and their services.
//!
//! One record answers everything the classifier asks about an address. The controller has
//! already merged what every covering prefix says into it, so the longest match is enough.

use super::abi_types;

/// The address belongs to an element: PSAP, ESRP, BCF, LNG, LPG or a hosted site.
pub const ELEMENT: u32 = 1 << 0;
/// A carrier's SBC or another network's element.
pub const PEER: u32 = 1 << 1;
/// A support service that calls need besides SIP.
pub const SUPPORT: u32 = 1 << 2;
/// An end of a configured tunnel.
pub const TUNNEL: u32 = 1 << 3;
/// A management station.
pub const MANAGEMENT: u32 = 1 << 4;
/// An address of this host.
pub const HOST: u32 = 1 << 5;
/// A configured routing neighbour.
pub const NEIGHBOUR: u32 = 1 << 6;
/// Any of the roles above: somebody the configuration names.
pub const CONFIGURED: u32 = ELEMENT | PEER | SUPPORT | TUNNEL | MANAGEMENT | HOST | NEIGHBOUR;

/// SIP signalling of an element or peer.
pub const KIND_SIP: u8 = 1;
/// Media: RTP, RTCP, SRTP, DTLS, STUN on one range of UDP ports.
pub const KIND_MEDIA: u8 = 2;
/// A support service: DNS, NTP, LoST, HELD, logging and so on.
pub const KIND_SUPPORT: u8 = 3;
/// A tunnel: by port (IKE, NAT-T, VXLAN, WireGuard) or by protocol alone (ESP, AH, GRE, IP-in-IP).
pub const KIND_TUNNEL: u8 = 4;

/// The service speaks TLS: what is said there cannot be read, and is not copied.
pub const ENCRYPTED: u16 = 1;
/// From this bit of the flags on: for a tunnel whose inside is looked at, the number of the
/// inside's zone plus one.
pub const INSIDE_SHIFT: u32 = 8;

/// Most services one address may carry. Fits the record into three cache lines; a hosted site
/// with TLS, TCP, UDP, two media ranges and DNS uses six.
pub const SERVICES_MAX: usize = 16;

/// A range of ports of one protocol and what runs there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// One of the `KIND_` constants; 0 in unused places.
    pub kind: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// First port, host byte order. A protocol without ports has 0 to 65535 here.
    pub port_low: u16,
    /// Last port, inclusive.
    pub port_high: u16,
    /// `ENCRYPTED`, and the inside of a tunnel (`INSIDE_SHIFT`).
    pub flags: u16,
}

/// What the configuration says about an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The zones (bits, see [`super::policy::Interface`]) in which the address is believed as a source.
    pub zones: u64,
    /// Role bits.
    pub roles: u32,
    /// Counter slot of the PSAP, site or element that owns the address; 0 if none does.
    pub slot: u32,
    /// How many of `services` are used.
    pub service_count: u32,
    /// Always zero.
    pub padding: u32,
    /// Services, in the order in which they win: SIP, support, tunnel, media.
    pub services: [Service; SERVICES_MAX],
}

/// An IPv4 prefix as a table key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix4 {
    /// Network address, network byte order, host bits zero.
    pub address: [u8; 4],
    /// Length in bits.
    pub length: u32,
}

/// An IPv6 prefix as a table key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix6 {
    /// Network address, network byte order, host bits zero.
    pub address: [u8; 16],
    /// Length in bits.
    pub length: u32,
}

/// Entries of IPv4 prefixes that share a bucket of the index, see [`crate::index`].
pub const WAYS4: usize = 4;
/// Entries of IPv6 prefixes that share a bucket.
pub const WAYS6: usize = 2;

/// A bucket of the index of IPv4 prefixes. An unused entry is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket4 {
    /// Each the address (32 bits), the length (8) and the party's number plus one (24).
    pub entries: [u64; WAYS4],
}

/// An entry of the index of IPv6 prefixes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry6 {
    /// Network address, network byte order, host bits zero.
    pub address: [u8; 16],
    /// Length and number as in [`Bucket4`]; the lower 32 bits are zero.
    pub rest: u64,
}

impl Entry6 {
    /// The address as two words.
    #[inline(always)]
    pub(crate) const fn halves(&self) -> (u64, u64) {
        crate::address::Address(self.address).halves()
    }
}

/// A bucket of the index of IPv6 prefixes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket6 {
    /// The entries; an unused one is all zero.
    pub entries: [Entry6; WAYS6],
}

abi_types! {
    Bucket4 => 8 * WAYS4,
    Entry6 => 24,
    Bucket6 => 24 * WAYS6,
    Service => 8,
    Party => 24 + 8 * SERVICES_MAX,
    Prefix4 => 8,
    Prefix6 => 20,
}
