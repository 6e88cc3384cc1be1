//! Pins of ports in the pinned state: what the controller writes there, and how.
//!
//! The data plane writes to the same words while a call lasts. Neither waits for the other: a
//! write of either that is lost costs a flag or a time that the next frame, or the next minute,
//! sets again.

use std::net::IpAddr;

use aya::Pod;
use aya::maps::{Array, MapData};
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{Cells, PORT_WORDS, WAYS, switch};
use guard_common::address::Address;
use guard_common::pins::VACANT;
use guard_common::pins::port::Opening;
use serde::{Deserialize, Serialize};

use crate::kernel::pins::PinDir;
use crate::kernel::state::open;
use crate::kernel::wire::Wire;
use crate::kernel::{KernelError, object};

/// The words of a pin: the pin itself, its sources, their allowance, everybody else's.
pub type Pin = [u64; PORT_WORDS];

/// The places of [`Cells::Ports`], in the kernel or in memory.
pub trait Ports {
    /// The pin at a place; `None` if it cannot be read.
    fn read(&self, place: u32) -> Option<Pin>;
    /// Sets the pin at a place; false if it cannot be written.
    fn write(&mut self, place: u32, pin: Pin) -> bool;
}

/// A port of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    /// The element's address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// IP protocol.
    pub protocol: u8,
}

/// Who may use an open port: addresses as pins keep them, by their tags (see [`Directory::tag`]).
///
/// [`Directory::tag`]: super::directory::Directory::tag
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The address that the other side's description names, if it does.
    pub named: Option<u32>,
    /// The address that its signalling comes from: behind a NAT, its media does, too.
    pub signalling: u32,
    /// It is a configured party: its pins are displaced by nobody's.
    pub configured: bool,
}

/// What came of opening a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is open.
    Open,
    /// It is open, in the place of another whose call went on.
    Displaced,
    /// There is no room: all places belong to calls that it may not displace.
    NoRoom,
}

/// The pins of ports, under the key of the data plane's hashes.
pub struct Pins<P> {
    cells: P,
    hash_key: u64,
}

impl<P: Ports> Pins<P> {
    /// The pins in these cells.
    pub const fn new(cells: P, hash_key: u64) -> Self {
        Self { cells, hash_key }
    }

    /// The cells.
    pub const fn cells(&self) -> &P {
        &self.cells
    }

    /// Opens a port, for a call that has not opened it before.
    pub fn open(&mut self, port: &Port, sources: &Sources, now: u64) -> Outcome {
        let opening = self.opening(port);
        let Some(words) = self.words(&opening) else {
            return Outcome::NoRoom;
        };
        let Some(way) = opening.choose(words, sources.configured, now) else {
            return Outcome::NoRoom;
        };
        let place = opening.first + way;
        let before = (0..).zip(words).find(|(known, _)| *known == way).map_or(0, |(_, word)| word);
        let named = sources.named.unwrap_or(0);
        let known = u64::from(named) << 32 | u64::from(sources.signalling);
        let word = opening.word(before, sources.configured, now);
        // A pin that is there has all its words, whatever order the kernel writes them in.
        let is_open = (opening.is(before) || self.cells.write(place, [VACANT, known, 0, 0]))
            && self.cells.write(place, [word, known, 0, 0]);
        match (is_open, opening.displaces(before, now)) {
            (false, _) => Outcome::NoRoom,
            (true, true) => Outcome::Displaced,
            (true, false) => Outcome::Open,
        }
    }

    /// The same for a call that has opened it: keeps what its sources have used up and the
    /// address that the element sends to. A pin that was displaced meanwhile is begun anew.
    pub fn refresh(&mut self, port: &Port, sources: &Sources, now: u64) -> Outcome {
        let Some((opening, place, [before, known, own, others])) = self.find(port) else {
            return self.open(port, sources, now);
        };
        let latched = known & u64::from(u32::MAX);
        let known = match sources.named {
            Some(named) => u64::from(named) << 32 | latched,
            None => known,
        };
        let word = opening.word(before, sources.configured, now);
        match self.cells.write(place, [word, known, own, others]) {
            true => Outcome::Open,
            false => Outcome::NoRoom,
        }
    }

    /// Releases a port, if it is pinned: the data plane forgets it some seconds later.
    pub fn release(&mut self, port: &Port, now: u64) {
        if let Some((opening, place, [_, known, own, others])) = self.find(port) {
            self.cells.write(place, [opening.ended(now), known, own, others]);
        }
    }

