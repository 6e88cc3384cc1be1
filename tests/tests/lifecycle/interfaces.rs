//! Interfaces that are not like others: with large frames, without Ethernet headers.

use std::fmt::Write as _;

use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS, Site, WAN};

use crate::{denying, site};

const NATIVE: u64 = 1;
/// An MTU of jumbo frames.
const LARGE: &str = "9000";
/// A device whose frames begin with the IP header.
const RAW: &str = "raw0";

/// A call with a long history: 8 kB, as a frame of a large MTU holds it.
fn long_invite() -> String {
    let mut text = format!(
        "INVITE sip:911@{PSAP} SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK1\r\n\
         From: <sip:caller@example.net>;tag=a\r\nTo: <urn:service:sos>\r\n\
         Call-ID: 1@example.net\r\nCSeq: 1 INVITE\r\n"
    );
    while text.len() < 8000 {
        let number = text.len();
        write!(text, "History-Info: <sip:{number}@example.net>;index=1\r\n").unwrap();
    }
    text + "Content-Length: 0\r\n\r\n"
}

/// A frame that takes several of the driver's buffers is seen whole: the program is on in the
/// driver, and a peer's call of 8 kB in one frame passes and is counted once.
#[test]
fn large_frames_are_guarded_in_the_driver() {
    let Some(site) = site() else { return };
    site.host.ip(&["link", "set", WAN, "mtu", LARGE]).unwrap();
    site.outside.ip(&["link", "set", "far0", "mtu", LARGE]).unwrap();
    let daemon = site.start();
    assert_eq!(site.program_on(WAN).expect("attached").0, NATIVE, "{}", daemon.log());
    assert_eq!(site.status()["interfaces"][0]["mode"], "native");
    let (receiver, invite) = (site.listen(PSAP, SIP), long_invite());
    site.speak(CARRIER).send_to(invite.as_bytes(), (PSAP, SIP)).unwrap();
    let mut buffer = [0; 16_384];
    let length = receiver.recv(&mut buffer).expect("a peer's call passes");
    assert!(buffer.get(..length) == Some(invite.as_bytes()), "it arrives whole");
    for field in ["protected_packets", "passed_packets"] {
        assert_eq!(site.count("P-1", field), 1, "{field}: one frame, and no fragments");
    }
    // What is denied is, however large, as long as it is no emergency.
    site.speak(STRANGERS[0]).send_to(&[b'x'; 8000], (PSAP, SIP)).unwrap();
    assert!(site.reaches(STRANGERS[1], &receiver), "and what comes behind it passes");
    assert_eq!(site.count("P-1", "dropped_packets"), 1);
}

/// The site's configuration with an interface without Ethernet header.
fn with_raw(site: &Site) -> String {
    format!("{}[[interface]]\nname = '{RAW}'\nrole = 'trusted'\n", denying(site))
}

/// An interface whose frames have no Ethernet header cannot be read: it is refused before anything
/// is changed, with what to guard instead.
#[test]
fn an_interface_without_ethernet_header_is_refused() {
    let Some(site) = site() else { return };
    if site.host.ip(&["tuntap", "add", "dev", RAW, "mode", "tun"]).is_err() {
        guard_tests::privilege::skip("this kernel has no tun devices");
        return;
    }
    site.host.ip(&["link", "set", RAW, "up"]).unwrap();
    let words = ["interface raw0", "no Ethernet header", "guard the interface below it"];
    let refused = |configuration: &str| {
        site.configure(configuration);
        let file = site.file();
        site.guard(&["run", "-c", &file.to_string_lossy()]).fails(7, &words);
    };
    for way in ["native", "generic"] {
        refused(&(with_raw(&site) + &format!("attach = '{way}'\n")));
        site.is_bare();
    }

    // A guard that runs goes on as it was.
    site.configure(&denying(&site));
    let daemon = site.start();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    let _ = site.apply(&with_raw(&site)).fails(7, &words);
    let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    assert_eq!(before, after, "{}", daemon.log());
    assert_eq!(site.program_on(RAW), None);
    assert!(!site.passes(STRANGERS[0]) && site.passes(STRANGERS[1]) && site.passes(CARRIER));
}
