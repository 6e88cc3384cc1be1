//! Counter slots: which number the counters of a PSAP, site or element stand under.
//!
//! A slot belongs to an id for ever, so that counters outlive any change of the configuration
//! and never turn into somebody else's. Slot 0 is nobody's.

use std::collections::BTreeMap;

use crate::config::Config;

/// Least number of slots to make room for: a fresh installation takes in the PSAPs of most states,
/// as one change. At 2 KiB a slot, half a mebibyte for each CPU.
const CAPACITY_MIN: u32 = 256;
/// Most slots to keep free for live changes, where nobody asks for more: at 2 KiB a slot, two
/// mebibytes for each CPU.
const SPARE_MAX: u32 = 1024;

/// Slots for every id that owns addresses: PSAPs with services of their own, sites, elements.
///
/// Keeps what exists, entries that are no longer configured included: that is what keeps their
/// numbers from being given out again. Store the result and pass it in the next time.
#[must_use]
pub fn assign(existing: &BTreeMap<String, u32>, config: &Config) -> BTreeMap<String, u32> {
    let mut slots = existing.clone();
    let mut next = existing.values().copied().max().unwrap_or(0).saturating_add(1);
    let psaps = config.psap.iter().filter(|psap| !psap.services.is_empty()).map(|psap| &psap.id);
    let sites = config.site.iter().map(|site| &site.id);
    let elements = config.element.iter().map(|element| &element.id);
    for id in psaps.chain(sites).chain(elements) {
        if !slots.contains_key(id.as_str()) {
            slots.insert(id.to_string(), next);
            next = next.saturating_add(1);
        }
    }
    slots
}

/// The slot to read for every configured id: its own, or that of the site or element through
/// which a PSAP is reached.
#[must_use]
pub fn readable(slots: &BTreeMap<String, u32>, config: &Config) -> BTreeMap<String, u32> {
    let own = |id: &str| slots.get(id).copied();
    let psaps = config.psap.iter().map(|psap| {
        let shared = psap.site.as_ref().or(psap.via.as_ref());
        (&psap.id, own(shared.unwrap_or(&psap.id).as_str()))
    });
    let sites = config.site.iter().map(|site| (&site.id, own(site.id.as_str())));
    let elements = config.element.iter().map(|element| (&element.id, own(element.id.as_str())));
    let all = psaps.chain(sites).chain(elements);
    all.filter_map(|(id, slot)| Some((id.to_string(), slot?))).collect()
}

/// How many slots the state maps should hold, slot 0 included: what `capacity` says, else twice
/// what is in use, up to 1,024 more than that, so that live changes find room.
#[must_use]
pub fn capacity(slots: &BTreeMap<String, u32>, config: &Config) -> u32 {
    let highest = slots.values().copied().max().unwrap_or(0);
    let used = highest.saturating_add(1);
    let usual = used.saturating_add(highest.min(SPARE_MAX)).max(CAPACITY_MIN);
    config.guard.capacity.unwrap_or(usual).max(used)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use crate::config::Format;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("t", text, Format::Toml).unwrap()
    }

    fn psaps(ids: &[&str]) -> Config {
        let entry =
            |id: &&str| format!("[[psap]]\nid = '{id}'\nservices = ['10.0.0.1:5060/udp']\n");
        config(&ids.iter().map(entry).collect::<String>())
    }

    #[test]
    fn slots_are_stable_and_never_given_out_again() {
        let first = assign(&BTreeMap::new(), &psaps(&["a", "b", "c"]));
        assert_eq!(first.values().copied().collect::<Vec<_>>(), [1, 2, 3]);
        let second = assign(&first, &psaps(&["d", "a"]));
        assert_eq!(second.get("d"), Some(&4));
        assert_eq!(second.get("c"), Some(&3), "kept although gone");
        let third = assign(&second, &psaps(&["c", "e"]));
        assert_eq!((third.get("c"), third.get("e")), (Some(&3), Some(&5)));
    }

    #[test]
    fn who_shares_addresses_shares_the_slot() {
        let config = config(
            "[[psap]]\nid = 'p'\nsite = 's'\n[[psap]]\nid = 'q'\nvia = 'g'\n\
             [[site]]\nid = 's'\nservices = ['10.0.0.1:5060/udp']\n\
             [[element]]\nid = 'g'\nkind = 'lpg'\nservices = ['10.0.0.2:5060/udp']\n",
        );
        let slots = assign(&BTreeMap::new(), &config);
        assert!(!slots.contains_key("p"));
        let readable = readable(&slots, &config);
        assert_eq!(readable.get("p"), readable.get("s"));
        assert_eq!(readable.get("q"), readable.get("g"));
        assert_ne!(readable.get("s"), readable.get("g"));
    }

    #[test]
    fn there_is_room_for_live_changes() {
        let of = |used: u32, text| {
            let slots: BTreeMap<_, _> = (1..=used).map(|slot| (slot.to_string(), slot)).collect();
            capacity(&slots, &config(text))
        };
        assert_eq!([0, 1, 127, 128, 1000].map(|used| of(used, "")), [256, 256, 256, 257, 2001]);
        assert_eq!([1024, 1025, 6000].map(|used| of(used, "")), [2049, 2050, 7025]);
        assert_eq!(of(100, "[guard]\ncapacity = 500"), 500);
        assert_eq!(of(100, "[guard]\ncapacity = 150"), 150);
        assert_eq!(of(100, "[guard]\ncapacity = 50"), 101);
    }
}