    /// The address for which a port was opened and not released since: 0 if none was named.
    pub fn held_for(&self, port: &Port) -> Option<u32> {
        let (opening, _, [word, known, ..]) = self.find(port)?;
        opening.is_held(word).then_some((known >> 32) as u32)
    }

    /// The pin of a port: its opening, place and words.
    fn find(&self, port: &Port) -> Option<(Opening, u32, Pin)> {
        let opening = self.opening(port);
        let places = opening.first..opening.first + WAYS;
        let pins = places.filter_map(|place| Some((place, self.cells.read(place)?)));
        let (place, pin) = pins.into_iter().find(|(_, [word, ..])| opening.is(*word))?;
        Some((opening, place, pin))
    }

    fn opening(&self, port: &Port) -> Opening {
        Opening::new(self.hash_key, &address(port.address), port.port, port.protocol)
    }

    fn words(&self, opening: &Opening) -> Option<[u64; WAYS as usize]> {
        let mut words = [0; WAYS as usize];
        for (place, word) in (opening.first..).zip(&mut words) {
            [*word, ..] = self.cells.read(place)?;
        }
        Some(words)
    }
}

/// An address as the data plane holds it.
#[must_use]
pub fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::from_ipv4(address.octets()),
        IpAddr::V6(address) => Address(address.octets()),
    }
}

/// The cells in the kernel.
pub struct PinnedPorts(Array<MapData, Pin>);

impl PinnedPorts {
    /// Opens them by their pin.
    pub fn open(pins: &PinDir) -> Result<Self, KernelError> {
        cells(pins, Cells::Ports).map(Self)
    }
}

impl Ports for PinnedPorts {
    fn read(&self, place: u32) -> Option<Pin> {
        self.0.get(&place, 0).ok()
    }

    fn write(&mut self, place: u32, pin: Pin) -> bool {
        self.0.set(place, pin, 0).is_ok()
    }
}

/// Opens media to all elements for a while: what was negotiated before somebody listened, nobody
/// knows.
pub fn open_media(pins: &PinDir, now: u64) -> Result<(), KernelError> {
    let generation = pins.switches()?.get(switch::GENERATION)?;
    let map = open(&pins.generation(generation).join(object::POLICY), object::POLICY)?;
    let failed = |error| KernelError::map(object::POLICY, error);
    let policy: Array<_, Wire<Policy>> = Array::try_from(map).map_err(failed)?;
    let Wire(Policy { open_for, .. }) = policy.get(&0, 0).map_err(failed)?;
    let mut until: Array<_, u64> = cells(pins, Cells::Open)?;
    for slot in 1..until.len() {
        let failed = |error| KernelError::map(Cells::Open.map(), error);
        until.set(slot, now.saturating_add(open_for), 0).map_err(failed)?;
    }
    Ok(())
}

fn cells<T: Pod>(pins: &PinDir, table: Cells) -> Result<Array<MapData, T>, KernelError> {
    let map = open(&pins.state(table.map()), table.map())?;
    Array::try_from(map).map_err(|error| KernelError::map(table.map(), error))
}

/// Cells for tests.
#[cfg(test)]
pub mod sample {
    use guard_common::pins::port::source_tag;

    use super::*;

    /// Cells in memory.
    pub struct Memory(pub Vec<Pin>);

    impl Default for Memory {
        fn default() -> Self {
            Self(vec![[0; PORT_WORDS]; Cells::Ports.count(0) as usize])
        }
    }

    impl Ports for Memory {
        fn read(&self, place: u32) -> Option<Pin> {
            self.0.get(place as usize).copied()
        }

        fn write(&mut self, place: u32, pin: Pin) -> bool {
            self.0.get_mut(place as usize).map(|known| *known = pin).is_some()
        }
    }

    impl<P: Ports> Pins<P> {
        /// The words of a port's pin.
        pub fn pin(&self, port: &Port) -> Option<Pin> {
            self.find(port).map(|(_, _, pin)| pin)
        }

        /// Changes a port's pin, as the data plane does.
        pub fn change(&mut self, port: &Port, change: impl Fn(&mut Pin)) {
            if let Some((_, place, mut pin)) = self.find(port) {
                change(&mut pin);
                self.cells.write(place, pin);
            }
        }

