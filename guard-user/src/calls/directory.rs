//! Who owns an address and what runs there, as the live generation says.
//!
//! Read back from the tables in the kernel, so that it is what the data plane goes by, whatever
//! changed it. Answers questions; must not know calls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use guard_common::abi::party::{ELEMENT, KIND_MEDIA, PEER, Party, Prefix4, Prefix6};
use guard_common::abi::state::switch;
use guard_common::pins::port::source_tag;
use guard_common::prefix::{network4, network6};

use super::pins::address;
use crate::kernel::KernelError;
use crate::kernel::parties::parties;
use crate::kernel::pins::PinDir;
use crate::policy::PolicyTables;

/// Below this nobody receives media: what runs there is the system's own.
const PORT_MIN: u16 = 1024;

/// What becomes of a port that an element names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may be opened.
    Open,
    /// The address is not the element's own.
    Elsewhere,
    /// It is a service's, or the system's.
    Refused,
}

/// The parties of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Number of the generation.
    pub generation: u64,
    /// Key of the hashes, the same as long as the state lives.
    pub hash_key: u64,
    parties4: BTreeMap<Prefix4, Party>,
    parties6: BTreeMap<Prefix6, Party>,
    lengths4: BTreeSet<u32>,
    lengths6: BTreeSet<u32>,
}

impl Directory {
    /// Of these tables.
    #[must_use]
    pub fn new(tables: &PolicyTables) -> Self {
        let PolicyTables { policy, parties4, parties6, .. } = tables;
        Self::of(policy.generation, policy.hash_key, parties4.clone(), parties6.clone())
    }

    /// Of the live generation, by its pins.
    pub fn open(pins: &PinDir) -> Result<Self, KernelError> {
        let switches = pins.switches()?;
        let generation = switches.get(switch::GENERATION)?;
        let (parties4, parties6) = parties(&pins.generation(generation))?;
        Ok(Self::of(generation, switches.get(switch::HASH_KEY)?, parties4, parties6))
    }

    fn of(
        generation: u64,
        hash_key: u64,
        parties4: BTreeMap<Prefix4, Party>,
        parties6: BTreeMap<Prefix6, Party>,
    ) -> Self {
        let lengths4 = parties4.keys().map(|prefix| prefix.length).collect();
        let lengths6 = parties6.keys().map(|prefix| prefix.length).collect();
        Self { generation, hash_key, parties4, parties6, lengths4, lengths6 }
    }

    /// Counter slot of the element that owns an address.
    #[must_use]
    pub fn element(&self, address: IpAddr) -> Option<u32> {
        let party = self.party(address)?;
        (party.roles & ELEMENT != 0).then_some(party.slot)
    }

    /// What pins keep of an address; never 0.
    #[must_use]
    pub fn tag(&self, source: IpAddr) -> u32 {
        source_tag(self.hash_key, &address(source))
    }

    /// What becomes of a port that the element of this slot says it receives on.
    #[must_use]
    pub fn permission(&self, slot: u32, address: IpAddr, port: u16, protocol: u8) -> Permission {
        let Some(party) = self.party(address) else {
            return Permission::Elsewhere;
        };
        if party.roles & ELEMENT == 0 || party.slot != slot {
            return Permission::Elsewhere;
        }
        match kind(party, protocol, port) {
            None | Some(KIND_MEDIA) if port >= PORT_MIN => Permission::Open,
            _ => Permission::Refused,
        }
    }

    /// Whether media between configured parties passes here without any pin.
    #[must_use]
    pub fn is_configured_media(&self, address: IpAddr, port: u16, protocol: u8) -> bool {
        self.party(address).is_some_and(|party| {
            party.roles & (ELEMENT | PEER) != 0 && kind(party, protocol, port) == Some(KIND_MEDIA)
        })
    }

    /// The longest configured prefix around an address.
    fn party(&self, address: IpAddr) -> Option<&Party> {
        match address {
            IpAddr::V4(address) => {
                let network = |length: &u32| network4(address.octets(), *length);
                self.lengths4.iter().rev().find_map(|length| self.parties4.get(&network(length)))
            }
            IpAddr::V6(address) => {
                let network = |length: &u32| network6(address.octets(), *length);
                self.lengths6.iter().rev().find_map(|length| self.parties6.get(&network(length)))
            }
        }
    }
}

