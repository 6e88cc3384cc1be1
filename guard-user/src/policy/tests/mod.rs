//! The tables against what the configuration says, one address at a time.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, UNIX_EPOCH};

use guard_common::abi::acl::{ACTION_ALLOW, ACTION_DENY};
use guard_common::abi::party::{KIND_MEDIA, KIND_SIP, KIND_SUPPORT, MANAGEMENT, PEER, SUPPORT};
use guard_common::abi::state::Cells;
use guard_common::index::Search;
use guard_common::prefix::{Lengths, bucket4, bucket6, length4, length6, network4, network6};
use guard_common::tables::Tables;

use super::model::Model;
use super::*;
use crate::config::{Format, Zones};

mod union;

const NOW: u64 = 1_000_000_000_000;

fn clock() -> Clock {
    // 2026-01-01T00:00:00Z
    Clock { wall: UNIX_EPOCH + Duration::from_secs(1_767_225_600), monotonic: NOW }
}

fn parse(text: &str) -> Config {
    Config::parse("t", text, Format::Toml).unwrap()
}

fn tables_on(config: &Config, host: &[IpAddr]) -> Result<PolicyTables, ConfigError> {
    let slots = slots::assign(&BTreeMap::new(), config);
    let interfaces =
        (10..).zip(&config.interface).map(|(index, entry)| (entry.name.clone(), index));
    build(
        config,
        &Inputs {
            slots: &slots,
            capacity: slots::capacity(&slots, config),
            interfaces: &interfaces.collect(),
            host,
            clock: clock(),
            generation: 7,
            hash_key: 42,
        },
    )
}

fn tables(text: &str) -> PolicyTables {
    let config = parse(text);
    config.validate().unwrap();
    tables_on(&config, &[]).unwrap()
}

/// The longest match, found as the data plane finds it.
fn party(tables: &PolicyTables, address: IpAddr) -> Option<Party> {
    match address {
        IpAddr::V4(v4) => {
            let address = v4.octets();
            let bucket = usize::try_from(bucket4(address)).unwrap();
            let mut lengths = Lengths::new(*tables.party_lengths4.get(bucket).unwrap());
            std::iter::from_fn(|| lengths.take())
                .find_map(|bit| tables.parties4.get(&network4(address, length4(bit))).copied())
        }
        IpAddr::V6(v6) => {
            let address = v6.octets();
            let bucket = usize::try_from(bucket6(address)).unwrap();
            let mut lengths = Lengths::new(*tables.party_lengths6.get(bucket).unwrap());
            std::iter::from_fn(|| lengths.take()).find_map(|bit| {
                let length = length6(&tables.policy.party_lengths6, bit)?;
                tables.parties6.get(&network6(address, length)).copied()
            })
        }
    }
}

fn find(tables: &PolicyTables, address: &str) -> Option<Party> {
    party(tables, address.parse().unwrap())
}

fn kinds(party: &Party) -> Vec<(u8, u8, u16, u16)> {
    let used = party.services.iter().take(usize::try_from(party.service_count).unwrap());
    used.map(|s| (s.kind, s.protocol, s.port_low, s.port_high)).collect()
}

const SITE: &str = "
[[interface]]
name = 'lan0'
role = 'trusted'
[[interface]]
name = 'wan0'
role = 'untrusted'
vlans = [{ id = 100, role = 'untrusted' }, { id = 200, role = 'trusted' }]
[[interface]]
name = 'wan1'
role = 'untrusted'
[[psap]]
id = 'A'
services = ['198.51.100.10:5060/udp', '[2001:db8::10]:5061/tls']
bind = ['any']
[[psap]]
id = 'B'
site = 'hosted'
[[site]]
id = 'hosted'
services = ['198.51.100.0/28:5060/udp']
media = ['198.51.100.0/28:20000-29999']
bind = ['wan0']
[[peer]]
id = 'P'
addresses = ['203.0.113.0/24']
bind = ['wan0.100']
[[support]]
id = 'dns'
addresses = ['203.0.113.53', '192.0.2.53']
ports = ['53/udp', '3868/tcp']
bind = ['wan1']
[[management]]
id = 'noc'
addresses = ['192.0.0.0/16', '2001:db8:ff::/48']
bind = ['wan1']
";

// Zones: lan0 = 0, wan0 = 1, wan0.100 = 2, wan0.200 = 3, wan1 = 4. Trusted: 0 and 3.
const TRUSTED: u64 = 0b01001;

