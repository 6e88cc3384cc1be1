//! What all these tests begin with and how they look at what came of it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddrV4;
use std::process::Command;
use std::time::Duration;

use guard_tests::calls::audio::{Audio, Talk};
use guard_tests::calls::bodies::Body;
use guard_tests::calls::ground::{Ground, Who};
use guard_tests::calls::party::{Dial, Party, Transport};
use guard_tests::guard_process::Daemon;
use guard_tests::privilege::{require_bpf, skip};
use guard_tests::sip::Tally;

/// Every transport.
pub const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
/// Calls of the carrier, and of the stranger: one source may send 200 UDP packets a second, which
/// are the audio of four calls.
pub const CALLS: [(Who, u32); 2] = [(Who::Carrier, 10), (Who::Stranger, 2)];
/// A call lasts four seconds; on a busy machine, with every message sent again, some more.
pub const LONGEST: Duration = Duration::from_secs(40);
/// Packets the caller and the desk send in a call: 3 and 2.4 seconds, less what a busy machine
/// is late.
const SPOKEN: (usize, usize) = (120, 90);
/// A silence that packets tell: the desk speaks two of them before the caller does.
const NOTICED: Duration = Duration::from_millis(200);
/// Bytes of location and additional data in the largest INVITE: as in the largest sample known.
pub const LARGE: usize = 20_252;
/// Bytes of location that make an INVITE as large as one that a carrier was seen to send: 2.9 kB,
/// which two fragments hold.
pub const FRAGMENTED: usize = 2_310;
/// Frames that a flood must have lost to be one.
const FLOOD: u64 = 100_000;

/// The ground with a guard and an open desk; dropped in this order.
pub struct Scene {
    _desks: Vec<Party>,
    _daemon: Daemon,
    pub ground: Ground,
}

pub fn scene(programs: &[&str], transports: &[Transport]) -> Option<Scene> {
    scene_with(programs, transports, "")
}

/// A scene whose guard is told more than usual.
pub fn scene_with(programs: &[&str], transports: &[Transport], more: &str) -> Option<Scene> {
    if !require_bpf() {
        return None;
    }
    for program in programs {
        if Command::new(program).arg("-v").output().is_err() {
            skip(&format!("there is no {program}: `cargo xtask setup`"));
            return None;
        }
    }
    let ground = Ground::lay(more).unwrap();
    let daemon = ground.site.start();
    let desks = transports.iter().map(|transport| ground.open_desk(*transport).unwrap());
    let desks = desks.collect();
    Some(Scene { _desks: desks, _daemon: daemon, ground })
}

/// Somebody who makes calls with audio.
pub struct Caller {
    pub party: Party,
    audio: Audio,
    calls: u32,
}

impl Scene {
    pub fn call(&self, who: Who, dial: &Dial, body: &Body) -> Caller {
        let ground = &self.ground;
        let (namespace, _) = ground.place(who);
        let name = format!("{who:?}-{}", dial.transport.name());
        let party = Party::caller(namespace, &ground.folder, &name, dial, body).unwrap();
        let audio = Audio::follow(party.log(), namespace, &ground.stage.east).unwrap();
        Caller { party, audio, calls: dial.calls }
    }

    /// The carrier and the stranger begin to call a next hop.
    pub fn everybody_calls(
        &self,
        to: SocketAddrV4,
        transport: Transport,
        body: &Body,
    ) -> [Caller; 2] {
        let call = |(who, calls)| {
            let dial = Dial { calls, ..self.ground.emergency(who, to, transport) };
            self.call(who, &dial, body)
        };
        CALLS.map(call)
    }

    /// Asserts that nothing but the flood was dropped: only at this element, only for these
    /// reasons, and enough of each.
    #[track_caller]
    pub fn only_the_flood_was_dropped(&self, floods: &[(&str, &str)]) {
        let mut drops = self.ground.drops().unwrap();
        // Where a call keeps a port open, the flood onto it is told apart.
        drops.retain(|(_, reason, _)| !reason.starts_with("pinned_other"));
        let seen: BTreeSet<_> =
            drops.iter().map(|(id, reason, _)| (id.as_str(), reason.as_str())).collect();
        assert_eq!(seen, floods.iter().copied().collect(), "{drops:?}");
        for (id, reason, packets) in drops {
            assert!(packets >= FLOOD, "that was no flood: {packets} of {id} dropped ({reason})");
        }
        let status = self.ground.site.status();
        for quiet in ["state_missing", "unknown_interface", "watchdog_open", "unbound_source"] {
            assert_eq!(status.pointer(&format!("/alarms/{quiet}")).unwrap(), 0, "{quiet}");
        }
    }
}

/// Asserts that every call was answered and came to its regular end; their audio.
#[track_caller]
pub fn complete(caller: Caller) -> Vec<Talk> {
    let Caller { party, audio, calls } = caller;
    let errors = party.errors_path();
    let tally = party.finish(LONGEST).unwrap();
    let said = fs::read_to_string(errors).unwrap_or_default();
    assert_eq!(tally, Tally { begun: calls.into(), completed: calls.into(), failed: 0 }, "{said}");
    let talks = audio.finish().unwrap();
    assert_eq!(talks.len(), usize::try_from(calls).unwrap());
    for talk in &talks {
        let Talk { to_desk, to_caller, whole, silent, call: _ } = talk;
        assert!(*whole && to_desk.sent >= SPOKEN.0 && to_caller.sent >= SPOKEN.1, "{talk:?}");
        let was_quiet = to_desk.sent > to_caller.sent;
        assert!(was_quiet || *silent < NOTICED, "the desk spoke to a held line: {talk:?}");
    }
    talks
}

/// Asserts that no packet of the audio was lost, either way.
#[track_caller]
pub fn loud_and_clear(talks: &[Talk]) {
    let packets: usize = talks.iter().map(|talk| talk.to_desk.sent + talk.to_caller.sent).sum();
    println!("{} calls, {packets} packets of audio", talks.len());
    for talk in talks {
        assert_eq!((talk.to_desk.lost(), talk.to_caller.lost()), (0, 0), "{talk:?}");
    }
}

#[track_caller]
pub fn all_loud_and_clear(callers: [Caller; 2]) {
    for caller in callers {
        loud_and_clear(&complete(caller));
    }
}
