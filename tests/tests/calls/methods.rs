//! What there is besides calls that are answered.

use std::fs;
use std::net::SocketAddrV4;

use guard_tests::calls::attack::Aim;
use guard_tests::calls::ground::Who;
use guard_tests::calls::party::{self, Dial, Party};
use guard_tests::demo::stage::{CARRIER, SIP};
use guard_tests::sip::Tally;

use crate::scene::{BOTH, LONGEST, Scene, scene};

/// What there is besides calls that are answered, in a flood: keep-alives both ways, a message, a
/// state that is subscribed to; calls that are cancelled, refused, handed over.
#[test]
fn all_methods_pass_in_a_flood() {
    let Some(scene) = scene(&["sipp"], &BOTH) else { return };
    let desk = scene.ground.desk.service();
    let _carriers = scene.carriers_desks();
    let flood = scene.ground.flood(&[Aim::Signalling(desk)]).unwrap();
    scene.all_methods(desk, &ALL_METHODS);
    flood.stop().unwrap();
    scene.only_the_flood_was_dropped(&[(scene.ground.desk.id, "sip_over_psap")]);
}

impl Scene {
    /// The carrier answers, too.
    fn carriers_desks(&self) -> [Party; 2] {
        let folder = self.ground.folder.join("carrier");
        fs::create_dir(&folder).unwrap();
        let (namespace, at) = (&self.ground.stage.carrier, SocketAddrV4::new(CARRIER, SIP));
        BOTH.map(|transport| Party::desk(namespace, &folder, at, transport).unwrap())
    }

    /// Everybody begins everything at once, three times, towards a next hop; all of it comes to
    /// its regular end.
    pub fn all_methods(&self, hop: SocketAddrV4, methods: &[(Asks, &str, &str)]) {
        let ground = &self.ground;
        let mut ports = (5070..).step_by(4);
        let mut parties = Vec::new();
        for transport in BOTH {
            for (asks, what, scenario) in methods {
                let port = ports.next().unwrap();
                let (namespace, from, dial) = match *asks {
                    Asks::Caller(who) => {
                        let (namespace, from) = ground.place(who);
                        (namespace, from, ground.emergency(who, hop, transport))
                    }
                    Asks::Desk => {
                        let carrier = SocketAddrV4::new(CARRIER, SIP);
                        let dial = ground.emergency(Who::Carrier, carrier, transport);
                        (&ground.stage.east, ground.desk.address, dial)
                    }
                };
                let dial = Dial { from: SocketAddrV4::new(from, port), calls: 3, ..dial };
                let name = format!("{what}-{port}");
                let party = Party::dial(namespace, &ground.folder, &name, scenario, &dial);
                parties.push((name, party.unwrap()));
            }
        }
        for (name, party) in parties {
            let errors = party.errors_path();
            let tally = party.finish(LONGEST).unwrap();
            let said = fs::read_to_string(errors).unwrap_or_default();
            assert_eq!(tally, Tally { begun: 3, completed: 3, failed: 0 }, "{name}: {said}");
        }
    }
}

/// Who begins it.
#[derive(Clone, Copy)]
pub enum Asks {
    Caller(Who),
    Desk,
}

pub const ALL_METHODS: [(Asks, &str, &str); 11] = [
    (Asks::Desk, "options", party::OPTIONS),
    (Asks::Caller(Who::Carrier), "options", party::OPTIONS),
    (Asks::Caller(Who::Carrier), "subscribe", party::SUBSCRIBE),
    (Asks::Caller(Who::Carrier), "message", party::MESSAGE),
    (Asks::Caller(Who::Carrier), "cancel", party::CANCEL),
    (Asks::Caller(Who::Carrier), "busy", party::BUSY),
    (Asks::Caller(Who::Carrier), "transferred", party::TRANSFERRED),
    (Asks::Caller(Who::Stranger), "message", party::MESSAGE),
    (Asks::Caller(Who::Stranger), "cancel", party::CANCEL),
    (Asks::Caller(Who::Stranger), "busy", party::BUSY),
    (Asks::Caller(Who::Stranger), "transferred", party::TRANSFERRED),
];
