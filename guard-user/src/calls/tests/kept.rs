//! What a reader knows of the calls of the one before it.

use super::*;

/// Where the stranger's call has its media after a change.
const ELSEWHERE: &str = "198.51.100.10:21000";
/// RTCP beside [`MEDIA`].
const RTCP: &str = "198.51.100.10:20001";

impl Scene {
    /// What is kept, as it is written down.
    fn kept(&mut self) -> String {
        serde_json::to_string(&self.follower.changed().unwrap()).unwrap()
    }

    /// The scene with a new reader of the same pins, which takes back what was kept.
    fn handed_over(self, kept: &str) -> Self {
        let cells = Memory(self.follower.pins().cells().0.clone());
        let mut follower = Follower::new(directory(), cells, Counts::default());
        follower.take_back(serde_json::from_str::<Vec<Entry>>(kept).unwrap(), self.now);
        Self { follower, ..self }
    }

    /// The same after the other reader's death.
    fn restarted(mut self) -> Self {
        let kept = self.kept();
        self.handed_over(&kept)
    }
}

#[test]
fn a_new_reader_leaves_alone_what_it_does_not_know() {
    let mut scene = answered().handed_over("[]");
    let before = scene.pin(MEDIA, 17).unwrap();
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    scene.wait(300);
    assert_eq!(scene.pin(MEDIA, 17), Some(before));
    // A change of a call that it does not know teaches it; one that fails does not end the call.
    scene.say(PSAP, STRANGER, &request("INVITE", 7, ("b", "a"), &audio(ELSEWHERE)));
    assert!(scene.is_open(ELSEWHERE) && scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 491 x", ("b", "a"), "7 INVITE", ""));
    assert!(!scene.is_open(ELSEWHERE) && scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("UPDATE", 8, ("b", "a"), &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 200 x", ("b", "a"), "8 UPDATE", &audio(STRANGER)));
    scene.say(PSAP, STRANGER, &request("INVITE", 9, ("b", "a"), &audio(MEDIA)));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 491 x", ("b", "a"), "9 INVITE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("BYE", 10, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn a_new_reader_ends_the_calls_of_the_one_before() {
    let mut scene = answered().restarted();
    assert_eq!(scene.follower.counts().calls, 1);
    assert!(scene.is_for(MEDIA, "198.18.7.9", "198.18.7.7"));
    // Of another dialog, of another call, of somebody else: not its end.
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "x"), ""));
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), "").replace("1@", "2@"));
    scene.say(PSAP, OTHER, &request("BYE", 1, ("b", "a"), ""));
    assert!(scene.is_open(MEDIA) && scene.is_open(RTCP));
    scene.say(STRANGER, PSAP, &request("BYE", 2, ("a", "b"), ""));
    assert!(scene.is_open(MEDIA), "the element has not agreed");
    scene.say(PSAP, STRANGER, &response(200, "2 BYE", ""));
    assert!(!scene.is_open(MEDIA) && !scene.is_open(RTCP));
    // Nothing is left of it for a third.
    assert_eq!(scene.restarted().follower.counts().calls, 0);
}

#[test]
fn a_new_reader_refreshes_the_ports_of_a_held_call() {
    let scene = answered();
    let before = scene.pin(MEDIA, 17).unwrap()[0];
    let mut scene = scene.restarted();
    scene.wait(1);
    assert_ne!(scene.pin(MEDIA, 17).unwrap()[0], before, "it was due");
    let before = scene.pin(MEDIA, 17).unwrap()[0];
    scene.wait(61);
    assert_ne!(scene.pin(MEDIA, 17).unwrap()[0], before, "and is again");
    scene.wait(3 * 3600);
    assert_eq!(scene.follower.counts().calls, 0);
}

#[test]
fn a_call_of_before_may_be_changed() {
    let mut scene = answered().restarted();
    scene.say(STRANGER, PSAP, &request("INVITE", 2, ("a", "b"), &audio("198.18.7.8:40000")));
    scene.say(PSAP, STRANGER, &response(200, "2 INVITE", &audio(ELSEWHERE)));
    assert!(scene.is_for(ELSEWHERE, "198.18.7.8", "198.18.7.7"));
    assert!(!scene.is_open(MEDIA), "given up by the change");
    // One that fails leaves it as it was, and one that is late does not begin it anew.
    let mut scene = answered().restarted();
    scene.say(PSAP, STRANGER, &request("INVITE", 7, ("b", "a"), &audio(ELSEWHERE)));
    assert!(scene.is_open(ELSEWHERE) && scene.is_open(MEDIA));
    scene.say(STRANGER, PSAP, &message("SIP/2.0 491 x", ("b", "a"), "7 INVITE", ""));
    assert!(!scene.is_open(ELSEWHERE) && scene.is_open(MEDIA));
    let mut scene = scene.restarted();
    scene.say(PSAP, STRANGER, &request("UPDATE", 6, ("b", "a"), &audio(ELSEWHERE)));
    assert!(!scene.is_open(ELSEWHERE));
}

