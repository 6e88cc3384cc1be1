//! Who the two ends of a frame are: parties, services, and whether the source is believed.

use core::hint::black_box;

use crate::abi::party::{
    CONFIGURED, ELEMENT, ENCRYPTED, INSIDE_SHIFT, KIND_MEDIA, KIND_SIP, KIND_TUNNEL, Party,
    Service, TUNNEL,
};
use crate::abi::policy::Interface;
use crate::abi::state::alarm;
use crate::address::Address;
use crate::frame::{Frame, Version};
use crate::index::Search;
use crate::memory::Word;
use crate::pins::Standing;
use crate::tables::Tables;

/// What the configuration says about one end of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct End {
    /// Zones in which the address is believed.
    zones: u64,
    /// Role bits; none for a stranger, and for a source that is not believed.
    pub(crate) roles: u32,
    /// Counter slot of the element that owns the address.
    pub(crate) slot: u32,
    /// The kind of service the frame's port belongs to at this end; 0 for none.
    service: u16,
    /// What that service is like: `ENCRYPTED`, or 0.
    flags: u16,
    /// For the end of a tunnel: the kind of service the port at the *other* end would belong to.
    /// VXLAN and NAT-T choose their source port freely, so that one configured end must do.
    crossing: u32,
}

impl End {
    /// Whether what is said at this end's service is encrypted.
    #[inline(always)]
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    /// Whether the frame's port at this end belongs to no service but, perhaps, media.
    #[inline(always)]
    pub(super) const fn is_open_port(&self) -> bool {
        self.service == 0 || self.service == KIND_MEDIA as u16
    }

    /// The kind of service; 0 for none.
    pub(super) const fn kind(&self) -> u8 {
        self.service as u8
    }

    #[inline(always)]
    pub(crate) const fn is(&self, roles: u32) -> bool {
        self.roles & roles != 0
    }

    /// Whether this end's tunnel comes in by the other end's port.
    #[inline(always)]
    pub(super) const fn crosses(&self) -> bool {
        self.crossing & 0xff == KIND_TUNNEL as u32
    }

    /// The zone of what is inside of this end's tunnel, plus one; 0 if nobody looks inside.
    #[inline(always)]
    const fn inside(&self) -> u32 {
        if self.serves(KIND_TUNNEL) {
            self.flags as u32 >> INSIDE_SHIFT
        } else if self.crosses() {
            self.crossing >> (16 + INSIDE_SHIFT)
        } else {
            0
        }
    }

    #[inline(always)]
    pub(crate) const fn serves(&self, kind: u8) -> bool {
        self.service == kind as u16
    }
}

/// The two ends of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ends {
    pub(crate) source: End,
    pub(crate) destination: End,
    /// How a stranger's frame stands to a pin.
    pub(super) standing: Standing,
    /// Kernel index of the interface the frame came in by, or [`OUTGOING`].
    pub(crate) interface: u32,
    /// Memory for detours.
    pub(crate) detour: Word<u32>,
    /// Always zero.
    padding: u32,
    /// Memory for look-ups.
    search: Search,
}

impl Ends {
    /// The counter slot of the destination element, else of the source element, else 0.
    #[inline(always)]
    pub(crate) const fn owner(&self) -> u32 {
        match self.destination.slot {
            0 => self.source.slot,
            slot => slot,
        }
    }

    /// Whether both are configured.
    #[inline(always)]
    pub(crate) const fn are_configured(&self) -> bool {
        self.source.is(CONFIGURED) && self.destination.is(CONFIGURED)
    }

    /// A stranger, or a party that is none on this interface, and an element's SIP service.
    #[inline(always)]
    pub(crate) const fn are_stranger_and_service(&self) -> bool {
        self.destination.is(ELEMENT) && self.destination.serves(KIND_SIP)
    }
}

/// Stands for the interface of a frame that leaves the host. No interface has this index.
pub const OUTGOING: u32 = 0;

/// The way by which a frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Kernel index of the interface, or [`OUTGOING`].
    pub interface: u32,
    /// The zone of the tunnel that the frame came out of, plus one; 0 if it came out of none.
    pub inside: u32,
}

