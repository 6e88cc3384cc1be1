//! What is inside of a tunnel is held to what the same frame outside of it would be, where the
//! site wants it looked at; everywhere else a tunnel between configured ends passes whole.

#![expect(clippy::expect_used, clippy::panic, reason = "a failed test may panic")]

use guard_common::abi::party::{INSIDE_SHIFT, KIND_TUNNEL, Party};
use guard_common::abi::policy::Policy;
use guard_tests::fixtures::network::{
    BOSTON, CARRIER_A, CONFIG, HOST, LAN, Network, STRANGER, VLAN_B, WAN, real,
};
use guard_tests::fixtures::run::{Answer, Both, Mode, verdict};
use guard_tests::fixtures::sip::{emergency_invite, plain_invite};
use guard_tests::fixtures::{Fixture, all, lan, wan};
use guard_tests::packet::{NETWORK, udp, wrapped_in_qinq, wrapped_in_vlan};
use guard_tests::privilege::require_bpf;
use guard_tests::tunnels::{Carrier, behind_labels};
use guard_user::config::{Config, Format};

/// Far end of the tunnel whose inside is like `lan0`.
const FAR_LAN: &str = "203.0.113.201";
/// Far end of the tunnel whose inside is like `wan0`.
const FAR_WAN: &str = "203.0.113.202";
/// Far end of a tunnel that nobody looks into.
const FAR_OPAQUE: &str = "203.0.113.200";

const TUNNELS: &str = "
[[tunnel]]
id = 'gre-lan'
addresses = ['203.0.113.201', '198.51.100.1']
kinds = ['gre', 'ipip', 'vxlan', 'esp']
inside = 'trusted'
bind = ['any']

[[tunnel]]
id = 'gre-wan'
addresses = ['203.0.113.202', '198.51.100.1']
kinds = ['gre', 'ipip', 'vxlan', 'esp']
inside = 'untrusted'
bind = ['any']
";

/// The network of the fixtures with two more tunnels, in the kernel.
fn network(edit: impl Fn(String) -> String) -> Network {
    let text = edit(format!("{CONFIG}{TUNNELS}"));
    let config = Config::parse("guard.toml", &text, Format::Toml)
        .unwrap_or_else(|error| panic!("the configuration: {error}"));
    config.validate().unwrap_or_else(|error| panic!("the configuration: {error}"));
    Network::of(&config, real())
}

/// The same where the inside of a tunnel is not a zone of its own but that of an interface.
fn like_interfaces() -> Network {
    let mut network = network(|text| text);
    let zones = [LAN, WAN].map(|name| {
        let index = network.interface(name);
        let place = network.tables.policy.interfaces.iter_mut().find(|i| i.index == index);
        let interface = place.expect("an interface of the policy");
        // No VLAN can be seen from inside.
        interface.untagged = 1 << interface.zone;
        interface.zone
    });
    let parties4 = network.tables.parties4.values_mut();
    for party in parties4.chain(network.tables.parties6.values_mut()) {
        renumber(party, zones);
    }
    network
}

fn renumber(party: &mut Party, [lan, wan]: [u16; 2]) {
    let inside = party.services.iter_mut().filter(|s| s.kind == KIND_TUNNEL && s.flags != 0);
    for service in inside {
        // The trusted one was configured first.
        let number = (service.flags >> INSIDE_SHIFT) - 1;
        let zone = if usize::from(number) + 2 == ZONES { lan } else { wan };
        service.flags = (zone + 1) << INSIDE_SHIFT;
    }
}

/// Zones of the network: two interfaces, a VLAN, two tunnels.
const ZONES: usize = 5;

fn untagged() -> Vec<Fixture> {
    let mut fixtures = all();
    fixtures.retain(|fixture| {
        fixture.steps.iter().all(|step| {
            let kind = step.frame.get(NETWORK - 2..NETWORK);
            [LAN, WAN].contains(&step.interface)
                && !kind.is_some_and(|kind| matches!(kind, [0x81, 0] | [0x88, 0xa8]))
        })
    });
    fixtures
}

