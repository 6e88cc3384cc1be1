//! Rules about addresses of different entries: who may share what, and the fail-safe set, the
//! configured addresses that no deny entry may touch.

use std::collections::HashMap;

use guard_common::abi::party::{ELEMENT, PEER};

use super::super::claims::Named;
use super::super::cover::{Net, flatten};
use super::super::endpoint::Endpoint;
use super::super::entry::AclEntryConfig;
use super::super::error::{At, Fault, Section};
use super::super::network::Network;
use super::{Config, reached};

pub(super) fn check(config: &Config) -> Result<(), Fault> {
    for Named { at, claims, .. } in config.named() {
        for claim in claims {
            if let Some(what) = claim.network.unusable() {
                return Err(at.fault(
                    format!("{} is a {what} address, which no party of a call has", claim.network),
                    "write the address the others know it by",
                ));
            }
        }
    }
    shared_services(config)?;
    contradictions(config)
}

/// Two entries with the same service, or a PSAP or site that shares its address with another
/// entry: the frames could not be told apart, so sharing has to be said.
fn shared_services(config: &Config) -> Result<(), Fault> {
    let mut services: HashMap<(Network, u16, u8), At<'_>> = HashMap::new();
    let mut owners: HashMap<Network, At<'_>> = HashMap::new();
    for (at, endpoints, _) in reached(config) {
        for endpoint in endpoints {
            let Endpoint { network, port, transport } = *endpoint;
            let key = (network, port, transport.protocol());
            let same_service = services.insert(key, at).filter(|other| other.id != at.id);
            let owner = *owners.entry(network).or_insert(at);
            let counts = |at: At<'_>| at.section != Section::Element;
            let same_owner = owner.id == at.id || !(counts(owner) || counts(at));
            let other = match same_service {
                Some(other) => other,
                None if !same_owner => owner,
                None => continue,
            };
            return Err(at.key("services").fault(
                format!("{endpoint} is on an address of {other}, too"),
                "PSAPs that share an address name one [[site]] with `site`, those behind a gateway name it with `via`",
            ));
        }
    }
    Ok(())
}

/// Who names a prefix, and who names one around it.
#[derive(Clone, Copy, Default)]
struct Names<'a> {
    element: Option<At<'a>>,
    peer: Option<At<'a>>,
    /// Any configured party.
    party: Option<At<'a>>,
    deny: Option<&'a AclEntryConfig>,
}

impl<'a> Names<'a> {
    fn join(&mut self, other: &Self) {
        let Self { element, peer, party, deny } = *other;
        self.element = self.element.or(element);
        self.peer = self.peer.or(peer);
        self.party = self.party.or(party);
        self.deny = self.deny.or(deny);
    }

    fn contradiction(&self) -> Option<Fault> {
        if let (Some(element), Some(peer)) = (self.element, self.peer) {
            return Some(peer.fault(
                format!("an address of it is also one of {element}"),
                "an address is either one of ours or a peer's: correct one of the two entries",
            ));
        }
        let (party, deny) = (self.party?, self.deny?);
        let source = deny.source.to_string();
        Some(deny.at(Section::Deny, &source).fault(
            format!("it denies addresses of {party}, which belongs to the fail-safe set"),
            format!("deny what lies around it, or remove {party} if it is no longer wanted"),
        ))
    }
}

fn contradictions(config: &Config) -> Result<(), Fault> {
    let mut items: Vec<(Net, Names<'_>)> = Vec::new();
    for Named { at, role, claims, .. } in config.named() {
        let party = Names {
            element: (role == ELEMENT).then_some(at),
            peer: (role == PEER).then_some(at),
            party: Some(at),
            deny: None,
        };
        items.extend(claims.iter().map(|claim| (claim.network.net().into(), party)));
    }
    items.extend(
        config.deny.iter().map(|entry| {
            (entry.source.net().into(), Names { deny: Some(entry), ..Names::default() })
        }),
    );
    flatten(
        items,
        |into, from| into.join(&from),
        |parent, child| {
            if let Some(parent) = parent {
                child.join(parent);
            }
            child.contradiction().map_or(Ok(()), Err)
        },
    )?;
    Ok(())
}
