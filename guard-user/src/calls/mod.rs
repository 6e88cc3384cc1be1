//! Calls: from copies of signalling to pins of the media they negotiate.
//!
//! ```text
//! copies -> fragments, stream -> message, body, sdp -> table, dialog -> pins
//! ```
//!
//! An element's port is opened by what the element itself says, for the one it says it to; what
//! strangers say only tells where their media may come from. All memory is bounded, the oldest
//! thrown out first, and strangers have theirs apart. What is lost or not understood opens
//! nothing here: the data plane opens by itself where a copy between configured parties is lost.
//! Nothing of what is read is logged. What a reader knows of living calls it keeps for the next
//! (`table/kept.rs`, `keeper.rs`), in hashes.

mod body;
pub mod copies;
pub mod counts;
mod dialog;
mod digest;
pub mod directory;
mod fate;
pub mod fragments;
mod keeper;
pub mod message;
pub mod pins;
pub mod reader;
pub mod sdp;
pub mod stream;
pub mod table;
pub mod tally;

use guard_common::abi::copy::CopyHeader;
use guard_common::wire::protocol::TCP;

use self::copies::{Copy, ends};
use self::counts::Counts;
use self::digest::digest;
use self::directory::Directory;
use self::fragments::{Fragments, Joined};
use self::message::Message;
use self::pins::{Pins, Ports};
use self::stream::{Heard, Streams};
use self::table::{Calls, Entry, Tools};
use self::tally::Tallies;

/// Follows calls: records in, pins out. Needs no kernel.
pub struct Follower<P> {
    directory: Directory,
    pins: Pins<P>,
    configured: Assembly,
    strangers: Assembly,
    calls: Calls,
    counts: Counts,
    tallies: Tallies,
}

/// What is incomplete.
#[derive(Default)]
struct Assembly {
    fragments: Fragments,
    streams: Streams,
}

impl<P: Ports> Follower<P> {
    /// With these parties and these cells of pins; goes on counting from there.
    pub fn new(directory: Directory, cells: P, counts: Counts) -> Self {
        let pins = Pins::new(cells, directory.hash_key);
        Self {
            directory,
            pins,
            configured: Assembly::default(),
            strangers: Assembly::default(),
            calls: Calls::default(),
            counts,
            tallies: Tallies::default(),
        }
    }

    /// The same, telling these what becomes of calls.
    #[must_use]
    pub fn telling(self, tallies: Tallies) -> Self {
        Self { tallies, ..self }
    }

    /// Takes back the calls that an earlier reader knew, as far as their ports are still pinned.
    pub fn take_back(&mut self, kept: Vec<Entry>, now: u64) {
        self.calls.take_back(kept, &self.directory, &self.pins, now);
    }

    /// The calls to keep for the next reader, if that may have changed since this was asked last.
    pub fn changed(&mut self) -> Option<Vec<Entry>> {
        self.calls.changed()
    }

    /// What no other state of the data plane has: what is kept holds for this one alone.
    #[must_use]
    pub fn mark(&self) -> u64 {
        digest(self.directory.hash_key, b"")
    }

    /// The parties of a new generation.
    pub fn set_directory(&mut self, directory: Directory) {
        self.directory = directory;
    }

    /// The generation whose parties are known.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.directory.generation
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let calls = u64::try_from(self.calls.len()).unwrap_or(u64::MAX);
        Counts { calls, ..self.counts }
    }

    /// The pins.
    #[must_use]
    pub const fn pins(&self) -> &Pins<P> {
        &self.pins
    }

    /// Takes a record of either ring.
    pub fn take(&mut self, record: &[u8], now: u64) {
        match Copy::parse(record) {
            Some(copy) => self.hear(&copy, now),
            None => {
                self.counts.copies += 1;
                self.counts.unreadable += 1;
            }
        }
    }

    /// Takes a piece of a frame.
    pub fn hear(&mut self, copy: &Copy<'_>, now: u64) {
        self.counts.copies += 1;
        if copy.header.protocol != TCP && copy.is_whole() && !copy.is_fragment() {
            self.read(&copy.header, copy.bytes, now);
            return;
        }
        let is_configured = ends(&copy.header).configured;
        let assembly = if is_configured { &mut self.configured } else { &mut self.strangers };
        if copy.header.protocol == TCP && !copy.is_fragment() {
            for Heard { header, bytes } in assembly.streams.add(copy) {
                self.read(&header, &bytes, now);
            }
        } else if let Some(Joined { header, bytes }) = assembly.fragments.add(copy) {
            self.read(&header, &bytes, now);
        }
    }

    /// What is due every second: refreshes, and what waited too long.
    pub fn tick(&mut self, now: u64) {
        for of_strangers in [false, true] {
            let assembly = if of_strangers { &mut self.strangers } else { &mut self.configured };
            let joined = assembly.fragments.expire(now);
            for Heard { header, bytes } in assembly.streams.expire(now) {
                self.read(&header, &bytes, now);
            }
            for Joined { header, bytes } in joined {
                self.read(&header, &bytes, now);
            }
        }
        let Self { directory, pins, counts, calls, tallies, .. } = self;
        calls.tick(&mut Tools { directory, pins, counts, tallies, now });
    }

    /// Reads a message.
    fn read(&mut self, header: &CopyHeader, bytes: &[u8], now: u64) {
        // STUN begins with 0 or 1, a keep-alive with an empty line (RFC 5626 section 4.4).
        if message::leading_blanks(bytes) == bytes.len() || bytes.first().is_some_and(|b| *b < 4) {
            return;
        }
        let Some(message) = Message::read(bytes) else {
            self.counts.unreadable += 1;
            return;
        };
        self.counts.messages += 1;
        let Self { directory, pins, counts, calls, tallies, .. } = self;
        let tools = &mut Tools { directory, pins, counts, tallies, now };
        calls.hear(&ends(header), &message, tools);
    }
}

#[cfg(test)]
mod tests;