/// Runs a fixture outside and inside; what differs.
fn compare(
    network: &Network,
    [outside, inside]: [&mut Both; 2],
    fixture: &Fixture,
    carrier: Carrier,
) -> Result<usize, String> {
    outside.start_over(Mode::Enforce);
    inside.start_over(Mode::Enforce);
    let mut same = 0;
    for (number, step) in (1..).zip(&fixture.steps) {
        let far = if step.interface == LAN { FAR_LAN } else { FAR_WAN };
        let Some(carried) = carrier.carry(far, HOST, &step.frame) else { continue };
        let place = format!("{}, step {number}, {carrier:?}", fixture.name);
        let named = |why| format!("{place}: {why}");
        let plain = outside.run(&step.frame, network.interface(step.interface)).map_err(named)?;
        let tunnelled = inside.run(&carried, network.interface(WAN)).map_err(named)?;
        let is =
            |answer: &Answer| (answer.reason().name(), answer.slot, answer.dropped, answer.alarms);
        if is(&plain) == is(&tunnelled) {
            same += 1;
            continue;
        }
        // Where nobody's addresses can be read, the tunnel passes as a tunnel.
        let unread = ["not_ip", "unreadable", "invalid_within", "invalid_over_source"];
        if tunnelled.reason().name() != "tunnel" || !unread.contains(&plain.reason().name()) {
            return Err(format!("{place}: {:?} outside, {:?} inside", is(&plain), is(&tunnelled)));
        }
    }
    Ok(same)
}

#[test]
fn every_fixture_comes_out_inside_as_it_does_outside() {
    if !require_bpf() {
        return;
    }
    let network = like_interfaces();
    let (mut outside, mut inside) = (Both::new(&network.tables), Both::new(&network.tables));
    let fixtures = untagged();
    assert!(fixtures.len() > 200, "{} fixtures are left", fixtures.len());
    let mut same = 0;
    let mut failures = Vec::new();
    for carrier in Carrier::ALL {
        for fixture in &fixtures {
            match compare(&network, [&mut outside, &mut inside], fixture, carrier) {
                Ok(steps) => same += steps,
                Err(why) => failures.push(Err(why)),
            }
        }
    }
    verdict(failures.into_iter());
    println!("{same} frames came out inside as they did outside");
    assert!(same > 3000, "only {same} frames were compared");
}

/// The answers to a frame, a few times in a row, in an enforcing guard.
fn reasons(both: &mut Both, frame: &[u8], interface: u32) -> Vec<(&'static str, bool)> {
    let answer = |_| {
        let answer = both.run(frame, interface).expect("host and kernel agree");
        (answer.reason().name(), answer.dropped)
    };
    (0..8).map(answer).collect()
}

#[test]
fn nobody_looks_into_a_tunnel_that_is_not_to_be_looked_into() {
    if !require_bpf() {
        return;
    }
    let network = network(|text| text);
    let mut both = Both::new(&network.tables);
    let flood = udp(STRANGER, BOSTON, plain_invite()).frame();
    for carrier in Carrier::ALL {
        let carried = carrier.carry(FAR_OPAQUE, HOST, &flood).expect("a frame");
        let found = reasons(&mut both, &carried, network.interface(WAN));
        assert!(found.iter().all(|found| *found == ("tunnel", false)), "{carrier:?}: {found:?}");
    }
}

#[test]
fn a_stranger_inside_is_a_stranger_and_its_marked_call_passes() {
    if !require_bpf() {
        return;
    }
    let network = network(|text| text);
    let mut both = Both::new(&network.tables);
    for carrier in Carrier::ALL {
        both.start_over(Mode::Enforce);
        let carried = |message: String| {
            let frame = udp(STRANGER, BOSTON, message).frame();
            carrier.carry(FAR_WAN, HOST, &frame).expect("a frame")
        };
        let flood = reasons(&mut both, &carried(plain_invite()), network.interface(WAN));
        assert!(flood.contains(&("sip_over_source", true)), "{carrier:?}: {flood:?}");
        let call = reasons(&mut both, &carried(emergency_invite()), network.interface(WAN));
        assert!(call.iter().all(|(_, dropped)| !dropped), "{carrier:?}: {call:?}");
        assert_eq!(call.first(), Some(&("marked", false)), "{carrier:?}");
    }
}

#[test]
fn a_peer_is_believed_inside_only_where_it_is_bound_to_the_tunnel() {
    if !require_bpf() {
        return;
    }
    let frame = udp(CARRIER_A, BOSTON, plain_invite()).frame();
    for (bound, expected) in [(false, "sip_within"), (true, "signalling")] {
        let network = network(|text| {
            if bound {
                text.replacen("bind = [\"wan0\"", "bind = [\"gre-wan\", \"wan0\"", 64)
            } else {
                text
            }
        });
        let mut both = Both::new(&network.tables);
        let carried = Carrier::Gre.carry(FAR_WAN, HOST, &frame).expect("a frame");
        let answer = both.run(&carried, network.interface(WAN)).expect("host and kernel agree");
        assert_eq!(answer.reason().name(), expected);
        assert_eq!(answer.alarms[0], u64::from(!bound), "unbound_source");
        // The trusted one believes everybody.
        let carried = Carrier::Gre.carry(FAR_LAN, HOST, &frame).expect("a frame");
        let answer = both.run(&carried, network.interface(WAN)).expect("host and kernel agree");
        assert_eq!(answer.reason().name(), "signalling");
    }
}

