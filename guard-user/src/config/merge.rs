//! What all entries together say about an address: claims, merged and flattened.
//!
//! The data plane takes the longest match and asks no further, so each prefix has to say what
//! every prefix around it says. Must not know where slots come from or what a table looks like.

use guard_common::abi::party::{
    ELEMENT, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, SERVICES_MAX, Service,
};

use super::Config;
use super::claims::{Claim, Named};
use super::cover::{Net, flatten};
use super::error::{At, Fault};
use super::zones::Zones;

/// What a prefix is, after everything that covers it has been merged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Merged<'a> {
    /// Zones in which it is believed.
    pub(crate) zones: u64,
    /// Role bits.
    pub(crate) roles: u32,
    /// Counter slot of the most specific element; 0 if none covers it.
    pub(crate) slot: u32,
    /// Services, each once, in the order in which they win.
    pub(crate) services: Vec<Service>,
    /// The first entry that names the prefix; `None` for an address of the host.
    pub(crate) at: Option<At<'a>>,
}

/// All prefixes with what the longest match has to say: its own entries and all covering ones.
///
/// `slots` gives the counter slot of an element's id; `host` are addresses of this host, which
/// are known by role but, coming in from outside, believed only where another entry says so.
pub(super) fn merged<'a>(
    config: &'a Config,
    slots: impl Fn(&str) -> u32,
    host: impl Iterator<Item = (Net, u32)>,
) -> Result<Vec<(Net, Merged<'a>)>, Fault> {
    let zones = Zones::of(config);
    let mut items = Vec::new();
    for Named { at, bind, role, claims } in config.named() {
        let zones = zones.believed(bind);
        let slot = if role == ELEMENT { slots(at.id) } else { 0 };
        let entry = Merged { zones, roles: role, slot, services: Vec::new(), at: Some(at) };
        items.extend(claims.into_iter().map(|Claim { network, service }| {
            let services = service.into_iter().collect();
            (network.net().into(), Merged { services, ..entry.clone() })
        }));
    }
    items.extend(host.map(|(net, roles)| (net, Merged { roles, ..Merged::default() })));
    flatten(items, Merged::join, |parent, child| child.inherit(parent))
}

impl Merged<'_> {
    /// Another entry about the same prefix. The slot is that of the first that has one.
    fn join(&mut self, from: Self) {
        let Self { zones, roles, slot, services, at } = from;
        self.zones |= zones;
        self.roles |= roles;
        if self.slot == 0 {
            self.slot = slot;
        }
        self.services.extend(services);
        self.at = self.at.or(at);
    }

    /// What covers the prefix says something about it, too.
    fn inherit(&mut self, parent: Option<&Self>) -> Result<(), Fault> {
        if let Some(Self { zones, roles, slot, services, at }) = parent {
            self.zones |= zones;
            self.roles |= roles;
            if self.slot == 0 {
                self.slot = *slot;
            }
            self.services.extend(services);
            self.at = self.at.or(*at);
        }
        normalise(&mut self.services);
        let at = match self.at {
            Some(at) if self.services.len() > SERVICES_MAX => at,
            _ => return Ok(()),
        };
        Err(at.fault(
            format!("an address has {} services, at most {SERVICES_MAX} fit", self.services.len()),
            "join ports into ranges, drop services nobody uses, or give some another address",
        ))
    }
}

/// The order in which services win where their ports overlap.
const fn rank(kind: u8) -> u8 {
    match kind {
        KIND_SIP => 0,
        KIND_SUPPORT => 1,
        KIND_TUNNEL => 2,
        _ => 3,
    }
}

/// Sorts services by rank and joins ranges that touch or overlap.
pub(super) fn normalise(services: &mut Vec<Service>) {
    forget_insides(services);
    services.sort_unstable_by_key(|s| (rank(s.kind), s.flags, s.protocol, s.port_low, s.port_high));
    services.dedup_by(|next, kept| {
        let same = (next.kind, next.protocol, next.flags) == (kept.kind, kept.protocol, kept.flags);
        let joins = same && next.port_low <= kept.port_high.saturating_add(1);
        if joins {
            kept.port_high = kept.port_high.max(next.port_high);
        }
        joins
    });
}

/// Where tunnels with different insides end, the far end has to tell which one a frame is of.
fn forget_insides(services: &mut [Service]) {
    let is_one = |a: &Service, b: &Service| {
        (a.kind, a.protocol, a.port_low, a.port_high)
            == (b.kind, b.protocol, b.port_low, b.port_high)
    };
    let all = services.to_vec();
    for service in services.iter_mut().filter(|service| service.kind == KIND_TUNNEL) {
        if all.iter().any(|other| is_one(other, service) && other.flags != service.flags) {
            service.flags = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use guard_common::abi::party::{INSIDE_SHIFT, KIND_MEDIA};

    use super::*;

    fn is(kind: u8, protocol: u8, port_low: u16, port_high: u16) -> Service {
        Service { kind, protocol, port_low, port_high, flags: 0 }
    }

    #[test]
    fn an_end_of_several_tunnels_leaves_the_inside_to_the_far_ends() {
        let inside =
            |zone: u16| Service { flags: zone << INSIDE_SHIFT, ..is(KIND_TUNNEL, 47, 0, 65535) };
        let mut one = vec![inside(3), inside(3)];
        normalise(&mut one);
        assert_eq!(one, [inside(3)]);
        let mut several = vec![inside(3), inside(4), inside(0)];
        normalise(&mut several);
        assert_eq!(several, [inside(0)]);
    }

    #[test]
    fn ranges_that_touch_are_joined_and_ranks_kept() {
        let mut services = vec![
            is(KIND_MEDIA, 17, 1024, 65535),
            is(KIND_SUPPORT, 17, 53, 53),
            is(KIND_MEDIA, 17, 2000, 3000),
            is(KIND_SIP, 17, 5061, 5070),
            is(KIND_SIP, 17, 5060, 5060),
            is(KIND_SIP, 6, 5060, 5060),
        ];
        normalise(&mut services);
        let expected = [
            is(KIND_SIP, 6, 5060, 5060),
            is(KIND_SIP, 17, 5060, 5070),
            is(KIND_SUPPORT, 17, 53, 53),
            is(KIND_MEDIA, 17, 1024, 65535),
        ];
        assert_eq!(services, expected);
    }
}
