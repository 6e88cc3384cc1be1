//! What an input of the fuzzer means, and what must hold for it: no panic, counted once, and the
//! guard owes the frame what the oracle says. In the network of the fixtures, where everybody is
//! denied and the limits are the tightest, from a state in which nothing happened yet.

use super::dress::{PUSH, Way, transport};
use super::judge::claim;
use super::kept::Kept;
use super::message;
use super::random::Random;
use super::world::{SCTP, TCP, UDP, World};
use crate::fixtures::network::{LAN, Network, UNLISTED, WAN};
use crate::fixtures::run::Host;
use crate::fixtures::{all, sip};
use crate::packet::ip;

/// This bit of the first byte says that a message follows, and no frame.
const MESSAGE: u8 = 0x80;
/// Where a frame comes in, by the lowest bits of the first byte.
const INTERFACES: [&str; 4] = [LAN, WAN, UNLISTED, WAN];
/// What carries a message, by the same bits.
const PROTOCOLS: [u8; 4] = [UDP, TCP, SCTP, UDP];

/// Judges inputs of the fuzzer.
pub struct Fuzzed {
    host: Host,
    network: Network,
    world: World,
    /// Carries messages; its choices do not depend on the input.
    random: Random,
}

impl Default for Fuzzed {
    fn default() -> Self {
        Self::new()
    }
}

impl Fuzzed {
    /// With the network of the fixtures, hostile.
    #[must_use]
    pub fn new() -> Self {
        let mut network = Network::on_host();
        super::chaos::deny_everybody(&mut network.tables);
        let host = Host::new(&network.tables);
        Self { host, network, world: World::of_fixtures(), random: Random::new(0) }
    }

    /// Runs an input: a first byte that says how, then a frame or a message.
    ///
    /// # Errors
    ///
    /// What the guard owed the frame and did not do.
    pub fn check(&mut self, input: &[u8]) -> Result<(), String> {
        let Some((first, rest)) = input.split_first() else { return Ok(()) };
        let place = usize::from(first & 3);
        let (frame, interface) = if first & MESSAGE == 0 {
            (rest.to_vec(), INTERFACES.get(place).copied().unwrap_or(WAN))
        } else {
            // What does not fit into a datagram is no message.
            let message = rest.get(..60_000).unwrap_or(rest);
            (self.carry(PROTOCOLS.get(place).copied().unwrap_or(UDP), message), WAN)
        };
        self.host.forget();
        let answer = self.host.run(&frame, self.network.interface(interface));
        let claim = match interface {
            // The policy does not know it, so every address is believed: the guard's own failure.
            UNLISTED => return Ok(()),
            interface => claim(&self.world, &frame, interface, Kept::TODAY),
        };
        super::check(claim, answer.dropped, answer.reason())
    }

    /// A frame with a message of a stranger who is never answered, to a PSAP's service.
    fn carry(&mut self, protocol: u8, message: &[u8]) -> Vec<u8> {
        let (from, to) = ("198.19.7.7", "198.51.100.10");
        let (Ok(source), Ok(destination)) = (from.parse(), to.parse()) else { return Vec::new() };
        let way = Way { source: (source, 40000), destination: (destination, 5060), protocol };
        ip(from, to, protocol, &transport(&mut self.random, way, PUSH, message)).frame()
    }
}

/// Inputs to begin with: the frames of the fixtures, and messages of the generator.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let steps = all().into_iter().flat_map(|fixture| fixture.steps);
    let mut seeds: Vec<_> = steps
        .map(|step| [[u8::from(step.interface == WAN)].as_slice(), &step.frame].concat())
        .collect();
    let mut random = Random::new(911);
    for _ in 0..400 {
        let carrier = MESSAGE | random.byte() & 3;
        seeds.push([[carrier].as_slice(), &message::any(&mut random)].concat());
    }
    seeds.push([[MESSAGE].as_slice(), sip::emergency_invite().as_bytes()].concat());
    seeds.retain(|seed| seed.len() < 700);
    seeds
}