#[test]
fn a_call_that_was_not_answered_yet_goes_on() {
    let ringing = || {
        let mut scene = Scene::new();
        scene.say(STRANGER, PSAP, &request("INVITE", 1, ("a", ""), &audio("198.18.7.9:40000")));
        scene.say(PSAP, STRANGER, &response(183, "1 INVITE", &audio(MEDIA)));
        scene.restarted()
    };
    let mut scene = ringing();
    scene.say(PSAP, STRANGER, &response(200, "1 INVITE", ""));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
    let mut scene = ringing();
    scene.say(PSAP, STRANGER, &response(486, "1 INVITE", ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn what_is_pinned_for_nobody_or_for_another_is_forgotten() {
    let port = Port { address: "198.51.100.10".parse().unwrap(), port: 20000, protocol: 17 };
    let rtcp = Port { port: 20001, ..port };
    // After a reboot nothing is pinned.
    let kept = answered().kept();
    let mut scene = Scene::new().handed_over(&kept);
    assert_eq!(scene.follower.counts().calls, 0);
    scene.wait(120);
    assert!(scene.nothing_is_open());
    // Released since it was written down.
    let mut scene = answered();
    let kept = scene.kept();
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert_eq!(scene.handed_over(&kept).follower.counts().calls, 0);
    // Opened by the element itself, for somebody else.
    let mut scene = answered();
    scene.follower.pins.change(&port, |[_, sources, ..]| *sources = 99);
    let mut scene = scene.restarted();
    scene.wait(120);
    assert_eq!(scene.pin(MEDIA, 17).unwrap()[1], 99);
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(scene.is_open(MEDIA) && !scene.is_open(RTCP), "the other port is still its own");
    // And both.
    let mut scene = answered();
    for port in [port, rtcp] {
        scene.follower.pins.change(&port, |[_, sources, ..]| *sources = 99);
    }
    assert_eq!(scene.restarted().follower.counts().calls, 0);
}

#[test]
fn calls_that_share_a_port_are_both_kept() {
    let mut scene = answered();
    let other = |text: String| text.replace("1@example.net", "2@example.net");
    scene.say(OTHER, PSAP, &other(request("INVITE", 1, ("a", ""), &audio("198.18.7.8:40000"))));
    scene.say(PSAP, OTHER, &other(response(200, "1 INVITE", &audio(MEDIA))));
    let mut scene = scene.restarted();
    scene.say(PSAP, OTHER, &other(request("BYE", 1, ("b", "a"), "")));
    assert!(scene.is_open(MEDIA));
    scene.say(PSAP, STRANGER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(MEDIA));
}

#[test]
fn what_is_kept_names_no_call_and_no_caller() {
    let mut scene = answered();
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("203.0.113.9:9000")));
    scene.say(PSAP, CARRIER, &response(200, "1 INVITE", &audio(ELSEWHERE)));
    let kept = scene.kept();
    assert!(kept.contains("198.51.100.10"), "the element's own address: {kept}");
    for name in ["example", "198.18.", "203.0.113.", "sip:", "\"a\"", "\"b\""] {
        assert!(!kept.contains(name), "{name}: {kept}");
    }
    assert!(scene.follower.changed().is_none(), "nothing was said since");
    scene.say(PSAP, STRANGER, &request("UPDATE", 2, ("b", "a"), ""));
    assert!(scene.follower.changed().is_some());
}

#[test]
fn what_is_kept_opens_nothing_that_is_not_the_elements_to_open() {
    let mut scene = answered();
    let kept = scene.kept();
    let sip = Port { address: "198.51.100.10".parse().unwrap(), port: 5060, protocol: 17 };
    scene.follower.pins.open(&sip, &Sources { named: None, signalling: 1, configured: true }, 1);
    let kept = kept.replace("\"port\":20000", "\"port\":5060");
    let mut scene = scene.handed_over(&kept);
    let before = scene.pin(PSAP, 17);
    scene.wait(120);
    assert_eq!(scene.pin(PSAP, 17), before);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut scene = Scene::new();
    for number in 0..CALLS_MAX {
        let of = |text: String| text.replace("1@example.net", &format!("{number}@flood"));
        let port = |stream: usize| 1024 + (number * 8 + stream * 2) % 60_000;
        let more = |stream| format!("m=audio {} RTP/AVP 0\r\n", port(stream));
        let sdp = audio(&format!("198.51.100.40:{}", port(0))) + &more(1) + &more(2) + &more(3);
        scene.say(ESRP, STRANGER, &of(response(200, "1 INVITE", &sdp)));
    }
    scene.say(CARRIER, PSAP, &request("INVITE", 1, ("a", ""), &audio("203.0.113.9:9000")));
    scene.say(PSAP, CARRIER, &response(200, "1 INVITE", &audio(ELSEWHERE)));
    assert!(scene.follower.counts().opened > 30_000);
    let kept = scene.kept();
    assert!(kept.len() < 6 << 20, "{} bytes", kept.len());
    let mut scene = scene.handed_over(&kept);
    assert!((1000..CALLS_MAX as u64).contains(&scene.follower.counts().calls));
    scene.say(PSAP, CARRIER, &request("BYE", 1, ("b", "a"), ""));
    assert!(!scene.is_open(ELSEWHERE), "configured parties' calls are kept first");
}
