//! Floods of other things than signalling: of media ports, of reassembly, of connections.

use std::net::SocketAddrV4;

use guard_tests::calls::attack::Aim;
use guard_tests::calls::bodies::Body;
use guard_tests::calls::ground::{LABELLED, Who};
use guard_tests::calls::party::{Dial, Transport};
use guard_tests::demo::stage::SIP;
use guard_tests::sip::Tally;

use crate::scene::{
    FRAGMENTED, LARGE, LONGEST, all_loud_and_clear, complete, loud_and_clear, scene, scene_with,
};

/// A flood of what looks like audio, at the ports where the desk takes audio: nobody's calls lose
/// anything.
#[test]
fn audio_survives_a_flood_of_its_ports() {
    let Some(scene) = scene(&["sipp"], &[Transport::Udp]) else { return };
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Media]).unwrap();
    let callers = scene.everybody_calls(desk, Transport::Udp, &Body::sdp());
    let [carrier, stranger] = callers.map(complete);
    flood.stop().unwrap();
    loud_and_clear(&carrier);
    let lost: usize = stranger.iter().map(|talk| talk.to_caller.lost()).sum();
    assert_eq!(lost, 0, "what an element sends passes: {stranger:?}");
    let lost: usize = stranger.iter().map(|talk| talk.to_desk.lost()).sum();
    assert_eq!(lost, 0, "what comes from the one it was answered for passes: {stranger:?}");
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "udp_over_psap")]);
}

/// A flood of fragments that belong to nothing: an INVITE in two fragments passes, a carrier's and
/// a stranger's.
///
/// A host keeps fragments for 30 s, and Linux no more than 4 MiB of them, here some 800: a limit
/// that lets more pass leaves the carrier's no room at the desk.
#[test]
fn fragmented_invites_pass_in_a_flood_of_fragments() {
    let limit = "[limits.fragment]\nper-source = '10/s'\nper-psap = '10/s'\n";
    let Some(scene) = scene_with(&["sipp"], &[Transport::Udp], limit) else { return };
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Fragments]).unwrap();
    let [carrier, stranger] = [Who::Carrier, Who::Stranger].map(|who| {
        let dial = Dial { calls: 2, ..scene.ground.emergency(who, desk, Transport::Udp) };
        scene.call(who, &dial, &Body::of(FRAGMENTED))
    });
    loud_and_clear(&complete(carrier));
    let stranger = stranger.party.finish(LONGEST);
    flood.stop().unwrap();
    let answered = matches!(stranger, Ok(Tally { completed: 2, .. }));
    assert!(answered, "{stranger:?}");
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "fragment_over_psap")]);
}

/// A flood of connections: a carrier can connect. A stranger's first packet says nothing of an
/// emergency and is one of the flood's; that call has to come by UDP.
#[test]
fn carriers_connect_in_a_flood_of_connections() {
    let Some(scene) = scene(&["sipp"], &[Transport::Tcp]) else { return };
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Connections]).unwrap();
    let dial = scene.ground.emergency(Who::Carrier, desk, Transport::TcpEach);
    let dial = Dial { calls: 10, ..dial };
    loud_and_clear(&complete(scene.call(Who::Carrier, &dial, &Body::sdp())));
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "syn_over_psap")]);
}

/// A flood of segments that belong to no connection: everybody's connections work, the stranger's
/// as soon as a segment says that it is an emergency.
#[test]
fn connections_work_in_a_flood_of_segments() {
    let Some(scene) = scene(&["sipp"], &[Transport::Tcp]) else { return };
    let desk = scene.ground.desk.service();
    let flood = scene.ground.flood(&[Aim::Segments]).unwrap();
    all_loud_and_clear(scene.everybody_calls(desk, Transport::TcpEach, &Body::of(LARGE)));
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "tcp_over_psap")]);
}

/// A flood of calls that say emergency: the guard drops none, and labels them, so that a queue can
/// serve them after the rest. A carrier's calls lose nothing.
#[test]
fn carriers_calls_survive_a_flood_of_marked_calls() {
    let labels = format!("[labels]\npriority = {LABELLED}\n");
    let Some(scene) = scene_with(&["sipp"], &[Transport::Udp], &labels) else { return };
    let ground = &scene.ground;
    ground.queue_labelled_apart().unwrap();
    let desk = ground.desk.service();
    let flood = ground.flood(&[Aim::Marked(desk)]).unwrap();
    let dial = ground.emergency(Who::Carrier, desk, Transport::Udp);
    let dial = Dial { calls: 10, ..dial };
    loud_and_clear(&complete(scene.call(Who::Carrier, &dial, &Body::sdp())));
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[]);
    let protected = ground.protected().unwrap();
    assert!(protected > 200_000, "that was no flood: {protected} protected frames");
    let (taken, left) = ground.labelled().unwrap();
    assert!(left > 100_000, "the labelled had room: {taken} frames went on, {left} did not");
}

/// Everything at once: a carrier's calls lose nothing.
#[test]
fn calls_of_a_carrier_survive_all_floods_at_once() {
    let Some(scene) = scene(&["sipp"], &[Transport::Udp, Transport::Tcp]) else { return };
    let ground = &scene.ground;
    let desk = ground.desk.service();
    let signalling = Aim::Signalling(desk);
    let aims = [signalling, Aim::Media, Aim::Connections, Aim::Segments, Aim::Fragments];
    let flood = ground.flood(&aims).unwrap();
    let callers = [(Transport::Udp, SIP, 40_000), (Transport::TcpEach, SIP + 1, 50_000)].map(
        |(transport, port, media)| {
            let dial = ground.emergency(Who::Carrier, desk, transport);
            let from = SocketAddrV4::new(*dial.from.ip(), port);
            scene.call(Who::Carrier, &Dial { from, media, calls: 10, ..dial }, &Body::sdp())
        },
    );
    all_loud_and_clear(callers);
    flood.stop().unwrap();
    let reasons = ["sip", "udp", "syn", "tcp", "fragment"].map(|kind| format!("{kind}_over_psap"));
    let floods: Vec<_> = reasons.iter().map(|reason| (ground.desk.id, reason.as_str())).collect();
    scene.only_the_flood_was_dropped(&floods);
}
