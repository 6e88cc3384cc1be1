//! Who may open what.

use super::*;

#[test]
fn what_strangers_say_opens_nothing() {
    for named in [
        "198.51.100.10:22",
        "198.51.100.10:20000",
        "198.51.100.10:5060",
        "198.51.100.40:20000",
        "203.0.113.5:10000",
    ] {
        let mut scene = Scene::new();
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio(named)));
        scene.say(STRANGER, PSAP, &response(200, "1 INVITE", &audio(named)));
        scene.say(STRANGER, PSAP, &request("ACK", 1, ("a", "b"), &audio(named)));
        // Spoofed: what comes in where the element is not is nothing it said.
        for to in [STRANGER, ESRP, CARRIER] {
            scene.say_as(false, PSAP, to, &response(200, "1 INVITE", &audio(named)));
            scene.say_as(false, PSAP, to, &request("INVITE", 1, ("a", ""), &audio(named)));
        }
        assert!(scene.nothing_is_open(), "{named}");
    }
}

#[test]
fn an_element_opens_nothing_that_is_not_media_of_its_own() {
    for (named, refused, elsewhere) in [
        ("198.51.100.10:5060", 1, 0),
        ("198.51.100.10:22", 1, 0),
        ("198.51.100.10:5353", 1, 0),
        ("198.51.100.40:20000", 0, 1),
        ("198.18.7.7:20000", 0, 1),
    ] {
        let mut scene = Scene::new();
        let answer = audio(named) + "a=rtcp-mux\r\n";
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &answer));
        assert!(scene.nothing_is_open(), "{named}");
        let counts = scene.follower.counts();
        assert_eq!((counts.refused, counts.elsewhere), (refused, elsewhere), "{named}");
    }
}

#[test]
fn messages_that_negotiate_nothing_open_nothing() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("OPTIONS", 1, ("a", ""), ""));
    scene.say(PSAP, STRANGER, &response(200, "1 OPTIONS", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &response(488, "1 INVITE", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &request("MESSAGE", 1, ("a", ""), &audio(MEDIA)));
    assert!(scene.nothing_is_open());
}

#[test]
fn what_a_proxy_passes_on_is_not_its_own() {
    // A stranger names a port of the proxy itself; the proxy hands that to the PSAP.
    let evil = audio("198.51.100.40:8080");
    let invite = request("INVITE", 1, ("a", ""), &evil);
    for orders in [[0, 1], [1, 0]] {
        let mut scene = Scene::new();
        for order in orders {
            match order {
                0 => scene.say(STRANGER, ESRP, &invite),
                _ => scene.say(ESRP, PSAP, &invite),
            }
        }
        assert!(!scene.is_open("198.51.100.40:8080"), "{orders:?}");
        assert_eq!(scene.follower.counts().relayed, 1);
    }
    // One that anchors media has a description of its own, and that counts.
    let mut scene = Scene::new();
    scene.say(STRANGER, ESRP, &invite);
    scene.say(ESRP, STRANGER, &response(200, "1 INVITE", &audio("198.51.100.40:20000")));
    assert!(scene.is_open("198.51.100.40:20000"));
}

#[test]
fn configured_parties_need_pins_only_beyond_their_ranges() {
    let mut scene = Scene::new();
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("203.0.113.9:10000")));
    scene.say("198.51.100.10:5060", CARRIER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.nothing_is_open());
    // A gateway of the carrier's that nobody configured.
    let mut scene = Scene::new();
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.9.9:10000")));
    scene.say(PSAP, CARRIER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "198.18.9.9", "203.0.113.5"));
    assert_ne!(scene.pin(MEDIA, 17).unwrap()[0] & CONFIGURED, 0);
    // It hangs up from another address of its.
    scene.say(CARRIER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    scene.say(PSAP, CARRIER, &response(200, "2 BYE", ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn both_ends_may_be_elements() {
    let mut scene = Scene::new();
    scene.say(ESRP, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, ESRP, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.51.100.40"), "a proxy's caller");
    assert_eq!(scene.follower.counts().elsewhere, 1, "the caller's port is none of the proxy's");
}
