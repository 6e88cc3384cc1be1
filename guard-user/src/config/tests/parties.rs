//! Rules about who takes part in calls.

use super::*;

#[test]
fn other_empty_lists_are_errors() {
    rejects(
        "[[support]]\nid = 'x'\naddresses = ['192.0.2.1']\nports = []",
        "support \"x\"",
        "empty",
        "[[support]]",
    );
    rejects(
        "[[tunnel]]\nid = 'x'\naddresses = ['192.0.2.1']\nkinds = []",
        "tunnel \"x\"",
        "empty",
        "[[tunnel]]",
    );
    rejects(
        "[[peer]]\nid = 'x'\naddresses = ['192.0.2.1']\nservices = []",
        "peer \"x\"",
        "empty",
        "services",
    );
    rejects(
        "[[peer]]\nid = 'x'\naddresses = ['192.0.2.1']\nmedia = []",
        "peer \"x\"",
        "empty",
        "media",
    );
    rejects(
        "[[peer]]\nid = 'x'\naddresses = []\nmedia = ['192.0.2.1']",
        "peer \"x\"",
        "empty",
        "addresses",
    );
    rejects(
        "[[psap]]\nid = 'x'\nservices = ['192.0.2.1:5060/udp']\nmedia = []",
        "psap \"x\"",
        "empty",
        "media",
    );
}

#[test]
fn ids_are_unique() {
    let psap = "[[psap]]\nid = 'MA-0001'\nservices = ['192.0.2.1:5060/udp']";
    rejects(psap, "psap \"MA-0001\"", "more than one psap", "id = 'MA-0001'");
    rejects(
        "[[peer]]\nid = 'hosted'\naddresses = ['192.0.2.1']",
        "peer \"hosted\"",
        "a site with this id",
        "id = 'hosted'",
    );
}

#[test]
fn a_psap_is_reached_in_one_way() {
    rejects("[[psap]]\nid = 'x'", "psap \"x\"", "nothing reaches", "[[psap]]");
    rejects("[[psap]]\nid = 'x'\nsite = 'nowhere'", "psap \"x\"", "no site", "site");
    rejects("[[psap]]\nid = 'x'\nvia = 'hosted'", "psap \"x\"", "no element", "via");
    rejects(
        "[[psap]]\nid = 'x'\nsite = 'hosted'\nvia = 'gateway'",
        "psap \"x\"",
        "contradict",
        "via",
    );
    rejects(
        "[[psap]]\nid = 'x'\nsite = 'hosted'\nbind = ['lan0']",
        "psap \"x\"",
        "says nothing",
        "bind",
    );
    rejects(
        "[[psap]]\nid = 'x'\nsite = 'hosted'\nmedia = ['192.0.2.1']",
        "psap \"x\"",
        "says nothing",
        "media",
    );
    let both = "[[psap]]\nid = 'x'\nsite = 'hosted'\nservices = ['192.0.2.1:5060/udp']";
    rejects(both, "psap \"x\"", "contradict", "site");
    let empty = "[[site]]\nid = 's'\nservices = []\n[[psap]]\nid = 'x'\nsite = 's'";
    rejects(
        empty,
        "site \"s\"",
        "nothing reaches it: it has no services, and \"x\" depends",
        "services = []",
    );
    accepts("[[psap]]\nid = 'x'\nsite = 'hosted'\n[[psap]]\nid = 'y'\nvia = 'gateway'");
}

#[test]
fn shared_addresses_have_to_be_said() {
    let psap = |service: &str| format!("[[psap]]\nid = 'x'\nservices = ['{service}']");
    for service in ["198.51.100.10:5060/udp", "198.51.100.10:5070/udp"] {
        rejects(&psap(service), "psap \"x\"", "address of psap \"MA-0001\"", "services");
    }
    rejects(
        &psap("198.51.100.16/30:5070/udp"),
        "site \"hosted\"",
        "address of psap \"x\"",
        "services",
    );
    let element =
        |service: &str| format!("[[element]]\nid = 'x'\nkind = 'bcf'\nservices = ['{service}']");
    rejects(&element("198.51.100.30:5060/udp"), "element \"x\"", "element \"gateway\"", "services");
    // Elements on one host, told apart by port; a service inside somebody's prefix; TLS and TCP
    // are one port.
    accepts(&element("198.51.100.30:5070/udp"));
    accepts(&psap("198.51.100.17:5060/udp"));
    let tls = "[[element]]\nid = 'x'\nkind = 'bcf'\nservices = ['192.0.2.9:5061/tls']\n\
               [[element]]\nid = 'y'\nkind = 'bcf'\nservices = ['192.0.2.9:5061/tcp']";
    rejects(tls, "element \"y\"", "element \"x\"", "5061/tcp");
}