#[test]
fn a_stranger_s_tunnel_is_limited_whatever_is_inside() {
    if !require_bpf() {
        return;
    }
    let network = network(|text| text);
    let mut both = Both::new(&network.tables);
    let inside = udp(CARRIER_A, BOSTON, emergency_invite()).frame();
    for carrier in Carrier::ALL {
        both.start_over(Mode::Enforce);
        let carried = carrier.carry("198.18.7.7", HOST, &inside).expect("a frame");
        let found = reasons(&mut both, &carried, network.interface(WAN));
        assert!(found.contains(&("tunnel_over_source", true)), "{carrier:?}: {found:?}");
    }
}

#[test]
fn a_tunnel_in_fragments_and_a_tunnel_in_a_tunnel_pass_whole() {
    if !require_bpf() {
        return;
    }
    let network = network(|text| text);
    let mut both = Both::new(&network.tables);
    let flood = udp(STRANGER, BOSTON, plain_invite()).frame();
    let packet = flood.get(NETWORK..).expect("a packet");
    let datagram = guard_tests::packet::ip(FAR_WAN, HOST, 4, packet);
    for fragment in datagram.fragments(64) {
        let found = reasons(&mut both, &fragment, network.interface(WAN));
        assert!(found.iter().all(|(_, dropped)| !dropped), "{found:?}");
    }
    let once = Carrier::Gre.carry(FAR_WAN, HOST, &flood).expect("a frame");
    let twice = Carrier::Gre.carry(FAR_LAN, HOST, &once).expect("a frame");
    let found = reasons(&mut both, &twice, network.interface(WAN));
    assert!(found.iter().all(|found| *found == ("tunnel", false)), "{found:?}");
}

#[test]
fn what_is_behind_labels_is_looked_at_where_the_site_wants_it() {
    if !require_bpf() {
        return;
    }
    let flood = wan(udp(STRANGER, BOSTON, plain_invite())).frame;
    let call = lan(udp(STRANGER, BOSTON, emergency_invite())).frame;
    let stacks: [&[u32]; 3] = [&[16], &[16, 17], &[16, 17, 18, 19, 20, 21]];
    for wanted in [false, true] {
        let network = network(|text| {
            if wanted { text.replacen("[guard]", "[guard]\nmpls = 'inside'", 1) } else { text }
        });
        assert_eq!(has_labels(&network.tables.policy), wanted);
        let mut both = Both::new(&network.tables);
        for stack in stacks {
            both.start_over(Mode::Enforce);
            let wan = network.interface(WAN);
            let found = reasons(&mut both, &behind_labels(&flood, stack), wan);
            assert_eq!(found.contains(&("sip_over_source", true)), wanted, "{found:?}");
            assert_eq!(found.contains(&("not_ip", false)), !wanted, "{found:?}");
            let found = reasons(&mut both, &behind_labels(&call, stack), wan);
            assert!(found.iter().all(|(_, dropped)| !dropped), "{found:?}");
            let expected = if wanted { "marked" } else { "not_ip" };
            assert_eq!(found.first(), Some(&(expected, false)), "{found:?}");
        }
        // The VLAN is the label switch's.
        let carrier = udp("203.0.113.70:5060", BOSTON, plain_invite()).frame();
        let tagged = wrapped_in_vlan(&behind_labels(&carrier, &[16]), VLAN_B);
        let answer = both.run(&tagged, network.interface(WAN)).expect("host and kernel agree");
        assert_eq!(answer.reason().name(), if wanted { "signalling" } else { "not_ip" });
        // Deeper than is looked: passes.
        let deep = behind_labels(&flood, &[16; 7]);
        let found = reasons(&mut both, &wrapped_in_qinq(&deep, 5, 6), network.interface(WAN));
        assert!(found.iter().all(|found| *found == ("not_ip", false)), "{found:?}");
    }
}

fn has_labels(policy: &Policy) -> bool {
    policy.scope & guard_common::abi::policy::SCOPE_LABELS != 0
}
