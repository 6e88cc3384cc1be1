//! Real calls (sipp) through a guarded router: in a flood, and over swaps and the daemon's death.
//!
//! A carrier dials 911, a stranger the service URN, to two dispatch centres behind the router.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use guard_tests::demo::stage::{
    CARRIER, EAST, Psap, SIP, SPOOFED_BITS, STRANGER, Stage, UPLINK, WAN, WEST,
};
use guard_tests::flood::frame::{invite, udp};
use guard_tests::flood::{Flood, Plan};
use guard_tests::guard_process::{Site, eventually, generator_object};
use guard_tests::netns::Namespace;
use guard_tests::privilege::{require_bpf, skip};
use guard_tests::sip::{Calls, Uac, Uas};

/// Calls of each caller to each dispatch centre, and how many a second.
const CALLS: u32 = 20;
const RATE: u32 = 5;
/// Beginning, waiting four seconds for an answer, talking, hanging up; on a busy machine, with every
/// message sent again.
const LONGEST: Duration = Duration::from_secs(60);

/// The stage with a guard on all interfaces of its router.
struct Scene {
    site: Site,
    stage: Stage,
    folder: PathBuf,
    // Killed when dropped.
    _centres: [Uas; 2],
}

fn scene() -> Option<Scene> {
    if !require_bpf() {
        return None;
    }
    if std::process::Command::new("sipp").arg("-v").output().is_err() {
        skip("there is no sipp: `cargo xtask setup`, or install sip-tester");
        return None;
    }
    let stage = Stage::set().unwrap();
    let site = Site::around(stage.core.clone(), stage.internet.clone());
    site.configure(&configuration(&site));
    let folder = site.path("sipp");
    fs::create_dir(&folder).unwrap();
    let answer =
        |namespace, psap: &Psap| Uas::start(namespace, &folder, psap.id, psap.service()).unwrap();
    let centres = [answer(&stage.east, &EAST), answer(&stage.west, &WEST)];
    Some(Scene { site, stage, folder, _centres: centres })
}

fn configuration(site: &Site) -> String {
    let psap = |Psap { id, address, device, .. }: &Psap| {
        format!(
            "[[interface]]\nname = '{device}'\nrole = 'trusted'\n\
             [[psap]]\nid = '{id}'\nservices = ['{address}:5060/udp']\nbind = ['{device}']\n"
        )
    };
    format!(
        "[guard]\nmode = 'enforce'\npin-dir = '{}'\nstate-dir = '{}'\n\
         [[interface]]\nname = '{WAN}'\nrole = 'untrusted'\n\
         [[interface]]\nname = 'carrier0'\nrole = 'untrusted'\n\
         [[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\nbind = ['carrier0']\n{}{}",
        site.pins().display(),
        site.state().display(),
        psap(&EAST),
        psap(&WEST),
    )
}

impl Scene {
    fn caller(&self, namespace: &Namespace, from: Ipv4Addr, psap: &Psap, uri: String) -> Uac {
        let name = format!("{from}-{}", psap.id);
        // Two on one address need ports of their own.
        let port = if psap.id == EAST.id { SIP } else { SIP + 10 };
        let calls = Calls {
            from: SocketAddrV4::new(from, port),
            to: psap.service(),
            uri,
            number: "+14135550143".to_owned(),
            count: CALLS,
            rate: RATE,
        };
        Uac::start(namespace, &self.folder, &name, &calls).unwrap()
    }

    /// Everybody begins to call everybody.
    fn callers(&self) -> Vec<Uac> {
        let Stage { carrier, stranger, .. } = &self.stage;
        let call = |psap: &Psap| {
            let dialled = format!("sip:911@{}", psap.address);
            [
                self.caller(carrier, CARRIER, psap, dialled),
                self.caller(stranger, STRANGER, psap, "urn:service:sos".to_owned()),
            ]
        };
        [EAST, WEST].iter().flat_map(call).collect()
    }
}

/// Asserts that every call came to its regular end.
fn all_complete(mut callers: Vec<Uac>) {
    let ended = || callers.iter_mut().all(|caller| caller.has_ended().unwrap());
    assert!(eventually(LONGEST, ended), "calls hang");
    for caller in callers {
        let tally = caller.finish().unwrap();
        assert_eq!((tally.completed, tally.failed), (u64::from(CALLS), 0), "{tally:?}");
    }
}

/// The point of it all: every call of a peer and every marked call of a stranger is answered
/// while a flood of spoofed calls hits the same dispatch centre, and the flood is what is dropped.
#[test]
fn calls_get_through_a_flood() {
    let Some(scene) = scene() else { return };
    let Scene { site, stage, .. } = &scene;
    let _daemon = site.start();
    let path = stage.attack(&EAST).unwrap();
    let plan = Plan {
        frames: vec![udp(&path, b"").unwrap(), invite(&path).unwrap()],
        spoofed: SPOOFED_BITS,
        cpu: None,
    };
    let flood = Flood::start(&generator_object(), &stage.internet, UPLINK, plan).unwrap();
    all_complete(scene.callers());
    flood.stop().unwrap();

    let dropped = site.count(EAST.id, "dropped_packets");
    assert!(dropped > 100_000, "that was no flood: {dropped} dropped");
    assert_eq!(site.count(WEST.id, "dropped_packets"), 0, "nobody floods it");
    // INVITE, 180, 200, ACK, BYE, 200 of two callers, and some may have been sent twice.
    for psap in [EAST, WEST] {
        let protected = site.count(psap.id, "protected_packets");
        assert!(protected >= u64::from(CALLS) * 2 * 6, "{}: {protected}", psap.id);
    }
    let status = site.status();
    assert_eq!(status["stance"], "enforcing");
    for quiet in ["state_missing", "unknown_interface", "watchdog_open", "unbound_source"] {
        assert_eq!(status["alarms"][quiet], 0, "{quiet}");
    }
}

/// G4: calls under way notice neither swaps nor the death and return of the daemon.
#[test]
fn calls_outlive_swaps_and_the_daemon() {
    let Some(scene) = scene() else { return };
    let site = &scene.site;
    let daemon = site.start();
    let callers = scene.callers();
    let service = "198.51.100.27:5060/udp";
    for _ in 0..3 {
        let add = ["psap", "add", "new", "--service", service, "--bind", WEST.device];
        let _ = site.guard(&add).done();
        let _ = site.guard(&["psap", "remove", "new"]).done();
    }
    daemon.kill();
    let _daemon = site.start();
    all_complete(callers);
    assert_eq!(site.status()["totals"]["dropped_packets"], 0);
    assert_eq!(site.status()["generation"]["number"], 7);
}
