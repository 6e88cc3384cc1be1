#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::time::SystemTime;

use crate::config::Format;

use super::*;

const BASE: &str = "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n\
    [[psap]]\nid = 'MA-0007'\nname = 'Boston'\nadmin = ['+16175550100']\n\
    services = ['198.51.100.10:5060/udp', '198.51.100.10:5061/tls']\n\
    media = ['198.51.100.10:16384-32767']\n\
    [[peer]]\nid = 'carrier-a'\naddresses = ['203.0.113.0/28', '203.0.113.16/28']\n\
    media = ['203.0.113.0/28']\n\
    [[allow]]\nsource = '192.0.2.1'\nowner = 'noc'\nreason = 'probe'\n";

fn config(text: &str) -> Config {
    let config = Config::parse("t", text, Format::Toml).unwrap();
    config.validate().unwrap();
    config
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The differences that replacing one text by another makes, and those of going back.
fn replaced(from: &str, to: &str) -> [Vec<(Effect, String)>; 2] {
    assert!(BASE.contains(from), "{from}");
    let (before, after) = (config(BASE), config(&BASE.replace(from, to)));
    let told = |before, after| {
        of(before, after, now()).into_iter().map(|found| (found.effect, found.text)).collect()
    };
    [told(&before, &after), told(&after, &before)]
}

#[track_caller]
fn one(from: &str, to: &str, effect: Effect, text: &str) {
    let [there, back] = replaced(from, to);
    assert_eq!(there, [(effect, text.to_owned())]);
    let opposite = match effect {
        Effect::Tightens => Effect::Opens,
        Effect::Opens => Effect::Tightens,
        Effect::Neither => Effect::Neither,
    };
    assert_eq!(back.iter().map(|(effect, _)| *effect).collect::<Vec<_>>(), [opposite], "{back:?}");
}

#[test]
fn the_same_has_no_differences() {
    assert_eq!(of(&config(BASE), &config(BASE), now()), []);
    assert_eq!(of(&config(BASE), &config(&format!("# said\n\n{BASE}")), now()), []);
}

#[test]
fn differences_are_told_in_words_with_the_way_they_go() {
    use Effect::{Neither, Opens, Tightens};
    one(", '203.0.113.16/28'", "", Tightens, "peer carrier-a loses address 203.0.113.16/28");
    one(
        "'Boston'",
        "'Boston City'",
        Neither,
        "psap MA-0007 Boston City: name Boston -> Boston City",
    );
    one(
        "'+16175550100'",
        "'+16175550100', '+16175550199'",
        Opens,
        "psap MA-0007 Boston gains 1 administrative number",
    );
    one(
        "[[peer]]",
        "[limits.udp]\nper-source = '50/s'\nper-source-burst = 400\n[[peer]]",
        Tightens,
        "limit udp per source 200/s -> 50/s",
    );
    one("[[peer]]", "[guard]\ntransit = 'limit'\n[[peer]]", Tightens, "transit pass -> limit");
    one("[[peer]]", "[guard]\nwatchdog = '10s'\n[[peer]]", Opens, "watchdog 30s -> 10s");
    one(
        "[[peer]]",
        "[[deny]]\nsource = '192.0.2.64/28'\nowner = 'noc'\nreason = 'scanner, ticket 4711'\n[[peer]]",
        Tightens,
        "deny 192.0.2.64/28 is new (scanner, ticket 4711; noc)",
    );
    one(
        "reason = 'probe'",
        "reason = 'probe'\nexpires = 2090-01-01T00:00:00Z",
        Tightens,
        "allow 192.0.2.1: expires never -> 2090-01-01T00:00:00Z",
    );
    one("[[peer]]", "[guard]\nmpls = 'inside'\n[[peer]]", Tightens, "mpls opaque -> inside");
    one("[[peer]]", "[samples]\nbodies = true\n[[peer]]", Neither, "samples bodies false -> true");
    one("[[peer]]", "[labels]\nmark = 911\n[[peer]]", Neither, "labels mark none -> 911");
}

#[test]
fn an_entry_that_goes_away_says_what_goes_with_it() {
    let text = BASE.replace("MA-0007", "MA-0008");
    let found = of(&config(BASE), &config(&text), now());
    assert_eq!(
        found[0].text,
        "psap MA-0007 Boston is removed: 2 services, 1 media range, 1 administrative number"
    );
    assert!(found[0].removed && tightens(&found) == Some(&found[0]));
    assert_eq!((found[1].effect, found[1].removed), (Effect::Opens, false));
    assert!(summary(&found).ends_with(", and 1 more"));
}

/// What has ended already says nothing, so that its removal changes nothing.
#[test]
fn an_entry_that_has_ended_changes_nothing_by_going() {
    let ended = "reason = 'probe'\nexpires = 2020-01-01T00:00:00Z";
    let before = config(&BASE.replace("reason = 'probe'", ended));
    let mut after = before.clone();
    after.allow.clear();
    assert_eq!(of(&before, &after, now())[0].effect, Effect::Neither);
}

/// A range that is written where all ports counted before takes most of them away.
#[test]
fn media_counts_where_it_is_not_written_too() {
    let [there, _] = replaced("media = ['198.51.100.10:16384-32767']\n", "");
    let effects: Vec<Effect> = there.iter().map(|(effect, _)| *effect).collect();
    assert_eq!(effects, [Effect::Tightens, Effect::Opens], "{there:?}");
}

/// To look into a tunnel is to limit what passed whole.
#[test]
fn looking_into_a_tunnel_tightens() {
    let tunnel = "[[tunnel]]\nid = 'gre'\naddresses = ['192.0.2.5']\nkinds = ['gre']\n";
    let text = |inside: &str| format!("{BASE}{tunnel}{inside}");
    let all = ["inside = 'untrusted'\nbind = ['any']\n", "inside = 'trusted'\n", ""].map(text);
    let all = all.map(|text| Config::parse("t", &text, Format::Toml).unwrap());
    for pair in all.windows(2) {
        let found = of(&pair[1], &pair[0], now());
        let inside = found.iter().find(|found| found.text.contains("inside")).unwrap();
        assert_eq!(inside.effect, Effect::Tightens, "{found:?}");
        let found = of(&pair[0], &pair[1], now());
        let inside = found.iter().find(|found| found.text.contains("inside")).unwrap();
        assert_eq!(inside.effect, Effect::Opens, "{found:?}");
    }
}

/// Whatever is not told in words is told at least.
#[test]
fn nothing_is_passed_over() {
    let before = config(&format!("{BASE}[[interface]]\nname = 'wan0'\nrole = 'trusted'\n"));
    let mut after = before.clone();
    after.interface.reverse();
    let found = of(&before, &after, now());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].effect, Effect::Tightens, "to be on the safe side");
}