        /// The tag of an address.
        pub fn tag_of(&self, source: &str) -> u64 {
            source.parse().map_or(0, |source| source_tag(self.hash_key, &address(source)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use guard_common::abi::state::PORT_SETS;

    use super::sample::Memory;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// Flags of the pin's word.
    const SPOKEN: u64 = 1 << 23;
    const ENDED: u64 = 1 << 24;
    const CONFIGURED: u64 = 1 << 25;

    fn port(port: u16) -> Port {
        Port { address: "198.51.100.10".parse().unwrap(), port, protocol: 17 }
    }

    fn sources(configured: bool) -> Sources {
        Sources { named: Some(7), signalling: 8, configured }
    }

    fn pins() -> Pins<Memory> {
        Pins::new(Memory::default(), 911)
    }

    #[test]
    fn an_open_port_says_for_whom() {
        let mut pins = pins();
        assert_eq!(pins.open(&port(20000), &sources(false), SECOND), Outcome::Open);
        let [word, known, own, others] = pins.pin(&port(20000)).unwrap();
        assert_eq!(word & (SPOKEN | ENDED | CONFIGURED), 0);
        assert_eq!(known, 7 << 32 | 8);
        assert_eq!((own, others), (0, 0));
        assert_eq!(pins.pin(&Port { protocol: 6, ..port(20000) }), None);
    }

    #[test]
    fn a_refresh_keeps_what_the_data_plane_noted() {
        let mut pins = pins();
        pins.open(&port(20000), &sources(true), SECOND);
        pins.change(&port(20000), |[word, known, own, _]| {
            *word |= SPOKEN;
            *known = *known & !0xffff_ffff | 6;
            *own = 8;
        });
        let moved = Sources { named: Some(9), ..sources(true) };
        let before = pins.pin(&port(20000)).unwrap();
        assert_eq!(pins.refresh(&port(20000), &moved, 100 * SECOND), Outcome::Open);
        let [word, known, own, _] = pins.pin(&port(20000)).unwrap();
        assert_eq!(word & (SPOKEN | ENDED | CONFIGURED), SPOKEN | CONFIGURED);
        assert!(word != before[0], "its time went on");
        assert_eq!(known, 9 << 32 | 6);
        assert_eq!(own, 8);
    }

    #[test]
    fn a_release_touches_its_own_pin_alone() {
        let mut pins = pins();
        pins.release(&port(20000), SECOND);
        assert!(pins.cells().0.iter().all(|pin| *pin == [0; 4]));
        pins.open(&port(20000), &sources(true), SECOND);
        pins.open(&port(20002), &sources(true), SECOND);
        pins.release(&port(20000), 2 * SECOND);
        let flags = |port| pins.pin(&port).unwrap()[0] & (SPOKEN | ENDED | CONFIGURED);
        assert_eq!((flags(port(20000)), flags(port(20002))), (ENDED, CONFIGURED));
        assert_eq!((pins.held_for(&port(20000)), pins.held_for(&port(20002))), (None, Some(7)));
    }

    #[test]
    fn strangers_displace_neither_configured_parties_nor_who_spoke() {
        let mut pins = pins();
        // Ports of one set: as many as it has places, and one more.
        let first = pins.opening(&port(20000)).first;
        let same: Vec<_> = (1024..=u16::MAX)
            .flat_map(|number| [17, 6].map(|protocol| Port { protocol, ..port(number) }))
            .filter(|port| pins.opening(port).first == first)
            .take(WAYS as usize + 1)
            .collect();
        assert_eq!(same.len(), WAYS as usize + 1, "of {PORT_SETS} sets");
        let (last, full) = same.split_last().unwrap();
        for port in full {
            assert_eq!(pins.open(port, &sources(false), SECOND), Outcome::Open);
        }
        let outcome = pins.open(last, &sources(false), 2 * SECOND);
        assert_eq!(outcome, Outcome::Displaced, "strangers' give way to each other");
        assert_eq!(pins.open(last, &sources(false), 2 * SECOND), Outcome::Open, "it is its own");
        for port in full {
            pins.release(port, 2 * SECOND);
        }
        pins.release(last, 2 * SECOND);
        for port in full {
            assert_eq!(pins.open(port, &sources(true), 100 * SECOND), Outcome::Open);
        }
        let before = pins.cells().0.clone();
        for configured in [false, true] {
            assert_eq!(pins.open(last, &sources(configured), 101 * SECOND), Outcome::NoRoom);
        }
        assert!(pins.cells().0 == before);
    }
}