#[test]
fn the_longest_match_says_what_all_covering_entries_say() {
    let tables = tables(SITE);
    let site = find(&tables, "198.51.100.3").unwrap();
    assert_eq!((site.roles, site.zones), (ELEMENT, TRUSTED | 0b00010));
    assert_eq!(kinds(&site), [(KIND_SIP, 17, 5060, 5060), (KIND_MEDIA, 17, 20000, 29999)]);
    // The PSAP inside the site's prefix: its own slot, both binds, the wider media range.
    let psap = find(&tables, "198.51.100.10").unwrap();
    assert_eq!((psap.roles, psap.zones), (ELEMENT, 0b11111));
    assert_eq!(kinds(&psap), [(KIND_SIP, 17, 5060, 5060), (KIND_MEDIA, 17, 1024, 65535)]);
    assert_ne!(psap.slot, site.slot);
    // A support service inside a peer's prefix.
    let dns = find(&tables, "203.0.113.53").unwrap();
    assert_eq!((dns.roles, dns.zones, dns.slot), (PEER | SUPPORT, TRUSTED | 0b10100, 0));
    let order: Vec<_> = kinds(&dns).iter().map(|kind| kind.0).collect();
    // By TCP, TLS, UDP and SCTP: TLS is a service of its own, because it is not copied.
    let expected = [KIND_SIP, KIND_SIP, KIND_SIP, KIND_SIP, KIND_SUPPORT, KIND_SUPPORT, KIND_MEDIA];
    assert_eq!(order, expected);
    let inside = find(&tables, "192.0.2.53").unwrap();
    assert_eq!(inside.roles, MANAGEMENT | SUPPORT);
    assert_eq!(find(&tables, "2001:db8::10").unwrap().slot, psap.slot);
    assert_eq!(find(&tables, "2001:db8:ff:1::1").unwrap().roles, MANAGEMENT);
    for stranger in ["198.51.100.16", "203.0.114.1", "2001:db8::11", "0.0.0.0", "::"] {
        assert_eq!(find(&tables, stranger), None, "{stranger}");
    }
}

#[test]
fn host_addresses_are_known_but_not_believed() {
    let host: Vec<IpAddr> = ["192.0.2.1", "127.0.0.1", "198.51.100.10", "fe80::1", "10.9.9.9"]
        .into_iter()
        .map(|address| address.parse().unwrap())
        .collect();
    let tables = tables_on(&parse(SITE), &host).unwrap();
    let own = find(&tables, "10.9.9.9").unwrap();
    assert_eq!((own.roles, own.zones, own.slot), (HOST, 0, 0));
    assert_eq!(find(&tables, "fe80::1").unwrap().roles, HOST);
    assert_eq!(find(&tables, "127.0.0.1"), None);
    // The host is an element itself: believed where the element is, slot unchanged.
    let element = find(&tables, "198.51.100.10").unwrap();
    assert_eq!((element.roles, element.zones), (ELEMENT | HOST, 0b11111));
    assert_ne!(element.slot, 0);
    assert_eq!(find(&tables, "192.0.2.1").unwrap().roles, MANAGEMENT | HOST);
}

#[test]
fn the_policy_numbers_zones_as_binds_do() {
    let config = parse(&format!("{SITE}[guard]\ntransit = 'limit'"));
    let policy = tables_on(&config, &[]).unwrap().policy;
    assert_eq!((policy.abi, policy.generation, policy.hash_key), (ABI_VERSION, 7, 42));
    assert_eq!((policy.scope, policy.interface_count, policy.slots), (SCOPE_TRANSIT, 3, 256));
    let zones: Vec<_> = policy
        .interfaces
        .iter()
        .take(3)
        .flat_map(|interface| {
            let vlans = interface.vlans.into_iter().take(usize::from(interface.vlan_count));
            [(interface.index, 0, interface.zone)]
                .into_iter()
                .chain(vlans.map(|vlan| (interface.index, vlan.id, vlan.zone)))
        })
        .collect();
    assert_eq!(zones, [(10, 0, 0), (11, 0, 1), (11, 100, 2), (11, 200, 3), (12, 0, 4)]);
    let listed = Zones::of(&config);
    let vlans: Vec<_> = listed.list().iter().map(|zone| zone.vlan.unwrap_or(0)).collect();
    assert_eq!(vlans, [0, 0, 100, 200, 0]);
    assert_eq!(policy.per_psap.first().unwrap().interval, 2_000_000);
}

#[test]
fn a_missing_interface_or_slot_is_an_error() {
    let config = parse(SITE);
    let (slots, interfaces) = (slots::assign(&BTreeMap::new(), &config), BTreeMap::new());
    let inputs = Inputs {
        slots: &slots,
        capacity: 64,
        interfaces: &interfaces,
        host: &[],
        clock: clock(),
        generation: 1,
        hash_key: 1,
    };
    let error = build(&config, &inputs).unwrap_err();
    assert_eq!(error.entry.as_deref(), Some("interface \"lan0\""));
    assert_eq!(error.position.unwrap().line, 3);
    let error = build(&config, &Inputs { slots: &BTreeMap::new(), ..inputs }).unwrap_err();
    assert!(error.reason.contains("counter slot 0"), "{error}");
}

fn acl(rules: &[(&str, &str, &str)]) -> PolicyTables {
    let entry = |(list, source, rest): &(&str, &str, &str)| {
        format!("[[{list}]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'\n{rest}\n")
    };
    tables(&format!(
        "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n{}",
        rules.iter().map(entry).collect::<String>(),
    ))
}

