//! The flattened tables against the naive reading of the configuration, and against the clock.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use guard_common::abi::party::Service;
use proptest::prelude::*;

use super::*;
use crate::config::Named;

/// What the naive reading of the configuration says: every entry whose prefix holds the address.
fn naive(config: &Config, slots: &BTreeMap<String, u32>, address: IpAddr) -> Option<Party> {
    let mut party = Party::default();
    let mut services = BTreeSet::new();
    let mut longest = None;
    for Named { at, bind, role, claims } in config.named() {
        for claim in claims.iter().filter(|claim| claim.network.net().contains(&address)) {
            party.roles |= role;
            party.zones |= Zones::of(config).believed(bind);
            services.extend(claim.service);
            let length = claim.network.net().prefix_len();
            if role == ELEMENT && longest.is_none_or(|longest| length > longest) {
                longest = Some(length);
                party.slot = *slots.get(at.id).unwrap();
            }
        }
    }
    party.service_count = u32::try_from(services.len()).unwrap();
    (party.roles != 0).then_some(party)
}

/// Whether a party has a service of a kind on a port.
fn serves(party: &Party, wanted: &Service) -> bool {
    party.services.iter().any(|s| {
        (s.kind, s.protocol) == (wanted.kind, wanted.protocol)
            && s.port_low <= wanted.port_low
            && wanted.port_high <= s.port_high
    })
}

/// A prefix among few, so that they nest; of both families, of lengths from 3 and 4 up.
fn prefix() -> impl Strategy<Value = String> {
    let v4 = (any::<u32>(), 3u8..=32).prop_map(|(bits, length)| {
        let address = Ipv4Addr::from_bits(bits & 0x0101_0103 | 0x0a00_0000);
        IpNet::new(address.into(), length).unwrap().trunc().to_string()
    });
    let v6 = (any::<u128>(), prop::sample::select(vec![20u8, 29, 32, 33, 48, 64, 127, 128]))
        .prop_map(|(bits, length)| {
            let address = bits & (1 << 97 | 1 << 95 | 1 << 64 | 3) | 0x2001 << 112;
            IpNet::new(Ipv6Addr::from(address).into(), length).unwrap().trunc().to_string()
        });
    prop_oneof![v4, v6]
}

fn entry() -> impl Strategy<Value = (usize, Vec<String>, &'static str, u16)> {
    let bind =
        prop::sample::select(vec!["", "bind = ['wan0']", "bind = ['any']", "bind = ['wan0.7']"]);
    (0usize..6, prop::collection::vec(prefix(), 1..4), bind, 1u16..3000)
}

fn text(
    (number, (section, prefixes, bind, port)): (usize, (usize, Vec<String>, &str, u16)),
) -> String {
    let list = |suffix: &str, open: &str, close: &str| {
        let items = prefixes.iter().map(|prefix| format!("'{open}{prefix}{close}{suffix}'"));
        items.collect::<Vec<_>>().join(", ")
    };
    let plain = list("", "", "");
    let rest = match section {
        0 => format!("[[psap]]\nservices = [{}]", list(&format!(":{port}/udp"), "[", "]")),
        1 => format!("[[peer]]\naddresses = [{plain}]\nservices = ['{port}/tcp']"),
        2 => format!("[[support]]\naddresses = [{plain}]\nports = ['{port}/udp']"),
        3 => format!("[[tunnel]]\naddresses = [{plain}]\nkinds = ['gre']"),
        4 => format!("[[management]]\naddresses = [{plain}]"),
        _ => format!("[[neighbour]]\naddresses = [{plain}]"),
    };
    format!("{rest}\nid = 'e{number}'\n{bind}\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_longest_match_is_the_union_of_everything_around(
        entries in prop::collection::vec(entry(), 1..12),
        random in prop::collection::vec(any::<u32>(), 8),
    ) {
        let head = "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n[[interface]]\nname = 'wan0'\n\
                    role = 'untrusted'\nvlans = [{ id = 7, role = 'untrusted' }]\n";
        // Not validated: what contradicts itself must be merged rightly all the same.
        let config = parse(&entries.into_iter().enumerate().map(text).fold(head.to_owned(), |a, b| a + &b));
        let slots = slots::assign(&BTreeMap::new(), &config);
        let Ok(tables) = tables_on(&config, &[]) else {
            // More services than fit: an error, and never a part of them.
            return Ok(());
        };
        let configured = config.named().flat_map(|named| named.claims)
            .flat_map(|claim| [claim.network.net().network(), claim.network.net().broadcast()]);
        let near = random.iter().map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits & 0x0101_0103 | 0x0a00_0000)));
        for address in configured.chain(near) {
            let (found, expected) = (party(&tables, address), naive(&config, &slots, address));
            prop_assert_eq!(found.map(|p| (p.roles, p.zones)), expected.map(|p| (p.roles, p.zones)));
            let (Some(found), Some(expected)) = (found, expected) else { continue };
            prop_assert_eq!(found.slot, expected.slot);
            for claim in config.named().flat_map(|named| named.claims) {
                if let Some(service) = claim.service && claim.network.net().contains(&address) {
                    prop_assert!(serves(&found, &service));
                }
            }
            prop_assert!(found.service_count <= expected.service_count);
            prop_assert!(kinds(&found).iter().all(|kind| kind.0 != 0));
        }
    }
}

/// 6,000 PSAPs, 300 peers and 100,000 allow and deny prefixes.
fn large() -> Config {
    let mut text = String::from("[[interface]]\nname = 'lan0'\nrole = 'trusted'\n");
    for n in 0..6000u32 {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + n * 4);
        text += &format!(
            "[[psap]]\nid = 'p{n}'\nservices = ['{address}:5060/udp', '{address}:5061/tls']\n\
             media = ['{address}:16384-32767']\n"
        );
    }
    for n in 0..300u32 {
        let address = Ipv4Addr::from_bits(0x0b00_0000 + n * 256);
        text += &format!(
            "[[peer]]\nid = 'c{n}'\naddresses = ['{address}/27', '2001:db8:{n:x}::/48']\n"
        );
    }
    for n in 0..100_000u32 {
        let (list, source) = match n % 4 {
            0 => ("allow", format!("172.{}.{}.{}", 16 + (n >> 16), n >> 8 & 255, n & 255)),
            1 => ("deny", format!("2001:db8:ffff:{:x}:{:x}::/80", n >> 16, n & 0xffff)),
            2 => ("deny", format!("{}", Ipv4Addr::from_bits(0x5000_0000 + n * 64))),
            _ => ("deny", format!("{}/27", Ipv4Addr::from_bits(0x6000_0000 + n * 64))),
        };
        text += &format!("[[{list}]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'\n");
    }
    parse(&text)
}

#[test]
fn a_large_policy_is_built_in_no_time() {
    let start = Instant::now();
    let config = large();
    let parsed = start.elapsed();
    config.validate().unwrap();
    let validated = start.elapsed();
    let tables = tables_on(&config, &[]).unwrap();
    let built = start.elapsed();
    println!("parse {parsed:?}, validate {:?}, build {:?}", validated - parsed, built - validated);
    assert_eq!(tables.parties4.len() + tables.parties6.len(), 6600);
    assert_eq!(tables.acl4.len() + tables.acl6.len(), 100_000);
    // Generous: a debug build on a busy machine. What is quadratic takes minutes.
    assert!(built - validated < Duration::from_secs(5));
}
