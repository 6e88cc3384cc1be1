//! Kamailio in the path of calls, as an ESRP, while both it and the desk are flooded.

use guard_tests::calls::attack::Aim;
use guard_tests::calls::bodies::Body;
use guard_tests::calls::esrp::Esrp;
use guard_tests::calls::ground::ESRP;
use guard_tests::calls::party::Transport;
use guard_tests::flood::Flood;

use crate::methods::ALL_METHODS;
use crate::scene::{BOTH, LARGE, Scene, all_loud_and_clear, scene};

/// An ESRP in a scene, and a flood of both it and the desk.
fn flooded(transports: &[Transport]) -> Option<(Flood, Esrp, Scene)> {
    let scene = scene(&["sipp", "kamailio"], transports)?;
    let ground = &scene.ground;
    let desk = ground.desk.service();
    let esrp = Esrp::start(&ground.esrp, &ground.folder, ESRP, desk).unwrap();
    let flood = ground.flood(&[Aim::Signalling(desk), Aim::Signalling(ESRP)]).unwrap();
    Some((flood, esrp, scene))
}

/// Ends the flood, and asserts that it alone was dropped and nothing troubled Kamailio.
#[track_caller]
fn conclude(flood: Flood, esrp: &Esrp, scene: &Scene) {
    flood.stop().unwrap();
    let floods = [(scene.ground.desk.id, "sip_over_psap"), ("esrp", "sip_over_psap")];
    scene.only_the_flood_was_dropped(&floods);
    assert!(!esrp.said().contains("ERROR"), "{}", esrp.said());
}

fn calls_go_by_an_esrp(transport: Transport, body: &Body) {
    let Some((flood, esrp, scene)) = flooded(&[transport]) else { return };
    all_loud_and_clear(scene.everybody_calls(ESRP, transport, body));
    conclude(flood, &esrp, &scene);
}

#[test]
fn calls_go_by_an_esrp_over_udp() {
    calls_go_by_an_esrp(Transport::Udp, &Body::sdp());
}

#[test]
fn large_calls_go_by_an_esrp_over_tcp() {
    calls_go_by_an_esrp(Transport::Tcp, &Body::of(LARGE));
}

#[test]
fn all_methods_go_by_an_esrp() {
    let Some((flood, esrp, scene)) = flooded(&BOTH) else { return };
    // All but what the desk asks the carrier.
    let (_, methods) = ALL_METHODS.split_first().unwrap();
    scene.all_methods(ESRP, methods);
    conclude(flood, &esrp, &scene);
}
