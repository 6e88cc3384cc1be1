//! INVITEs that need more than a packet: many TCP segments, or IP fragments.

use std::fs;

use guard_tests::calls::attack::Aim;
use guard_tests::calls::bodies::Body;
use guard_tests::calls::party::Transport;
use guard_tests::netns::Namespace;

use crate::scene::{CALLS, FRAGMENTED, LARGE, all_loud_and_clear, scene};

/// An INVITE with location and additional data of 20 kB, in many segments.
#[test]
fn large_invites_pass_over_tcp_in_a_flood() {
    let Some(scene) = scene(&["sipp"], &[Transport::Tcp]) else { return };
    let body = Body::of(LARGE);
    assert!(body.len() > 20_000);
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Signalling(desk)]).unwrap();
    all_loud_and_clear(scene.everybody_calls(desk, Transport::Tcp, &body));
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "sip_over_psap")]);
}

/// An INVITE as carriers send it, of nearly 3 kB in two fragments.
#[test]
fn fragmented_invites_pass_in_a_flood() {
    let Some(scene) = scene(&["sipp"], &[Transport::Udp]) else { return };
    let ground = &scene.ground;
    let desk = ground.desk.service();
    let before = reassembled(&ground.stage.east);
    let flood = ground.flood(&[Aim::Signalling(desk)]).unwrap();
    all_loud_and_clear(scene.everybody_calls(desk, Transport::Udp, &Body::of(FRAGMENTED)));
    flood.stop().unwrap();
    let calls: u32 = CALLS.iter().map(|(_, calls)| calls).sum();
    let after = reassembled(&ground.stage.east);
    assert!(after >= before + u64::from(calls), "{before} {after}: nothing was fragmented");
    scene.only_the_flood_was_dropped(&[(ground.desk.id, "sip_over_psap")]);
}

/// Datagrams that the host of a namespace put together from fragments.
fn reassembled(namespace: &Namespace) -> u64 {
    let table = namespace.run(|| fs::read_to_string("/proc/thread-self/net/snmp"));
    let table = table.unwrap().unwrap();
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut columns = names.split(' ').zip(values.split(' '));
    let (_, value) = columns.find(|(name, _)| *name == "ReasmOKs").unwrap();
    value.parse().unwrap()
}
