//! Where a frame comes in: as told, as the capture says, or where its source is believed.

use guard_common::frame::{Frame, Parsed, Version};
use guard_common::index::Search;

use super::Ground;
use crate::config::{Role, Zones};
use crate::policy::model::Model;

/// How it was found out where a frame comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Somebody said so.
    Asked,
    /// The capture names this interface.
    Captured,
    /// The source is bound there; a stranger comes in by the first untrusted interface.
    Source,
}

/// Where a frame comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance<'a> {
    /// The interface's name.
    pub name: &'a str,
    /// Its index in the policy.
    pub index: u32,
    /// How that was found out.
    pub how: How,
}

impl Ground {
    /// The interface of this name, if the policy has one.
    #[must_use]
    pub fn interface(&self, name: &str, how: How) -> Option<Entrance<'_>> {
        let (name, index) = self.interfaces.get_key_value(name)?;
        Some(Entrance { name, index: *index, how })
    }

    /// Where a frame comes in that was captured on an interface of this name. `None` if the policy
    /// has no interface at all.
    #[must_use]
    pub fn entrance(
        &self,
        model: &Model,
        captured: Option<&str>,
        frame: &[u8],
    ) -> Option<Entrance<'_>> {
        if let Some(entrance) = captured.and_then(|name| self.interface(name, How::Captured)) {
            return Some(entrance);
        }
        let believed = believed(model, frame);
        let zones = Zones::of(&self.config);
        let entries = (0_u32..).zip(zones.list());
        // The inside of a tunnel is a zone, but nothing comes in there.
        let places = entries.filter(|(_, zone)| self.interfaces.contains_key(zone.interface));
        let is_in = |number: u32| believed.is_some_and(|zones| zones >> (number & 63) & 1 == 1);
        let best = places.min_by_key(|(number, zone)| {
            let untrusted = zone.role == Role::Untrusted;
            match believed {
                // Where it is bound says more than where all are believed.
                Some(_) => (!is_in(*number), !untrusted, *number),
                None => (!untrusted, false, *number),
            }
        });
        self.interface(best?.1.interface, How::Source)
    }
}

/// Zones (bits) in which a frame's source is believed; `None` for a stranger.
fn believed(model: &Model, bytes: &[u8]) -> Option<u64> {
    let mut frame = Frame::unknown();
    let Parsed::Ip = frame.parse(&bytes) else { return None };
    let mut search = Search::default();
    let party = match frame.version {
        Version::V4 => search.party4(model, frame.source.ipv4()),
        Version::V6 => search.party6(model, frame.source.0),
        Version::Unknown => None,
    };
    party.map(|party| party.zones).filter(|zones| *zones != 0)
}
