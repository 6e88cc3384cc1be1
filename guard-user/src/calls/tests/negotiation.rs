//! Offers and answers: what they open, move and close.

use super::*;

#[test]
fn the_elements_answer_opens_its_port() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    assert!(scene.nothing_is_open());
    scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
    for port in [MEDIA, "198.51.100.10:20001"] {
        assert!(scene.is_for(port, "198.18.7.9", "198.18.7.7"), "early media, and RTCP");
    }
    assert_eq!(scene.pin(MEDIA, 17).unwrap()[0] & CONFIGURED, 0);
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    assert!(scene.is_open(MEDIA), "the element has not agreed yet");
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    assert!(!scene.is_open(MEDIA) && !scene.is_open("198.51.100.10:20001"));
    let counts = scene.follower.counts();
    assert_eq!((counts.opened, counts.released, counts.unreadable), (2, 2, 0));
}

#[test]
fn media_may_have_an_address_of_its_own() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &audio("198.51.100.11:20000")));
    assert!(scene.is_open("198.51.100.11:20000") && !scene.is_open(MEDIA));
    let mut scene = Scene::new();
    let named = audio(MEDIA).replace("c=IN IP4 198.51.100.10", "c=IN IP4 media.psap.example");
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &named));
    assert!(scene.is_open(MEDIA), "a host name is the sender's own");
}

#[test]
fn ipv6() {
    let (stranger, media) = ("[2001:db8:5::7]:5060", "[2001:db8:10::10]:20000");
    let mut scene = Scene::new();
    scene.say(stranger, PSAP6, &request("INVITE", 1, ("a", ""), &audio("[2001:db8:5::8]:40000")));
    scene.say(PSAP6, stranger, &response(200, "1 INVITE", &audio(media)));
    assert!(scene.is_for(media, "2001:db8:5::8", "2001:db8:5::7"));
}

#[test]
fn an_offer_in_the_answer() {
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), ""));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "", "198.18.7.7"));
    scene.say(STRANGER, PSAP, &request("ACK", 1, ("a", "b"), &audio("198.18.7.9:40000")));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
}

#[test]
fn several_streams() {
    let both = |one: &str, other: &str| {
        format!(
            "{}m=text {} RTP/AVP 98\r\n",
            audio(one),
            other.parse::<SocketAddr>().unwrap().port()
        )
    };
    let theirs =
        format!("{}m=text 40010 RTP/AVP 98\r\nc=IN IP4 198.18.7.10\r\n", audio("198.18.7.9:40000"));
    let messages = format!(
        "{}m=message 2855 TCP/MSRP *\r\na=path:msrp://198.51.100.10:2855/x;tcp\r\n",
        both(MEDIA, "198.51.100.10:20004")
    );
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &theirs));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", &messages));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
    assert!(scene.is_for("198.51.100.10:20004", "198.18.7.10", "198.18.7.7"));
    assert!(scene.pin("198.51.100.10:2855", 6).is_some());
    assert!(scene.pin("198.51.100.10:2855", 17).is_none());
}

#[test]
fn a_change_moves_the_port() {
    let other = "198.51.100.10:21000";
    for method in ["INVITE", "UPDATE"] {
        let cseq = format!("1 {method}");
        let mut scene = answered();
        // The element's request: its numbers are its own.
        scene.say(PSAP, STRANGER, &request(method, 1, ("b", "a"), &audio(other)));
        assert!(scene.is_open(MEDIA) && scene.is_open(other), "both until it is decided");
        let no = message("SIP/2.0 488 no", ("b", "a"), &cseq, "");
        scene.say(STRANGER, PSAP, &no);
        assert!(scene.is_open(MEDIA) && !scene.is_open(other), "a change that fails");
        scene.say(PSAP, STRANGER, &request(method, 2, ("b", "a"), &audio(other)));
        let yes = message("SIP/2.0 200 OK", ("b", "a"), &format!("2 {method}"), &audio(STRANGER));
        scene.say(STRANGER, PSAP, &yes);
        assert!(!scene.is_open(MEDIA) && scene.is_open(other), "a change that succeeds");
        let late = message("SIP/2.0 200 OK", ("b", "a"), &cseq, &audio(STRANGER));
        scene.say(STRANGER, PSAP, &late);
        scene.say(PSAP, STRANGER, &request(method, 1, ("b", "a"), &audio(MEDIA)));
        assert!(!scene.is_open(MEDIA) && scene.is_open(other), "what is old says nothing");
        scene.say(PSAP, STRANGER, &request("BYE", 3, ("b", "a"), ""));
        assert!(!scene.is_open(other));
    }
}

