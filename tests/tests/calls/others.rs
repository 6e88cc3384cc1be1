//! Scenarios made by others. They are not part of the project; without them this is skipped,
//! loudly.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::{env, fs};

use guard_tests::calls::attack::Aim;
use guard_tests::calls::ground::Who;
use guard_tests::calls::party::{Dial, Party};
use guard_tests::privilege::corpus;
use guard_tests::sip::Tally;

use crate::scene::{BOTH, LONGEST, Scene, scene_with};

/// The folder, or a loud skip: the project has to do without it, in CI, too.
fn folder() -> Option<PathBuf> {
    let folder = corpus().map(|corpus| corpus.join("ng911/sipp")).filter(|folder| folder.is_dir());
    if folder.is_none() {
        assert!(env::var_os("GUARD_CORPUS").is_none(), "GUARD_CORPUS has no folder ng911/sipp");
        eprintln!("SKIPPED  no ng911/sipp beside the workspace (shared/data); set GUARD_CORPUS");
    }
    folder
}

/// NG9-1-1 scenarios of a conformance suite: calls as originating services, BCFs and ESRPs place
/// them. Most never send a message twice, so that one lost datagram fails them.
#[test]
fn scenarios_made_by_others_pass_in_a_flood() {
    let Some(folder) = folder() else { return };
    // The desk's buffer holds what a busy desk leaves lying for half a second.
    let limit = "[limits.sip]\nper-psap = '100/s'\n";
    let Some(scene) = scene_with(&["sipp"], &BOTH, limit) else { return };
    let ground = &scene.ground;
    fs::copy(folder.join("CALLS").join(AUDIO), ground.folder.join(AUDIO)).unwrap();
    let flood = ground.flood(&[Aim::Signalling(ground.desk.service())]).unwrap();
    for (what, party) in scene.play(&folder) {
        let errors = party.errors_path();
        let tally = party.finish(LONGEST).unwrap();
        let said = fs::read_to_string(errors).unwrap_or_default();
        assert_eq!(tally, Tally { begun: 1, completed: 1, failed: 0 }, "{what}: {said}");
    }
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(ground.desk.id, "sip_over_psap")]);
}

impl Scene {
    /// Everybody begins everything at once, the carrier and the stranger over different
    /// transports, in turns.
    fn play(&self, folder: &Path) -> Vec<(String, Party)> {
        let ground = &self.ground;
        let mut ports = (6000..).step_by(6);
        let mut parties = Vec::new();
        for (number, path) in MADE_BY_OTHERS.iter().enumerate() {
            let text = without_idling(&fs::read_to_string(folder.join(path)).unwrap());
            // A minute of audio in 1.3 seconds: from a stranger that is no telephone.
            let other = if text.contains(AUDIO) { Who::Carrier } else { Who::Stranger };
            let turns = BOTH.into_iter().cycle().skip(number);
            for (who, transport) in [Who::Carrier, other].into_iter().zip(turns) {
                let ((namespace, address), port) = (ground.place(who), ports.next().unwrap());
                let dial = Dial {
                    from: SocketAddrV4::new(address, port),
                    ..ground.emergency(who, ground.desk.service(), transport)
                };
                let name = format!("other-{port}");
                let party = Party::dial(namespace, &ground.folder, &name, &text, &dial).unwrap();
                parties.push((format!("{path}, {who:?}, {}", transport.name()), party));
            }
        }
        parties
    }
}

/// What some of the scenarios play.
const AUDIO: &str = "g711ulaw_rtp_stream.pcap";

/// Those that place calls and need nobody but a desk that answers; not those whose audio sipp
/// sends from port 0, which is nobody's media port.
const MADE_BY_OTHERS: [&str; 18] = [
    "CALLS/SIP_basic_call.xml",
    "CALLS/SIP_basic_call_from_OSP.xml",
    "CALLS/SIP_basic_call_with_RTP.xml",
    "SIP_INVITE/SIP_INVITE_ReINVITE_BYE.xml",
    "SIP_INVITE/SIP_INVITE_SDP_with_H.264_video_level_1.1.xml",
    "SIP_INVITE/SIP_INVITE_SDP_with_H.264_video_level_1b.xml",
    "SIP_INVITE/SIP_INVITE_SDP_with_H.264_video_level_3.0.xml",
    "SIP_INVITE/SIP_INVITE_SDP_with_g711alaw_audio.xml",
    "SIP_INVITE/SIP_INVITE_SDP_with_g711ulaw_audio.xml",
    "SIP_INVITE/\
     SIP_INVITE_from_ESRP_with_complex_multipart_mixed_SDP_PIDFLO_AddData_NGAACN.xml",
    "SIP_INVITE/SIP_INVITE_from_ESRP_with_nested_multipart_mixed.xml",
    "SIP_INVITE/SIP_INVITE_from_ESRP_with_single_multipart_mixed_SDP_only.xml",
    "SIP_INVITE/SIP_INVITE_test_SDP_with_H.264_video_level_1.1.xml",
    "SIP_INVITE/SIP_INVITE_test_SDP_with_H.264_video_level_1b.xml",
    "SIP_INVITE/SIP_INVITE_test_SDP_with_H.264_video_level_2.0.xml",
    "SIP_INVITE/SIP_INVITE_test_SDP_with_g711alaw_audio.xml",
    "SIP_INVITE/SIP_INVITE_test_SDP_with_g711ulaw_audio.xml",
    "SIP_INVITE/SIP_INVITE_with_language_tags.xml",
];

/// A scenario less the steps that wait for what never comes, so that it may not end too early.
fn without_idling(scenario: &str) -> String {
    let mut kept = String::new();
    let mut rest = scenario;
    while let Some((before, after)) = rest.split_once("<recv response=\"999\"") {
        kept.push_str(before);
        rest = after.split_once("</recv>").map_or("", |(_, rest)| rest);
    }
    kept + rest
}
