//! Rules about lists, interfaces, settings, and what has to fit.

use super::*;

#[test]
fn the_fail_safe_set_cannot_be_denied() {
    let deny = |source: &str| {
        format!("[[deny]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'\nservice = '22/tcp'")
    };
    for source in ["198.51.100.10", "198.51.0.0/16", "203.0.113.16/29", "203.0.113.17"] {
        rejects(&deny(source), &format!("deny {source:?}"), "fail-safe set", "[[deny]]");
    }
    for (section, rest) in [
        ("support", "ports = ['53/udp']"),
        ("tunnel", "kinds = ['esp']"),
        ("management", ""),
        ("neighbour", ""),
    ] {
        let entry = format!("[[{section}]]\nid = 'x'\naddresses = ['192.0.2.1']\n{rest}\n");
        rejects(
            &format!("{entry}{}", deny("192.0.2.0/24")),
            "deny \"192.0.2.0/24\"",
            section,
            "[[deny]]",
        );
    }
    accepts(&deny("192.0.2.0/24"));
}

#[test]
fn lists_have_owners_and_do_not_contradict_themselves() {
    let entry = |list: &str, rest: &str| {
        format!("[[{list}]]\nsource = '192.0.2.1'\nowner = 'o'\nreason = 'r'\n{rest}\n")
    };
    rejects(
        "[[allow]]\nsource = '192.0.2.1'\nreason = 'r'",
        "allow \"192.0.2.1\"",
        "`owner` is missing",
        "[[allow]]",
    );
    rejects(
        "[[allow]]\nsource = '192.0.2.1'\nowner = ' '\nreason = 'r'",
        "allow \"192.0.2.1\"",
        "owner is empty",
        "owner",
    );
    rejects(
        "[[deny]]\nsource = '192.0.2.1'\nowner = 'o'\nreason = ''",
        "deny \"192.0.2.1\"",
        "reason is empty",
        "reason = ''",
    );
    let both = entry("allow", "") + &entry("deny", "");
    rejects(&both, "deny \"192.0.2.1\"", "allowed and denied", "[[deny]]");
    rejects(&entry("deny", "").repeat(2), "deny \"192.0.2.1\"", "twice", "[[deny]]");
    accepts(&(entry("allow", "service = 'icmp'") + &entry("deny", "")));
    rejects(
        &entry("allow", "destination = '2001:db8::1'"),
        "allow \"192.0.2.1\"",
        "no frame goes",
        "destination",
    );
    rejects(
        &entry("allow", "expires = '2030-01-01'"),
        "allow \"192.0.2.1\"",
        "no point in time",
        "expires",
    );
    rejects(
        &entry("allow", "service = 'everything'"),
        "allow \"192.0.2.1\"",
        "no service",
        "service",
    );
}

#[test]
fn conditions_of_a_source_have_to_fit() {
    let deny = |source: &str, ports: std::ops::Range<u16>| {
        let entry = |port| {
            format!(
                "[[deny]]\nsource = '{source}'\nservice = '{port}/udp'\nowner = 'o'\nreason = 'r'\n"
            )
        };
        ports.map(entry).collect::<String>()
    };
    accepts(&deny("192.0.2.1", 1..9));
    assert!(error(&deny("192.0.2.1", 1..10)).reason.contains("9 entries"));
    // Only the longest prefix is looked at, and so inherits.
    let nested = deny("10.1.0.0/16", 1..6) + &deny("10.1.2.0/24", 6..10);
    assert_eq!(error(&nested).entry.as_deref(), Some("deny \"10.1.2.0/24\""));
    accepts(&(deny("10.1.0.0/16", 1..6) + &deny("10.1.2.0/24", 6..9)));
}

#[test]
fn services_and_lengths_have_to_fit() {
    let support = |ports: u16| {
        let ports: Vec<_> = (1..=ports).map(|port| format!("'{}/udp'", port * 2)).collect();
        format!("[[support]]\nid = 'x'\naddresses = ['192.0.2.1']\nports = [{}]", ports.join(", "))
    };
    accepts(&support(16));
    rejects(&support(17), "support \"x\"", "17 services", "[[support]]");
    // A covering prefix counts, too.
    let nested = format!("{}\n[[peer]]\nid = 'y'\naddresses = ['192.0.2.0/24']", support(15));
    assert!(error(&nested).reason.contains("services"));
    let management = |lengths: std::ops::Range<u8>| {
        let addresses: Vec<_> = lengths.map(|length| format!("'2001:db8::/{length}'")).collect();
        format!("[[management]]\nid = 'x'\naddresses = [{}]", addresses.join(", "))
    };
    accepts(&management(40..55));
    rejects(&management(40..56), "management \"x\"", "different lengths", "[[management]]");
    let deny =
        |length| format!("[[deny]]\nsource = '2001:db8::/{length}'\nowner = 'o'\nreason = 'r'\n");
    accepts(&(40..56).map(deny).collect::<String>());
    assert!(error(&(40..57).map(deny).collect::<String>()).reason.contains("different lengths"));
}