/// The kind of the first service that fits, as the data plane finds it.
fn kind(party: &Party, protocol: u8, port: u16) -> Option<u8> {
    let mut used = party.services.iter().take_while(|service| service.kind != 0);
    let found = used.find(|service| {
        service.protocol == protocol && (service.port_low..=service.port_high).contains(&port)
    });
    found.map(|service| service.kind)
}

/// A network for tests.
#[cfg(test)]
pub mod sample {
    use guard_common::abi::party::{KIND_SIP, KIND_SUPPORT, Service};

    use super::*;

    /// Slot of the PSAP: SIP at 198.51.100.10 and 2001:db8:10::10, media there and at
    /// 198.51.100.11.
    pub const PSAP: u32 = 1;
    /// Slot of the proxy, 198.51.100.40.
    pub const ESRP: u32 = 2;

    const fn service(kind: u8, protocol: u8, port_low: u16, port_high: u16) -> Service {
        Service { kind, protocol, port_low, port_high, flags: 0 }
    }

    fn party(roles: u32, slot: u32, services: &[Service]) -> Party {
        let mut party = Party { roles, slot, ..Party::default() };
        for (place, service) in party.services.iter_mut().zip(services) {
            *place = *service;
        }
        party
    }

    /// The directory: the two elements, and a carrier in 203.0.113.0/24 with media 10000-20000.
    pub fn directory() -> Directory {
        let sip = service(KIND_SIP, 17, 5060, 5060);
        let media = service(KIND_MEDIA, 17, 16384, 32767);
        let dns = service(KIND_SUPPORT, 17, 5353, 5353);
        let psap = party(ELEMENT, PSAP, &[sip, service(KIND_SIP, 6, 5060, 5060), dns, media]);
        let esrp = party(ELEMENT, ESRP, &[sip, service(KIND_MEDIA, 17, 1024, 65535)]);
        let carrier = party(PEER, 0, &[service(KIND_MEDIA, 17, 10000, 20000)]);
        let v4 = |address: [u8; 4], length| Prefix4 { address, length };
        let v6 = "2001:db8:10::10".parse::<std::net::Ipv6Addr>().map(|v6| v6.octets());
        let v6 = Prefix6 { address: v6.unwrap_or_default(), length: 128 };
        Directory::of(
            1,
            911,
            [
                (v4([198, 51, 100, 10], 32), psap),
                (v4([198, 51, 100, 11], 32), party(ELEMENT, PSAP, &[media])),
                (v4([198, 51, 100, 40], 32), esrp),
                (v4([203, 0, 113, 0], 24), carrier),
            ]
            .into(),
            [(v6, psap)].into(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::Permission::{Elsewhere, Open, Refused};
    use super::*;

    #[test]
    fn an_element_opens_its_own_free_ports_alone() {
        let directory = sample::directory();
        for (address, port, protocol, expected) in [
            ("198.51.100.10", 20000, 17, Open),
            ("198.51.100.11", 20000, 17, Open),
            ("2001:db8:10::10", 20000, 17, Open),
            // Beyond the range that is configured, and of another protocol.
            ("198.51.100.10", 40000, 17, Open),
            ("198.51.100.10", 2855, 6, Open),
            ("198.51.100.10", 5060, 17, Refused),
            ("198.51.100.10", 5060, 6, Refused),
            ("198.51.100.10", 5353, 17, Refused),
            ("198.51.100.10", 22, 6, Refused),
            ("198.51.100.10", 1023, 17, Refused),
            ("198.51.100.40", 20000, 17, Elsewhere),
            ("203.0.113.5", 20000, 17, Elsewhere),
            ("198.18.7.7", 20000, 17, Elsewhere),
            ("2001:db8:10::11", 20000, 17, Elsewhere),
        ] {
            let found =
                directory.permission(sample::PSAP, address.parse().unwrap(), port, protocol);
            assert_eq!(found, expected, "{address}:{port}/{protocol}");
        }
    }

    #[test]
    fn configured_media_is_known() {
        let directory = sample::directory();
        let is =
            |address: &str, port| directory.is_configured_media(address.parse().unwrap(), port, 17);
        assert!(is("203.0.113.5", 10000) && is("198.51.100.10", 20000));
        assert!(!is("203.0.113.5", 9999) && !is("198.51.100.10", 5060) && !is("198.18.7.7", 10000));
        assert_eq!(directory.element("203.0.113.5".parse().unwrap()), None);
        assert_eq!(directory.element("198.51.100.40".parse().unwrap()), Some(sample::ESRP));
    }
}
