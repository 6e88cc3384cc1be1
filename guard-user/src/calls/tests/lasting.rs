//! How long it lasts: calls that share, fall silent, flood in, come in pieces.

use super::*;

#[test]
fn a_port_stays_open_as_long_as_one_call_holds_it() {
    let mut scene = answered();
    let other = |text: String| text.replace("1@example.net", "2@example.net");
    scene.say(OTHER, PSAP, &other(request("INVITE", 1, ("a", ""), &audio("198.18.7.8:40000"))));
    scene.say(PSAP, OTHER, &other(response(200, "1 INVITE", &audio(MEDIA))));
    assert!(scene.is_for(MEDIA, "198.18.7.8", "198.18.7.8"), "it is the newer call's");
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, OTHER, &other(request("BYE", 1, ("b", "a"), "")));
    assert!(!scene.is_open(MEDIA));
    // RTCP that nobody named does not take another call's port.
    let mut scene = answered();
    let below = audio("198.51.100.10:19999");
    scene.say(PSAP, OTHER, &other(response(200, "1 INVITE", &below)));
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
}

#[test]
fn living_calls_are_refreshed_and_silent_ones_forgotten() {
    let mut scene = answered();
    let before = scene.pin(MEDIA, 17).unwrap()[0];
    scene.wait(61);
    let after = scene.pin(MEDIA, 17).unwrap()[0];
    assert_ne!(before, after, "its time went on");
    // Whoever displaced it meanwhile is displaced.
    let port = Port { address: "198.51.100.10".parse().unwrap(), port: 20000, protocol: 17 };
    scene.follower.pins.change(&port, |pin| pin[0] = 0);
    scene.wait(61);
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
    scene.wait(3 * 3600);
    assert_eq!(scene.follower.counts().calls, 0);
    let last = scene.pin(MEDIA, 17).unwrap()[0];
    scene.wait(100);
    assert_eq!(scene.pin(MEDIA, 17).unwrap()[0], last, "left to the data plane");
}

#[test]
fn a_flood_of_calls_throws_out_those_that_were_not_answered() {
    let mut scene = answered();
    for number in 0..CALLS_MAX * 3 {
        scene.now += 1000;
        let invite = request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000"));
        scene.say(OTHER, PSAP, &invite.replace("1@example.net", &format!("{number}@flood")));
        let counts = scene.follower.counts();
        assert!(counts.calls <= CALLS_MAX as u64);
        assert_eq!(counts.forgotten + counts.calls, number as u64 + 2, "all are accounted for");
    }
    // Still known: hanging up closes.
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn copies_in_pieces_and_by_tcp() {
    let answer = response(200, "1 INVITE", &audio(MEDIA));
    let of = |protocol, sequence, flags, offset: usize, part: &[u8]| {
        let length = u32::try_from(part.len()).unwrap();
        let header = CopyHeader {
            source: address("198.51.100.10".parse::<IpAddr>().unwrap()),
            destination: address("198.18.7.7".parse::<IpAddr>().unwrap()),
            flags: FROM_ELEMENT | flags,
            sequence,
            protocol,
            fragment_offset: u16::try_from(offset / 8).unwrap(),
            payload_length: length,
            length,
            ..CopyHeader::default()
        };
        record(&header, part)
    };
    let (one, two) = answer.as_bytes().split_at(200);
    let mut scene = Scene::new();
    scene.follower.take(&of(6, 1000, 0, 0, one), 1);
    scene.follower.take(&of(6, 1200, 0, 0, two), 1);
    assert!(scene.is_open(MEDIA));
    let mut scene = Scene::new();
    let (more, later) = (1 << 3, 1 << 2);
    scene.follower.take(&of(17, 7, later, 208, two), 1);
    scene.follower.take(&of(17, 7, more, 0, one), 1);
    assert!(scene.is_open(MEDIA));
    // The end is lost: what was said before it counts a little later.
    let (one, _) = answer.as_bytes().split_at(answer.len() - 4);
    let mut scene = Scene::new();
    scene.follower.take(&of(17, 7, more, 0, &[one, b"\r\na="].concat()), 1);
    assert!(!scene.is_open(MEDIA));
    scene.now = 0;
    scene.wait(3);
    assert!(scene.is_open(MEDIA));
}

proptest! {
    #[test]
    fn any_records_are_survived(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 60..300), 0..20),
    ) {
        let mut scene = Scene::new();
        for bytes in records {
            scene.follower.take(&bytes, 1);
        }
        scene.wait(5);
    }

    /// Whatever order the messages of calls are heard in, and whoever says them, no port is open
    /// that the element did not name.
    #[test]
    fn any_order_opens_what_the_element_said_alone(
        said in prop::collection::vec((0usize..3, 0usize..9, 1u32..4, 0u16..4, any::<bool>()), 0..40),
    ) {
        let mut scene = Scene::new();
        for (who, what, number, port, described) in said {
            let at = format!("198.51.100.10:{}", 20000 + port * 2);
            let theirs = format!("198.51.100.10:{}", 30000 + port * 2);
            let (from, to, at) = match who {
                0 => (PSAP, STRANGER, at),
                1 => (STRANGER, PSAP, theirs),
                _ => (OTHER, PSAP, theirs),
            };
            let sdp = if described { audio(&at) } else { String::new() };
            let text = match what {
                0 => request("INVITE", number, ("a", ""), &sdp),
                1 => request("ACK", number, ("a", "b"), &sdp),
                2 => request("UPDATE", number, ("a", "b"), &sdp),
                3 => request("PRACK", number, ("a", "b"), &sdp),
                4 => request("BYE", number, ("a", "b"), &sdp),
                5 => response(183, &format!("{number} INVITE"), &sdp),
                6 => response(200, &format!("{number} INVITE"), &sdp),
                7 => response(486, &format!("{number} INVITE"), &sdp),
                _ => response(200, &format!("{number} BYE"), &sdp),
            };
            scene.say(from, to, &text);
            scene.wait(1);
        }
        for port in 30000..30010 {
            let is_open = scene.is_open(&format!("198.51.100.10:{port}"));
            prop_assert!(!is_open);
        }
    }
}
