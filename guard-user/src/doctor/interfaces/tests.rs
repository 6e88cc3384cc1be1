//! What is said of cards that nobody here has.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use super::super::Mark;
use super::*;

/// A card as it should be: native, sixteen queues, nothing joined.
struct Card {
    details: Details,
    entry: InterfaceEntry,
    offloads: Offloads,
    features: Option<XdpFeatures>,
}

impl Card {
    fn with(attach: Attach) -> Self {
        let entry = "name = 'eth0'\nrole = 'untrusted'\n";
        let details = Details {
            index: 2,
            name: "eth0".to_owned(),
            kind: ETHERNET,
            mtu: 1500,
            master: None,
            virtual_kind: None,
            queues: 16,
        };
        let offloads = Offloads {
            driver: Some("a driver".to_owned()),
            strips_vlan: Some(false),
            lro: Some(false),
            gro: Some(false),
            queues: Some((16, 16)),
        };
        let entry = InterfaceEntry { attach, ..toml::from_str(entry).unwrap() };
        Self { details, entry, offloads, features: Some(XdpFeatures::made_up(true, true)) }
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            details: &self.details,
            entry: Some(&self.entry),
            offloads: self.offloads.clone(),
            features: self.features,
            cpus: 16,
        }
    }
}

const NEVER: Option<XdpFeatures> = Some(XdpFeatures::made_up(false, false));

#[test]
fn a_good_card_is_well() {
    let card = Card::with(Attach::Auto);
    let seen = card.seen();
    assert_eq!(seen.native().mark, Mark::Ok);
    assert_eq!(seen.size(), None);
    assert_eq!(seen.offloads(), []);
    assert_eq!(seen.queues().unwrap().mark, Mark::Ok);
    assert_eq!(seen.bound(&[]), None);
}

#[test]
fn a_card_that_joins_segments_is_a_warning() {
    for attach in [Attach::Native, Attach::Generic, Attach::Auto] {
        let mut card = Card::with(attach);
        card.offloads.lro = Some(true);
        let found = card.seen().offloads();
        let [Finding { mark: Mark::Warn, next: Some(next), .. }] = &found[..] else {
            unreachable!("{found:?}");
        };
        assert_eq!(next, "`ethtool -K eth0 lro off`");
    }
}

/// GRO comes behind the driver and before the generic path.
#[test]
fn gro_matters_where_the_guard_runs_generic() {
    for (attach, features, matters) in [
        (Attach::Generic, None, true),
        (Attach::Generic, NEVER, true),
        (Attach::Auto, NEVER, true),
        (Attach::Auto, None, false),
        (Attach::Auto, Card::with(Attach::Auto).features, false),
        (Attach::Native, NEVER, false),
    ] {
        let mut card = Card::with(attach);
        card.features = features;
        card.offloads.gro = Some(true);
        let joined = |found: &Finding| {
            found.mark == Mark::Warn && found.next.as_deref() == Some("`ethtool -K eth0 gro off`")
        };
        let found = card.seen().offloads();
        assert_eq!(found.iter().any(joined), matters, "{attach:?} {features:?}: {found:?}");
        card.offloads.gro = Some(false);
        assert_eq!(card.seen().offloads(), []);
    }
}

#[test]
fn one_queue_for_many_cpus_is_a_warning() {
    let mut card = Card::with(Attach::Native);
    card.offloads.queues = Some((1, 8));
    let next = |card: &Card| card.seen().queues().unwrap().next.unwrap();
    assert_eq!(card.seen().queues().unwrap().mark, Mark::Warn);
    assert_eq!(next(&card), "`ethtool -L eth0 combined 8`");
    // What ethtool does not tell, the kernel's own queues do.
    card.offloads.queues = None;
    card.details.queues = 1;
    assert_eq!(next(&card), "a card with several queues (RSS)");
    let lone = Seen { cpus: 1, ..card.seen() };
    assert_eq!(lone.queues().unwrap().mark, Mark::Ok);
    card.details.virtual_kind = Some("veth".to_owned());
    assert_eq!(card.seen().queues(), None);
}

#[test]
fn a_bond_does_for_trusted_sides_alone() {
    let mut card = Card::with(Attach::Native);
    card.details.virtual_kind = Some("bond".to_owned());
    assert_eq!(card.seen().bound(&[]).unwrap().mark, Mark::Fail);
    card.entry.role = Role::Trusted;
    assert_eq!(card.seen().bound(&[]).unwrap().mark, Mark::Warn);
    let bond = Details { index: 7, name: "bond0".to_owned(), ..card.details.clone() };
    card.details.virtual_kind = None;
    card.details.master = Some(7);
    let member = card.seen().bound(&[bond]).unwrap();
    assert_eq!((member.mark, member.text.as_str()), (Mark::Ok, "it belongs to the bond bond0"));
}

#[test]
fn a_driver_without_native_mode_fails_who_asked_for_it() {
    for (attach, mark) in
        [(Attach::Native, Mark::Fail), (Attach::Auto, Mark::Warn), (Attach::Generic, Mark::Warn)]
    {
        let mut card = Card::with(attach);
        card.features = NEVER;
        assert_eq!(card.seen().native().mark, mark, "{attach:?}");
        card.features = None;
        assert_eq!(card.seen().native().mark, Mark::Unknown);
        card.offloads.driver = Some("ixgbe".to_owned());
        assert_eq!(card.seen().native().mark, Mark::Ok, "known, not asked");
    }
}

#[test]
fn frames_above_a_buffer_need_a_driver_that_shows_them() {
    let mut card = Card::with(Attach::Native);
    card.details.mtu = 9000;
    for (features, mark) in [(card.features, Mark::Ok), (NEVER, Mark::Warn), (None, Mark::Unknown)]
    {
        card.features = features;
        assert_eq!(card.seen().size().unwrap().mark, mark);
    }
}