#[test]
fn lists_become_one_entry_for_each_source() {
    let tables = acl(&[
        ("deny", "192.0.2.1", "service = '5060/udp'"),
        ("deny", "192.0.2.1", ""),
        ("allow", "192.0.2.1", "destination = '198.51.100.0/24'\nexpires = 2026-01-01T00:01:00Z"),
        ("allow", "2001:db8::/32", "service = 'icmp'\ndestination = '2001:db8::/48'"),
        ("deny", "192.0.2.2", "expires = 2025-12-31T23:59:59Z"),
    ]);
    assert_eq!((tables.acl4.len(), tables.acl6.len(), tables.acl_blocks.len()), (2, 1, 2));
    let entry = tables.acl4.values().next().unwrap();
    assert_eq!((entry.allow_until, entry.deny_until, entry.block), (0, NEVER, 1));
    let [allow, deny, unused, ..] = tables.acl_blocks.first().unwrap().rules;
    assert_eq!((allow.action, allow.until), (ACTION_ALLOW, NOW + 60_000_000_000));
    assert_eq!(Ipv6Addr::from(allow.destination), Ipv4Addr::new(198, 51, 100, 0).to_ipv6_mapped());
    assert_eq!(Ipv6Addr::from(allow.destination_mask), Ipv6Addr::from(u128::MAX << 8));
    assert_eq!((allow.protocol, allow.port_low, allow.port_high), (0, 0, u16::MAX));
    assert_eq!((deny.action, deny.until, deny.protocol), (ACTION_DENY, NEVER, 17));
    assert_eq!((deny.port_low, deny.port_high, deny.destination_mask), (5060, 5060, [0; 16]));
    assert_eq!(unused, Default::default());
    let [icmp, ..] = tables.acl_blocks.last().unwrap().rules;
    assert_eq!(icmp.protocol, 58);
    assert_eq!(Ipv6Addr::from(icmp.destination_mask), Ipv6Addr::from(u128::MAX << 80));
}

#[test]
fn the_longest_prefix_speaks_for_those_around_it() {
    let tables = acl(&[
        ("allow", "10.0.0.0/8", ""),
        ("deny", "10.1.0.0/16", "service = '22/tcp'"),
        ("deny", "10.1.2.0/24", ""),
    ]);
    let entry = |address: [u8; 4], length| *tables.acl4.get(&network4(address, length)).unwrap();
    let middle = entry([10, 1, 0, 0], 16);
    assert_eq!((middle.allow_until, middle.deny_until, middle.block), (NEVER, 0, 1));
    let inner = entry([10, 1, 2, 0], 24);
    assert_eq!((inner.allow_until, inner.deny_until, inner.block), (NEVER, NEVER, 2));
    assert_eq!(tables.acl_blocks.first(), tables.acl_blocks.last());
    let ended = acl(&[
        ("allow", "10.0.0.0/8", ""),
        ("deny", "10.1.2.0/24", "expires = 2025-12-31T23:59:59Z"),
    ]);
    // It may still be in the kernel, where nothing around it would be asked.
    let ended = *ended.acl4.get(&network4([10, 1, 2, 0], 24)).unwrap();
    assert_eq!((ended.allow_until, ended.deny_until), (NEVER, 0));
    let bits = |a, b| {
        let mut lengths = Lengths::new(
            *tables.acl_lengths4.get(usize::from(u16::from_be_bytes([a, b]))).unwrap(),
        );
        std::iter::from_fn(|| lengths.take()).map(length4).collect::<Vec<_>>()
    };
    assert_eq!(bits(10, 1), [24, 16]);
    assert_eq!(bits(10, 2), [8]);
    assert_eq!(bits(11, 0), [0u32; 0]);
}

#[test]
fn the_model_reads_what_was_built_and_counts() {
    let model = Model::new(tables(SITE), NOW);
    assert_eq!(model.now(), NOW);
    assert_eq!((model.count(1, 5, 100), model.count(0, 0, 60)), (Some(1), Some(1)));
    assert_eq!((model.count(256, 0, 60), model.count(0, u32::MAX, 60)), (None, None));
    assert_eq!(model.frames(), 2);
    assert_eq!(model.counters(1).unwrap().counters.iter().map(|c| c.bytes).sum::<u64>(), 100);
    model.alarm(0);
    model.alarm(u32::MAX);
    assert_eq!((model.alarms(0), model.alarms(1)), (1, 0));
    let prefix = network4([198, 51, 100, 10], 32);
    assert_eq!(Search::default().party4(&model, prefix.address).unwrap().roles, ELEMENT);
    assert!(
        model.cell(Cells::Psap, 256 * 16 - 1).is_some()
            && model.cell(Cells::Psap, 256 * 16).is_none()
    );
    model.set_switches(None);
    assert_eq!(model.switches(), None);
}
