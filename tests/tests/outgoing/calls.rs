//! What the host answers makes the rest of a stranger's call pass.

use std::thread::sleep;
use std::time::Duration;

use guard_common::reason::Reason;
use guard_tests::fixtures::sip::{RTP, emergency_invite, request, response};
use guard_tests::guard_process::{PSAP, STRANGERS, Site};

use crate::{OPEN_FOR, arrives, each_way, passed, sip, site};

/// A stranger's call, and after it more signalling of the stranger than its limit allows; whether
/// that arrives.
fn bye_arrives(site: &Site) -> bool {
    let _daemon = site.start();
    let (service, stranger) = sip(site);
    let plain = |number: u32| request("OPTIONS", &format!("sip:{number}@psap.example"));
    assert!(arrives(site, &stranger, &service, plain(1).as_bytes()), "within its limit");
    assert!(!arrives(site, &stranger, &service, plain(2).as_bytes()), "over its limit");
    assert!(arrives(site, &stranger, &service, emergency_invite().as_bytes()));
    let ok = response("200 OK");
    service.send_to(ok.as_bytes(), stranger.local_addr().unwrap()).unwrap();
    let bye = request("BYE", "sip:dispatch@psap.example");
    arrives(site, &stranger, &service, bye.as_bytes())
}

/// Media of a stranger to a port that the host sends its own from; whether more than the limit
/// allows arrives.
fn media_arrives(site: &Site) -> bool {
    let _daemon = site.start();
    // After a start all media passes for as long as `open-for` says.
    sleep(OPEN_FOR + Duration::from_secs(3));
    let (media, stranger) = (site.listen(PSAP, 20_000), site.speak(STRANGERS[0]));
    media.send_to(RTP, stranger.local_addr().unwrap()).unwrap();
    let mut all = true;
    for number in 0..5u8 {
        let packet = [RTP, &[number]].concat();
        all &= arrives(site, &stranger, &media, &packet);
    }
    all
}

#[test]
fn an_answered_call_of_a_stranger_goes_on() {
    each_way(true, "", |site, kind| {
        assert!(bye_arrives(site), "{kind}");
        assert_eq!(passed(site, Reason::DIALOG), 1, "{kind}");
        // The other direction has counters of its own: the answer.
        assert_eq!(site.count("P-1", "out_packets"), 1, "{kind}");
        assert_eq!(site.count("P-1", "out_protected_packets"), 1, "{kind}");
        assert!(site.count("P-1", "out_bytes") > 200, "{kind}");
    });
}

/// On a router this is as it should be: there the answer comes in by another interface.
#[test]
fn without_outgoing_the_answer_is_not_seen() {
    let Some(site) = site(false, "") else { return };
    assert!(!bye_arrives(&site));
    assert_eq!(passed(&site, Reason::DIALOG), 0);
    assert_eq!(site.count("P-1", "out_packets"), 0);
}

#[test]
fn media_that_the_host_sends_opens_the_way_back() {
    each_way(true, "", |site, kind| {
        assert!(media_arrives(site), "{kind}");
        assert_eq!(passed(site, Reason::PINNED), 5, "{kind}");
    });
}

#[test]
fn without_outgoing_media_is_limited() {
    let Some(site) = site(false, "") else { return };
    assert!(!media_arrives(&site));
    assert_eq!(passed(&site, Reason::PINNED), 0);
}
