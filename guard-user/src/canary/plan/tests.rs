//! What the plan covers, and within which time.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::{Config, Format};

const EXAMPLE: &str = include_str!("../../../../docs/guard.example.toml");
/// A frame, as evidence names it: form, transport, sender, destination.
type Seen = (&'static str, &'static str, String, SocketAddr);

fn plan_of(text: &str) -> Plan {
    let config = Config::parse("t", text, Format::Toml).unwrap();
    config.validate().unwrap();
    let names = config.interface.iter().zip(2..);
    let interfaces: BTreeMap<_, _> =
        names.map(|(interface, index)| (interface.name.clone(), index)).collect();
    Plan::new(Parties::of(&config, &interfaces, &["198.18.0.1".parse().unwrap()]))
}

/// The frames of a target in the seconds from `first` on.
fn seen(plan: &Plan, target: usize, first: u64, seconds: u64) -> BTreeSet<Seen> {
    let (each, mut out) = (plan.each_second(target), Vec::new());
    let numbers = first * each..(first + seconds) * each;
    let steps = numbers.filter_map(|number| plan.frame(target, number, u64::MAX, &mut out));
    steps.map(|step| (step.form, step.transport, step.sender.to_owned(), step.ends.1)).collect()
}

/// From whatever second on: within a minute every target meets every form, a marker by each of
/// its plain transports, and configured parties by each of all.
#[test]
fn a_minute_covers_every_form_and_transport() {
    let plan = plan_of(EXAMPLE);
    for (number, target) in plan.parties().targets.iter().enumerate() {
        for first in [0, 1, 7, 31, 59, 60, 1000] {
            let seen = seen(&plan, number, first, ROUND);
            let forms: BTreeSet<_> = seen.iter().map(|(form, ..)| *form).collect();
            for form in 0..marks::COUNT {
                let name = marks::name(form);
                assert!(forms.contains(name), "{}: {name} from {first}", target.id);
            }
            let by = |stranger: bool, end: &Endpoint| {
                let at = end.socket.at(0);
                let transport = label(end.transport, at.ip());
                seen.iter().any(|(_, by, sender, to)| {
                    *by == transport && to.port() == at.port() && (sender == "stranger") == stranger
                })
            };
            assert!(target.plain.iter().all(|end| by(true, end)), "{}: {seen:?}", target.id);
            for end in &target.endpoints {
                let sent = plan.parties().senders.get(end.socket.family()).unwrap();
                assert!(sent.is_empty() || by(false, end), "{}: {end:?}", target.id);
            }
            assert!(seen.iter().any(|(form, ..)| *form == "RTP"), "{}", target.id);
        }
    }
}

/// As many cycles as there are transports give every form every transport: what a proof sends.
#[test]
fn a_proof_covers_every_form_by_every_transport() {
    let plan = plan_of(EXAMPLE);
    let mut out = Vec::new();
    for (number, target) in plan.parties().targets.iter().enumerate() {
        let all = 0..plan.length(number) * plan.cycles(number);
        let seen: BTreeSet<_> = all
            .filter_map(|frame| plan.frame(number, frame, u64::MAX, &mut out))
            .filter(|step| step.sender == "stranger")
            .map(|step| (step.form, step.transport, step.ends.1.port()))
            .collect();
        let transports: BTreeSet<_> = target
            .plain
            .iter()
            .map(|end| (label(end.transport, end.socket.at(0).ip()), end.socket.at(0).port()))
            .collect();
        assert_eq!(seen.len(), transports.len() * marks::COUNT, "{}", target.id);
    }
}

/// All peers and support services get their turn in a minute, however they are shared out.
#[test]
fn a_minute_covers_every_configured_party() {
    let plan = plan_of(EXAMPLE);
    let targets = 0..plan.parties().targets.len();
    let all: BTreeSet<_> =
        targets.flat_map(|target| seen(&plan, target, 5, 2 * ROUND)).map(|s| s.2).collect();
    for id in ["carrier-a", "new-hampshire", "lpg-east", "esrp-1", "dns", "location-and-policy"] {
        assert!(all.contains(id), "{id}: {all:?}");
    }
}

/// A frame comes in only where its sender is believed, and where an interface is there.
#[test]
fn frames_come_in_where_their_sender_is_bound() {
    let plan = plan_of(EXAMPLE);
    let mut out = Vec::new();
    let mut entrances = BTreeMap::<String, BTreeSet<_>>::new();
    for number in 0..5000 {
        if let Some(step) = plan.frame(0, number, u64::MAX, &mut out) {
            let place = (step.entrance.interface.clone(), step.entrance.vlan);
            entrances.entry(step.sender.to_owned()).or_default().insert(place);
        }
        assert!(plan.frame(0, number, 0, &mut out).is_none());
    }
    let at = |name: &str, vlan| (name.to_owned(), vlan);
    // Trusted: esinet0 and VLAN 200.
    let carrier = [at("esinet0", None), at("wan0", Some(100)), at("wan0", Some(200))];
    assert_eq!(entrances.get("carrier-a"), Some(&BTreeSet::from(carrier)));
    assert_eq!(entrances.get("stranger").unwrap().len(), plan.parties().entrances.len());
}

/// Whoever takes the first choice of strangers, another is found; an allow entry excludes, too.
#[test]
fn strangers_are_nobody() {
    let text = format!(
        "{EXAMPLE}\n[[allow]]\nsource = '198.18.0.0/15'\nowner = 'o'\nreason = 'r'\n\
         [[deny]]\nsource = '203.0.113.200/29'\nowner = 'o'\nreason = 'r'\n"
    );
    let plan = plan_of(&text);
    let [v4, v6] = plan.parties().strangers.map(|stranger| stranger.unwrap());
    assert!(v4.to_string().starts_with("203.0.113."), "{v4}");
    assert!(v6.to_string().starts_with("2001:2:"), "{v6}");
}

/// A prefix is not its first address.
#[test]
fn all_addresses_of_a_small_prefix_get_their_turn() {
    let plan = plan_of(EXAMPLE);
    let parties = plan.parties();
    let (number, _) =
        parties.targets.iter().enumerate().find(|(_, t)| t.id == "hosted-west").unwrap();
    let all = seen(&plan, number, 0, 8 * ROUND);
    let addresses: BTreeSet<_> = all.iter().map(|(_, _, _, to)| to.ip()).collect();
    assert!(addresses.len() >= 4, "{addresses:?}");
}