#[test]
fn interfaces_and_vlans_are_configured_once() {
    let interface = |rest: &str| format!("[[interface]]\nrole = 'trusted'\n{rest}");
    rejects(&interface("name = 'lan0'"), "interface \"lan0\"", "twice", "[[interface]]");
    let vlans = |ids: &str| interface(&format!("name = 'x'\nvlans = [{ids}]"));
    let one = "{ id = 5, role = 'trusted' }";
    rejects(
        &vlans(&format!("{one}, {one}")),
        "interface \"x\"",
        "VLAN 5 is configured twice",
        "vlans",
    );
    rejects(&vlans("{ id = 4095, role = 'trusted' }"), "interface \"x\"", "no VLAN 4095", "vlans");
    rejects(&vlans("{ id = 0, role = 'trusted' }"), "interface \"x\"", "no VLAN 0", "vlans");
    let device = format!("{}\n{}", vlans(one), interface("name = 'x.5'"));
    rejects(&device, "interface \"x\"", "is an interface and a VLAN", "vlans");
    for name in ["any", "", "a b", "sixteen-letters-"] {
        let error = error(&interface(&format!("name = '{name}'")));
        assert!(error.reason.contains("cannot be the name"), "{error}");
    }
    // Nothing can be monitored, but not enforced; and who names anybody needs an interface.
    assert!(parse("[guard]\nmode = 'monitor'").unwrap().is_nothing());
    for some in ["mode = 'enforce'", "[[management]]\nid = 'noc'\naddresses = ['192.0.2.1']"] {
        let error = parse(&format!("[guard]\n{some}")).unwrap_err();
        assert!(error.reason.contains("no interface"), "{error}");
    }
}

#[test]
fn interfaces_vlans_and_zones_have_to_fit() {
    let interface = |number: usize, vlans: usize| {
        let vlans: Vec<_> =
            (1..=vlans).map(|id| format!("{{ id = {id}, role = 'trusted' }}")).collect();
        format!(
            "[[interface]]\nname = 'x{number}'\nrole = 'trusted'\nvlans = [{}]\n",
            vlans.join(", ")
        )
    };
    let interfaces = |count, vlans| (1..=count).map(|n| interface(n, vlans)).collect::<String>();
    accepts(&interfaces(15, 0));
    assert!(error(&interfaces(16, 0)).reason.contains("17 interfaces"));
    accepts(&interfaces(1, 14));
    assert!(error(&interfaces(1, 15)).reason.contains("15 VLANs"));
    accepts(&interfaces(4, 14));
    let tunnels = |count| {
        let tunnel = |n| {
            format!(
                "[[tunnel]]\nid = 't{n}'\naddresses = ['192.0.2.{n}']\nkinds = ['gre']\ninside = 'trusted'\n"
            )
        };
        (1..=count).map(tunnel).collect::<String>()
    };
    accepts(&format!("{}{}", interfaces(4, 14), tunnels(3)));
    let error64 = error(&format!("{}{}", interfaces(4, 14), tunnels(4)));
    assert!(
        error64.reason.contains("and tunnels") && error64.entry.as_deref() == Some("tunnel \"t4\""),
        "{error64}"
    );
    assert!(
        error(&interfaces(5, 14)).reason.contains("more than 64 interfaces, VLANs and tunnels")
    );
}

#[test]
fn settings_have_bounds() {
    for (line, reason) in [
        ("watchdog = '4s'", "out of range"),
        ("watchdog = '11m'", "out of range"),
        ("watchdog = 'soon'", "not a stretch of time"),
        ("pin-dir = 'bpf'", "depends on where"),
        ("state-dir = ''", "depends on where"),
        ("capacity = 3", "4 counter slots are needed"),
        ("capacity = 65537", "more than 65536"),
    ] {
        let error = error(&format!("[guard]\n{line}"));
        assert!(error.reason.contains(reason), "{error}");
        let found = error.position.unwrap().line - 1;
        assert_eq!(format!("{BASE}[guard]\n{line}").lines().nth(found), Some(line), "{error}");
    }
    for limits in ["per-source = '0/s'", "per-psap = '1/h'", "per-psap-burst = 0"] {
        let error = parse(&format!("{BASE}[limits.sip]\n{limits}")).unwrap_err();
        assert!(error.position.is_some(), "{error}");
    }
}

/// A slip of the finger must not deny half a continent.
#[test]
fn the_deny_list_has_a_reach() {
    let deny = |source: &str| {
        format!("[[deny]]\nsource = '{source}'\nowner = 'o'\nreason = 'r'\nservice = '22/tcp'\n")
    };
    for (source, reason) in [
        ("100.0.0.0/15", "more than a /16"),
        ("2a00::/31", "more than a /32"),
        ("0.0.0.0", "nobody filled in"),
        ("::", "nobody filled in"),
        ("fe80::1", "link-local"),
        ("169.254.0.0/16", "link-local"),
    ] {
        rejects(&deny(source), &format!("deny {source:?}"), reason, "source");
    }
    accepts(&(deny("100.0.0.0/16") + &deny("2a00:1::/32")));
    accepts(&("[gates]\ndeny-ipv4 = 8\n".to_owned() + &deny("100.0.0.0/8")));
    let many: String =
        (0..1400).map(|n| deny(&format!("{}.{}.0.0/16", 20 + n / 256, n % 256))).collect();
    rejects(&many, "deny \"25.30.0.0/16\"", "more than 2 percent", "source");
    accepts(&(deny("20.0.0.0/16") + &deny("20.0.1.0/24")));
    for wrong in [
        "deny-ipv4 = 0",
        "deny-ipv4 = 33",
        "deny-ipv6 = 129",
        "deny-share = 101",
        "watch = '9s'",
        "watch = '2h'",
    ] {
        rejects(&format!("[gates]\n{wrong}\n"), "[gates]", "out of range", wrong);
    }
}
