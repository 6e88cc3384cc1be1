//! The ring in which the kernel half leaves samples, and the records in it.

use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use guard_common::abi::sample::SampleHeader;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::kernel::pins::PinDir;
use crate::kernel::state::open;
use crate::kernel::{KernelError, object};

/// How often the ring is looked at where it cannot be waited for.
const UNPOLLED: Duration = Duration::from_millis(50);

/// A sampled frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// What is known about it.
    pub header: SampleHeader,
    /// Its first bytes.
    pub bytes: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Reads a record. `None` if it is none.
    #[must_use]
    pub fn parse(record: &'a [u8]) -> Option<Self> {
        let (time, rest) = record.split_first_chunk::<8>()?;
        let (words, bytes) = rest.split_first_chunk::<24>()?;
        let mut words = words.chunks_exact(4).filter_map(|word| word.first_chunk::<4>());
        let mut word = || words.next().map(|word| u32::from_ne_bytes(*word));
        let header = SampleHeader {
            time: u64::from_ne_bytes(*time),
            interface: word()?,
            slot: word()?,
            counter: word()?,
            stands_for: word()?,
            length: word()?,
            captured: word()?,
        };
        let bytes = bytes.get(..usize::try_from(header.captured).ok()?)?;
        Some(Self { header, bytes })
    }
}

/// The ring of a loaded guard. One reader may have it.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// Opens it by its pin.
    pub fn open(pins: &PinDir) -> Result<Self, KernelError> {
        let name = object::SAMPLES;
        let map = open(&pins.state(name), name)?;
        RingBuf::try_from(map).map(Self).map_err(|error| KernelError::map(name, error))
    }

    /// Hands the next record on; false if there is none.
    pub fn next(&mut self, take: impl FnOnce(Option<Sample<'_>>)) -> bool {
        let Some(record) = self.0.next() else {
            return false;
        };
        take(Sample::parse(&record));
        true
    }

    /// Waits until there is a record, so many milliseconds at most.
    pub fn wait(&self, milliseconds: u8) {
        let mut ring = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not: the ring is looked at next, but never in a busy loop.
        if poll(&mut ring, PollTimeout::from(milliseconds)).is_err() {
            thread::sleep(UNPOLLED);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_reads_back() {
        let mut record = 1u64.to_ne_bytes().to_vec();
        record.extend([2u32, 3, 4, 5, 6, 5].into_iter().flat_map(u32::to_ne_bytes));
        record.extend(b"hello, world");
        let header = SampleHeader {
            time: 1,
            interface: 2,
            slot: 3,
            counter: 4,
            stands_for: 5,
            length: 6,
            captured: 5,
        };
        assert_eq!(Sample::parse(&record).unwrap(), Sample { header, bytes: b"hello" });
        assert_eq!(Sample::parse(record.get(..36).unwrap()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Sample::parse(&bytes);
        }
    }
}
