//! Makes up who is in a network, and writes down who is in that of the fixtures.

use std::fmt::Write as _;

use super::net::Net;
use super::random::Random;
use super::world::{ANY, Party, Port, Role, VLAN_ZONE, World};
use crate::fixtures::network::{LAN, WAN};

/// What most carriers and elements serve.
const USUAL: [&str; 4] = ["5060/udp", "5060/tcp", "5060/sctp", "5061/tls"];

impl World {
    /// Some network.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        let vlan = (!random.once_in(4)).then(|| random.once_in(4));
        let mut parties = Vec::new();
        for number in 0..random.between(1, 4) {
            let nets =
                nets(random, [198, 51, 100, 16 * (number as u8 + 1)], [0x10, number as u16], 28);
            parties.push(element(random, nets));
        }
        for number in 0..random.between(1, 3) {
            let nets = nets(random, [203, 0, 113, 32 * number as u8], [0xa, number as u16], 27);
            parties.push(peer(random, nets));
        }
        if random.once_in(2) {
            let nets = nets(random, [198, 51, 100, 240], [0x53, 0], 29);
            parties.push(party(Role::Support, nets, &["53/udp", "443/tls"], None));
        }
        if random.once_in(2) {
            let nets = nets(random, [198, 51, 100, 224], [0x99, 0], 28);
            parties.push(party(Role::Management, nets, &[], None));
        }
        for party in &mut parties {
            party.bind = bind(random, vlan.is_some());
        }
        let transit = random.pick(&["pass", "limit"]);
        Self { parties, wan_trusted: random.once_in(5), vlan, transit, lists: lists(random) }
    }

    /// The network of the fixtures, as far as frames between its parties and calls to its elements
    /// go: `fixtures/guard.toml` in the oracle's own words.
    #[must_use]
    pub fn of_fixtures() -> Self {
        let ours = |last| Net::v4([198, 51, 100, last], 32);
        let ours6 = |last| Net::host6([0x2001, 0xdb8, 0x10], last);
        let (some, high) = (Some((16384, 32767)), Some((1024, 65535)));
        let element = |net, ports: &[&'static str], media| Party {
            bind: vec![LAN],
            ..party(Role::Element, vec![net], ports, media)
        };
        let carrier = |nets, media, zone| Party {
            bind: vec![zone],
            ..party(Role::Peer, nets, &USUAL, media)
        };
        let carrier_a = vec![Net::v4([203, 0, 113, 0], 27), Net::v6([0x2001, 0xdb8, 0xa], 48)];
        let noc = vec![Net::v4([198, 51, 100, 192], 28)];
        let parties = vec![
            element(ours(10), &USUAL, some),
            element(ours6(0x10), &["5060/udp", "5060/tcp", "5061/tls"], some),
            element(ours(20), &["5060/udp", "5080/tcp"], None),
            element(ours(21), &[], some),
            element(ours(30), &["5060/udp"], high),
            element(ours(40), &["5060/udp", "5060/tcp"], high),
            element(ours6(0x40), &["5060/udp"], high),
            carrier(carrier_a, None, WAN),
            carrier(vec![Net::v4([203, 0, 113, 64], 28)], high, VLAN_ZONE),
            Party { bind: vec![LAN], ..party(Role::Management, noc, &[], None) },
        ];
        let lists = String::new();
        Self { parties, wan_trusted: false, vlan: Some(false), transit: "pass", lists }
    }
}

fn party(role: Role, nets: Vec<Net>, ports: &[&'static str], media: Option<(u16, u16)>) -> Party {
    let services = ports.iter().filter_map(|port| Port::parse(port)).collect();
    Party { role, nets, services, media, bind: Vec::new() }
}

fn element(random: &mut Random, nets: Vec<Net>) -> Party {
    let all = ["5060/udp", "5060/tcp", "5061/tls", "5060/sctp", "15060/udp", "5080/tcp"];
    let mut ports = all.to_vec();
    ports.retain(|_| random.once_in(2));
    if ports.is_empty() {
        ports.push(random.pick(&all));
    }
    let media = random.pick(&[(16384, 32767), (1024, 65535), (40000, 40001)]);
    party(Role::Element, nets, &ports, Some(media))
}

fn peer(random: &mut Random, nets: Vec<Net>) -> Party {
    let ports = random.pick(&[USUAL.as_slice(), &["5070/udp"], &["5080/tcp", "5060/udp"]]);
    let media = random.pick(&[(1024, 65535), (10000, 20000)]);
    party(Role::Peer, nets, ports, Some(media))
}

/// The zones somebody may come in by.
fn bind(random: &mut Random, vlan: bool) -> Vec<&'static str> {
    let without: [&[&str]; 4] = [&[LAN], &[WAN], &[ANY], &[LAN, WAN]];
    let with: [&[&str]; 3] = [&[VLAN_ZONE], &[LAN, VLAN_ZONE], &[WAN, VLAN_ZONE]];
    match vlan && random.once_in(2) {
        true => random.pick(&with).to_vec(),
        false => random.pick(&without).to_vec(),
    }
}

/// Addresses of one or both families: single ones, or whole prefixes.
fn nets(random: &mut Random, v4: [u8; 4], block: [u16; 2], length: u8) -> Vec<Net> {
    let [a, b, c, d] = v4;
    let [third, fourth] = block;
    let whole = random.once_in(2);
    let four = if whole { Net::v4(v4, length) } else { Net::v4([a, b, c, d + 2], 32) };
    // A /48 each, told apart by its third word.
    let words = [0x2001, 0xdb8, third + (fourth << 8)];
    let six = if whole { Net::v6(words, 64) } else { Net::host6(words, 7) };
    match random.below(4) {
        0 => vec![six],
        1 => vec![four],
        _ => vec![four, six],
    }
}

/// Some entries about strangers, none about anybody configured.
fn lists(random: &mut Random) -> String {
    let mut text = String::new();
    let sources =
        ["192.0.2.0/24", "198.18.0.0/17", "198.19.0.0/16", "2001:db8:5::/48", "192.0.2.64/26"];
    for source in sources {
        let action = match random.below(4) {
            0 => "allow",
            1 | 2 => "deny",
            _ => continue,
        };
        // Writing to memory does not fail.
        let _ = writeln!(text, "[[{action}]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::network::{Network, made_up};

    #[test]
    fn the_guard_takes_every_network() {
        for seed in 0..200 {
            let world = World::any(&mut Random::new(seed));
            let _ = Network::of(&world.config(), made_up());
        }
    }
}