impl Way {
    /// The zones (bits) a frame with this outermost VLAN came in by.
    #[inline(always)]
    fn zones<T: Tables>(self, tables: &T, vlan: u16) -> u64 {
        match self.inside {
            0 => zones(tables, self.interface, vlan),
            inside => 1 << ((inside - 1) & 63),
        }
    }
}

/// The zones (bits) a frame came in by.
#[inline(always)]
fn zones<T: Tables>(tables: &T, index: u32, vlan: u16) -> u64 {
    let Some(policy) = tables.policy() else {
        return u64::MAX;
    };
    let found =
        policy.interfaces.iter().position(|interface| interface.index == index && index != 0);
    // The black box lets the ways of the search meet: the verifier would follow each place of
    // each VLAN of each interface.
    match found.and_then(|place| policy.interfaces.get(black_box(place))) {
        Some(interface) if vlan == 0 => interface.untagged,
        Some(interface) => 1 << (zone(interface, vlan) & 63),
        None => {
            // Our own failure, not the sender's: believe every address.
            tables.alarm(alarm::UNKNOWN_INTERFACE);
            u64::MAX
        }
    }
}

/// The zone of a VLAN, which is not 0, of an interface.
#[inline(always)]
fn zone(interface: &Interface, vlan: u16) -> u16 {
    for tagged in &interface.vlans {
        if tagged.id == vlan {
            return tagged.zone;
        }
    }
    interface.zone
}

impl Ends {
    /// The zone of what is inside of the tunnel between them, plus one; 0 if nobody looks inside.
    /// The far end knows better: the near one may have several tunnels.
    #[inline(always)]
    pub(crate) const fn inside(&self) -> u32 {
        match self.source.inside() {
            0 => self.destination.inside(),
            zone => zone,
        }
    }

    /// Looks up both ends of a frame that came in this way.
    ///
    /// Kept in memory and inlined for the reasons given at [`Frame::parse`].
    #[inline(always)]
    pub(super) fn find<T: Tables>(&mut self, frame: &Frame, tables: &T, way: Way) {
        let Way { interface, .. } = way;
        let ports = (frame.destination_port, frame.source_port);
        self.standing = Standing::None;
        self.interface = interface;
        let Self { source, destination, search, .. } = self;
        destination.find(frame, &frame.destination, ports, tables, search);
        source.find(frame, &frame.source, (ports.1, ports.0), tables, search);
        // What leaves this host was not spoofed on a wire.
        let is_incoming = interface != OUTGOING;
        if is_incoming
            && self.source.roles != 0
            && self.source.zones & way.zones(tables, frame.vlan) == 0
        {
            // A configured address where it is not bound: spoofed, or a re-route nobody knows of.
            tables.alarm(alarm::UNBOUND_SOURCE);
            self.source = End::default();
        }
    }
}

impl End {
    /// Looks up one end, given its own port and the other end's.
    ///
    /// Inlined with what IPv4 needs: where returns are guarded against speculation, a call costs
    /// ten nanoseconds.
    #[inline(always)]
    fn find<T: Tables>(
        &mut self,
        frame: &Frame,
        address: &Address,
        (own, other): (u16, u16),
        tables: &T,
        search: &mut Search,
    ) {
        let party = match frame.version {
            Version::V4 => search.party4(tables, address.ipv4()),
            Version::V6 => search.party6(tables, address.0),
            Version::Unknown => None,
        };
        *self = match party {
            Some(party) => {
                let service = service(party, frame.protocol, own);
                Self {
                    zones: party.zones,
                    roles: party.roles,
                    slot: party.slot,
                    service: u16::from(service.kind),
                    flags: service.flags,
                    crossing: if party.roles & TUNNEL == 0 {
                        0
                    } else {
                        crossing(party, frame.protocol, other)
                    },
                }
            }
            None => Self::default(),
        };
    }
}

/// [`service`], for the few that need it.
#[inline(never)]
fn crossing(party: &Party, protocol: u8, port: u16) -> u32 {
    let Service { kind, flags, .. } = service(party, protocol, port);
    u32::from(kind) | u32::from(flags) << 16
}

/// The first service that fits; one of no kind if none does.
#[inline(always)]
fn service(party: &Party, protocol: u8, port: u16) -> Service {
    for service in &party.services {
        if service.kind == 0 {
            break;
        }
        if service.protocol == protocol && service.port_low <= port && port <= service.port_high {
            return *service;
        }
    }
    Service::default()
}
