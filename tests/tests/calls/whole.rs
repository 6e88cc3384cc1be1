//! Calls as they should be: set up, talked, held, resumed and ended, nothing lost.

use guard_tests::calls::attack::Aim;
use guard_tests::calls::bodies::Body;
use guard_tests::calls::party::Transport;

use crate::scene::{all_loud_and_clear, scene};

/// Everybody calls the desk in peace: the guard drops nothing at all.
fn calls_are_whole(transport: Transport) {
    let Some(scene) = scene(&["sipp"], &[transport]) else { return };
    let desk = scene.ground.desk.service();
    all_loud_and_clear(scene.everybody_calls(desk, transport, &Body::sdp()));
    scene.only_the_flood_was_dropped(&[]);
}

/// Everybody calls the desk while its signalling is flooded.
fn calls_are_whole_in_a_flood(transport: Transport) {
    let Some(scene) = scene(&["sipp"], &[transport]) else { return };
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Signalling(desk)]).unwrap();
    all_loud_and_clear(scene.everybody_calls(desk, transport, &Body::sdp()));
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "sip_over_psap")]);
}

#[test]
fn calls_are_whole_over_udp() {
    calls_are_whole(Transport::Udp);
}

#[test]
fn calls_are_whole_over_tcp() {
    calls_are_whole(Transport::Tcp);
}

#[test]
fn calls_are_whole_over_udp_in_a_flood() {
    calls_are_whole_in_a_flood(Transport::Udp);
}

#[test]
fn calls_are_whole_over_tcp_in_a_flood() {
    calls_are_whole_in_a_flood(Transport::Tcp);
}