#[test]
fn an_address_is_ours_or_a_peers() {
    for address in ["198.51.100.10", "198.51.100.0/24", "198.51.100.17"] {
        let peer = format!("[[peer]]\nid = 'x'\naddresses = ['{address}']");
        rejects(&peer, "peer \"x\"", "also one of", "[[peer]]");
    }
}

#[test]
fn special_addresses_are_nobodys() {
    for (address, what) in [
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("224.0.0.5", "multicast"),
        ("ff02::1", "multicast"),
        ("::", "unspecified"),
    ] {
        rejects(
            &format!("[[peer]]\nid = 'x'\naddresses = ['{address}']"),
            "peer \"x\"",
            what,
            "[[peer]]",
        );
        let service = format!("[[psap]]\nid = 'x'\nservices = ['[{address}]:5060/udp']");
        rejects(&service, "psap \"x\"", what, "[[psap]]");
    }
}

#[test]
fn an_untrusted_side_makes_everybody_say_where_they_come_in() {
    let wan = "[[interface]]\nname = 'wan0'\nrole = 'untrusted'\n";
    rejects(wan, "psap \"MA-0001\"", "some interface is untrusted", "[[psap]]");
    let bound = BASE
        .replace("\nservices", "\nbind = ['wan0']\nservices")
        .replace("\naddresses", "\nbind = ['any']\naddresses");
    let check = |added: &str| parse(&format!("{bound}{wan}{added}"));
    check("").unwrap();
    check("[[psap]]\nid = 'x'\nsite = 'hosted'").unwrap();
    for (section, rest) in [
        ("support", "addresses = ['192.0.2.1']\nports = ['53/udp']"),
        ("tunnel", "addresses = ['192.0.2.1']\nkinds = ['esp']"),
        ("management", "addresses = ['192.0.2.1']"),
        ("neighbour", "addresses = ['192.0.2.1']"),
    ] {
        let error = check(&format!("[[{section}]]\nid = 'x'\n{rest}")).unwrap_err();
        assert_eq!(error.entry, Some(format!("{section} \"x\"")));
        assert!(error.next.contains("\"wan0\"") && error.next.contains("\"any\""), "{error}");
        check(&format!("[[{section}]]\nid = 'x'\nbind = ['wan0']\n{rest}")).unwrap();
    }
    let vlan =
        "[[interface]]\nname = 'x'\nrole = 'trusted'\nvlans = [{ id = 7, role = 'untrusted' }]\n";
    rejects(vlan, "psap \"MA-0001\"", "some interface is untrusted", "[[psap]]");
    rejects(
        "[[peer]]\nid = 'x'\naddresses = ['192.0.2.1']\nbind = ['lan0.5']",
        "peer \"x\"",
        "no interface or VLAN \"lan0.5\"",
        "bind",
    );
}

#[test]
fn tls_hides_where_media_goes() {
    let enforce = "[guard]\nmode = 'enforce'\n";
    let psap = "[[psap]]\nid = 'x'\nservices = ['192.0.2.1:5061/tls']\n";
    let config = accepts(psap);
    let error = config.validate_as(Mode::Enforce).unwrap_err();
    assert_eq!(error.entry.as_deref(), Some("psap \"x\""));
    assert!(error.next.contains("media = "), "{error}");
    rejects(&format!("{psap}{enforce}"), "psap \"x\"", "hides where its media goes", "[[psap]]");
    accepts(&format!("{psap}media = ['192.0.2.1:16384-32767']\n{enforce}"));
}

#[test]
fn media_and_sip_do_not_share_a_port() {
    let psap = |media: &str| {
        format!("[[psap]]\nid = 'x'\nservices = ['192.0.2.1:5060/udp']\nmedia = ['{media}']")
    };
    rejects(&psap("192.0.2.1:5000-6000"), "psap \"x\"", "inside the media range", "media");
    rejects(&psap("192.0.2.0/24:5060"), "psap \"x\"", "inside the media range", "media");
    accepts(&psap("192.0.2.2:5000-6000"));
    accepts(&psap("192.0.2.1:5061-6000"));
    accepts(&psap("192.0.2.1"));
}

#[test]
fn names_are_fit_for_a_terminal() {
    let psap = |name: &str| format!("[[psap]]\nid = 'x'\nsite = 'hosted'\nname = \"{name}\"");
    rejects(&psap(""), "psap \"x\"", "name is empty", "name");
    rejects(&psap("\\u001b[31m"), "psap \"x\"", "control characters", "name");
    accepts(&psap("Café, 2nd floor"));
}