#[test]
fn early_media_may_change_twice() {
    let (second, third) = ("198.51.100.10:21000", "198.51.100.10:22000");
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &request("PRACK", 2, ("a", "b"), &audio("198.18.7.9:40002")));
    scene.say(PSAP, STRANGER, &response(200, "2 PRACK", &audio(second)));
    scene.say(STRANGER, PSAP, &request("UPDATE", 3, ("a", "b"), &audio("198.18.7.9:40004")));
    scene.say(PSAP, STRANGER, &response(200, "3 UPDATE", &audio(third)));
    assert!(scene.is_open(third) && !scene.is_open(second));
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", ""));
    assert!(scene.is_open(third), "the older answer does not come back");
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn a_fork_is_settled_by_its_answer() {
    let other = "198.51.100.10:21000";
    let by = |status: u16, tag: &str, sdp: &str| {
        message(&format!("SIP/2.0 {status} x"), ("a", tag), "1 INVITE", sdp)
    };
    let mut scene = Scene::new();
    scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
    scene.say(PSAP, STRANGER, &by(183, "b1", &audio(MEDIA)));
    scene.say(PSAP, STRANGER, &by(183, "b2", &audio(other)));
    assert!(scene.is_open(MEDIA) && scene.is_open(other));
    scene.say(PSAP, STRANGER, &by(200, "b1", ""));
    assert!(scene.is_open(MEDIA) && !scene.is_open(other));
}

#[test]
fn a_call_that_fails_is_closed() {
    for end in [
        response(487, "1 INVITE", ""),
        response(302, "1 INVITE", ""),
        response(603, "1 INVITE", ""),
    ] {
        let mut scene = Scene::new();
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
        scene.say(STRANGER, PSAP, &request("CANCEL", 1, ("a", ""), ""));
        assert!(scene.is_open(MEDIA));
        scene.say(PSAP, STRANGER, &end);
        assert!(!scene.is_open(MEDIA), "{end}");
        scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
        assert!(!scene.is_open(MEDIA), "late ones do not begin it anew");
        scene.say(STRANGER, PSAP, &request("INVITE", 2, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(200, "2 INVITE", &audio(MEDIA)));
        assert!(scene.is_open(MEDIA), "a second try does");
    }
}

#[test]
fn a_call_back_is_closed_by_its_refusal() {
    let mut scene = Scene::new();
    scene.say(PSAP, STRANGER, &request("INVITE", 9, ("b", ""), &audio(MEDIA)));
    assert!(scene.is_for(MEDIA, "", "198.18.7.7"));
    let busy =
        |number: u32| message("SIP/2.0 486 Busy", ("b", "a"), &format!("{number} INVITE"), "");
    scene.say(STRANGER, PSAP, &busy(8));
    scene.say(OTHER, PSAP, &busy(9));
    assert!(scene.is_open(MEDIA), "neither of another request nor by another");
    scene.say(STRANGER, PSAP, &busy(9));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn nobody_hangs_up_for_another() {
    let mut scene = answered();
    let bye = request("BYE", 2, ("a", "b"), "");
    scene.say(OTHER, PSAP, &bye);
    scene.say(PSAP, OTHER, &response(200, "2 BYE", ""));
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "guessed"), ""));
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &bye);
    scene.say(PSAP, STRANGER, &response(481, "2 BYE", ""));
    assert!(scene.is_open(MEDIA), "the element does not agree");
    // The other way round, by the element, at once.
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}
