//! A stranger's call that comes and goes through a tunnel whose inside is looked at.
//!
//! VXLAN is UDP, so that plain sockets are the tunnel's ends.

use std::net::UdpSocket;

use guard_common::reason::Reason;
use guard_tests::fixtures::sip::{emergency_invite, request, response};
use guard_tests::guard_process::{CARRIER, PSAP, Site};
use guard_tests::packet::udp;

use crate::{arrives, by, config, kinds, passed};

/// Port of VXLAN.
const VXLAN: u16 = 4789;
/// A caller behind the tunnel.
const CALLER: &str = "198.18.9.9:5060";

fn site() -> Option<Site> {
    let tunnel = format!(
        "[[tunnel]]\nid = 'vx'\naddresses = ['{CARRIER}', '{PSAP}']\nkinds = ['vxlan']\n\
         inside = 'trusted'\n"
    );
    Site::with(|site| config(site, true, &tunnel))
}

/// What a tunnel's end sends for a datagram of its inside.
fn carried(from: &str, to: &str, payload: &str) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 42, 0], udp(from, to, payload).frame().as_slice()].concat()
}

fn ends(site: &Site) -> (UdpSocket, UdpSocket) {
    (site.listen(PSAP, VXLAN), site.speak(CARRIER))
}

fn service() -> String {
    format!("{PSAP}:5060")
}

/// Program arrays are emptied when nobody holds them: the pins do.
#[test]
fn the_inside_is_limited_with_the_daemon_dead() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    daemon.kill();
    let (near, far) = ends(&site);
    let plain = |number: u32| {
        let message = request("OPTIONS", &format!("sip:{number}@psap.example"));
        carried(CALLER, &service(), &message)
    };
    assert!(arrives(&site, &far, &near, &plain(1)), "within its limit");
    assert!(!arrives(&site, &far, &near, &plain(2)), "over its limit");
    let call = carried(CALLER, &service(), &emergency_invite());
    assert!(arrives(&site, &far, &near, &call));
    assert_eq!(passed(&site, Reason::MARKED), 1);
}

#[test]
fn an_answer_through_the_tunnel_makes_the_rest_of_the_call_pass() {
    for kind in kinds() {
        let Some(mut site) = site() else { return };
        by(&mut site, kind);
        let _daemon = site.start();
        let (near, far) = ends(&site);
        let into = |message: &str| carried(CALLER, &service(), message);
        let plain = |number: u32| into(&request("OPTIONS", &format!("sip:{number}@psap.example")));
        assert!(arrives(&site, &far, &near, &plain(1)), "within its limit");
        assert!(!arrives(&site, &far, &near, &plain(2)), "over its limit");
        assert!(arrives(&site, &far, &near, &into(&emergency_invite())));
        let ok = carried(&service(), CALLER, &response("200 OK"));
        near.send_to(&ok, far.local_addr().unwrap()).unwrap();
        let bye = into(&request("BYE", "sip:dispatch@psap.example"));
        assert!(arrives(&site, &far, &near, &bye), "{kind}");
        assert_eq!(passed(&site, Reason::DIALOG), 1, "{kind}");
    }
}
