//! The entries of a configuration: who takes part in calls, and the allow and deny lists.
//!
//! One type per section, the same in TOML, in JSON and for live changes. Knows spellings and
//! what may be left out; which combinations make sense is the business of `validate`.

use serde::{Deserialize, Serialize};

use super::endpoint::{AclService, Endpoint, MediaSpec};
use super::error::{At, Place, Section};
use super::interface::{Bind, InterfaceEntry, Role};
use super::network::Network;
use super::port::PortSpec;
use super::text::{Id, Number};
use super::time::Timestamp;

/// An entry that can be told where it stands.
pub(super) trait Placed {
    /// Where the entry stands.
    fn place_mut(&mut self) -> &mut Place;
}

/// A dispatch centre. Exactly one of `services`, `site` and `via` says how calls reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PsapEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SIP services of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Endpoint>,
    /// Media ranges; absent: all UDP ports from 1024 of the addresses in `services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaSpec>>,
    /// Administrative numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Number>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// The site whose addresses and counters it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Id>,
    /// The element, a gateway, through which it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Id>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// A hosted site: the addresses that several PSAPs share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SiteEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SIP services.
    pub services: Vec<Endpoint>,
    /// Media ranges; absent: all UDP ports from 1024 of the addresses in `services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaSpec>>,
    /// Administrative numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Number>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// What an `[[element]]` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementKind {
    /// Emergency Services Routing Proxy.
    Esrp,
    /// Border Control Function.
    Bcf,
    /// Legacy Network Gateway.
    Lng,
    /// Legacy PSAP Gateway.
    Lpg,
    /// Any other gateway.
    Gateway,
    /// Anything else that calls go through.
    Other,
}

/// A functional element of the routing core that is no PSAP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ElementEntry {
    /// Name of the entry.
    pub id: Id,
    /// What it is.
    pub kind: ElementKind,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SIP services.
    pub services: Vec<Endpoint>,
    /// Media ranges; absent: all UDP ports from 1024 of the addresses in `services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaSpec>>,
    /// Administrative numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Number>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// A carrier's SBC or another network's element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PeerEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Signalling addresses.
    pub addresses: Vec<Network>,
    /// SIP ports; absent: 5060 by UDP, TCP and SCTP, 5061 by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<PortSpec>>,
    /// Media ranges; absent: all UDP ports from 1024 of `addresses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaSpec>>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// A service that calls need besides SIP: DNS, NTP, ECRF, LIS, logging and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SupportEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Addresses of the servers.
    pub addresses: Vec<Network>,
    /// Ports of the service.
    pub ports: Vec<PortSpec>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// What a tunnel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// IPsec ESP (protocol 50).
    Esp,
    /// IPsec AH (protocol 51).
    Ah,
    /// IKE and NAT traversal (UDP 500 and 4500).
    Ike,
    /// GRE (protocol 47).
    Gre,
    /// IPv4 or IPv6 in IP (protocols 4 and 41).
    Ipip,
    /// VXLAN (UDP 4789 unless `vxlan-port` says otherwise).
    Vxlan,
    /// WireGuard (UDP 51820 unless `wireguard-port` says otherwise).
    Wireguard,
}

impl TunnelKind {
    /// Whether what is inside can be read.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        match self {
            Self::Gre | Self::Ipip | Self::Vxlan => true,
            Self::Esp | Self::Ah | Self::Ike | Self::Wireguard => false,
        }
    }
}

/// The ends of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TunnelEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Addresses of the ends.
    pub addresses: Vec<Network>,
    /// What runs between them.
    pub kinds: Vec<TunnelKind>,
    /// UDP port of VXLAN if not 4789.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vxlan_port: Option<u16>,
    /// UDP port of WireGuard if not 51820.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wireguard_port: Option<u16>,
    /// Look at what is inside of GRE, IP in IP and VXLAN, as at what comes in by an interface of
    /// this role; `bind` may name the tunnel by its id. Absent: the tunnel passes whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Role>,
    /// Where its addresses may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// Management stations, or routing neighbours: addresses are all there is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AddressEntry {
    /// Name of the entry.
    pub id: Id,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The addresses.
    pub addresses: Vec<Network>,
    /// Where they may come in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Bind>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// An entry of the allow or the deny list; which of the two, the section says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AclEntryConfig {
    /// From where.
    pub source: Network,
    /// To where; absent: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Network>,
    /// Which service; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<AclService>,
    /// Who answers for the entry.
    pub owner: String,
    /// Why it exists.
    pub reason: String,
    /// When it ends; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// What an allow or deny entry applies to: two entries with the same scope are about the same frames.
pub type Scope = (Network, Option<Network>, Option<AclService>);

impl AclEntryConfig {
    /// What the entry applies to.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        (self.source, self.destination, self.service)
    }

    /// Names the entry in errors; `title` is its source as text.
    pub(super) const fn at<'a>(&self, section: Section, title: &'a str) -> At<'a> {
        At::new(section, self.place, title)
    }
}

impl PsapEntry {
    /// A PSAP of which nothing but the name is known yet.
    #[must_use]
    pub const fn new(id: Id) -> Self {
        Self {
            id,
            name: None,
            services: Vec::new(),
            media: None,
            admin: Vec::new(),
            bind: Vec::new(),
            site: None,
            via: None,
            place: Place::LIVE,
        }
    }
}

impl PeerEntry {
    /// A peer with the usual services and media.
    #[must_use]
    pub const fn new(id: Id, addresses: Vec<Network>) -> Self {
        Self {
            id,
            name: None,
            addresses,
            services: None,
            media: None,
            bind: Vec::new(),
            place: Place::LIVE,
        }
    }
}

impl AclEntryConfig {
    /// An entry for everything from a source, without end.
    #[must_use]
    pub const fn new(source: Network, owner: String, reason: String) -> Self {
        Self {
            source,
            destination: None,
            service: None,
            owner,
            reason,
            expires: None,
            place: Place::LIVE,
        }
    }
}

macro_rules! placed {
    ($($type:ty),+ $(,)?) => {
        $(
            impl Placed for $type {
                fn place_mut(&mut self) -> &mut Place {
                    &mut self.place
                }
            }
        )+
    };
}

placed! {
    InterfaceEntry, PsapEntry, SiteEntry, ElementEntry, PeerEntry, SupportEntry, TunnelEntry,
    AddressEntry, AclEntryConfig,
}
