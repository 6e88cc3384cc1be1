//! The rings in which the kernel half leaves copies of signalling, and the records in them.
//!
//! A record is bytes from elsewhere like any other: read field by field, and never believed about
//! its own length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use guard_common::abi::copy::{
    CONFIGURED_ENDS, CopyHeader, FROM_ELEMENT, IPV6, LATER_FRAGMENT, MORE_FRAGMENTS,
};
use guard_common::address::Address;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::kernel::pins::PinDir;
use crate::kernel::state::open;
use crate::kernel::{KernelError, object};

/// How often the rings are looked at where they cannot be waited for.
const UNPOLLED: Duration = Duration::from_millis(5);

/// A piece of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy<'a> {
    /// What it is a piece of.
    pub header: CopyHeader,
    /// The piece.
    pub bytes: &'a [u8],
}

/// The two ends of a frame, and what the data plane knew about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom to.
    pub destination: IpAddr,
    /// The sender is an element.
    pub from_element: bool,
    /// Both are configured.
    pub configured: bool,
    /// When, in monotonic nanoseconds.
    pub time: u64,
}

impl<'a> Copy<'a> {
    /// Reads a record. `None` if it is none.
    #[must_use]
    pub fn parse(record: &'a [u8]) -> Option<Self> {
        let mut rest = record;
        let header = CopyHeader {
            time: u64::from_ne_bytes(take(&mut rest)?),
            source: Address(take(&mut rest)?),
            destination: Address(take(&mut rest)?),
            flags: u32::from_ne_bytes(take(&mut rest)?),
            slot: u32::from_ne_bytes(take(&mut rest)?),
            interface: u32::from_ne_bytes(take(&mut rest)?),
            sequence: u32::from_ne_bytes(take(&mut rest)?),
            source_port: u16::from_ne_bytes(take(&mut rest)?),
            destination_port: u16::from_ne_bytes(take(&mut rest)?),
            protocol: u8::from_ne_bytes(take(&mut rest)?),
            reason: u8::from_ne_bytes(take(&mut rest)?),
            fragment_offset: u16::from_ne_bytes(take(&mut rest)?),
            payload_length: u32::from_ne_bytes(take(&mut rest)?),
            offset: u32::from_ne_bytes(take(&mut rest)?),
            length: u32::from_ne_bytes(take(&mut rest)?),
            padding: u32::from_ne_bytes(take(&mut rest)?),
        };
        let bytes = rest.get(..usize::try_from(header.length).ok()?)?;
        Some(Self { header, bytes })
    }

    /// Whether it is of a fragmented datagram.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.header.flags & (LATER_FRAGMENT | MORE_FRAGMENTS) != 0
    }

    /// Whether it is all of its frame's payload.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.header.offset == 0 && self.header.length == self.header.payload_length
    }
}

/// The ends of a frame.
#[must_use]
pub fn ends(header: &CopyHeader) -> Ends {
    let address = |address: Address| match header.flags & IPV6 {
        0 => IpAddr::V4(Ipv4Addr::from(address.ipv4())),
        _ => IpAddr::V6(Ipv6Addr::from(address.0)),
    };
    Ends {
        source: address(header.source),
        destination: address(header.destination),
        from_element: header.flags & FROM_ELEMENT != 0,
        configured: header.flags & CONFIGURED_ENDS != 0,
        time: header.time,
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// The rings of a loaded guard. One reader may have them.
pub struct Rings {
    configured: RingBuf<MapData>,
    strangers: RingBuf<MapData>,
}

impl Rings {
    /// Opens the rings by their pins.
    pub fn open(pins: &PinDir) -> Result<Self, KernelError> {
        let ring = |name| {
            RingBuf::try_from(open(&pins.state(name), name)?)
                .map_err(|error| KernelError::map(name, error))
        };
        Ok(Self { configured: ring(object::COPIES)?, strangers: ring(object::STRANGER_COPIES)? })
    }

    /// The next record between configured parties, if there is one.
    pub fn configured(&mut self) -> Option<impl AsRef<[u8]> + '_> {
        self.configured.next().map(Item)
    }

    /// The next record of a stranger's signalling.
    pub fn stranger(&mut self) -> Option<impl AsRef<[u8]> + '_> {
        self.strangers.next().map(Item)
    }

    /// Waits until there is a record in either, so many milliseconds at most.
    pub fn wait(&self, milliseconds: u8) {
        let mut rings = [&self.configured, &self.strangers]
            .map(|ring| PollFd::new(ring.as_fd(), PollFlags::POLLIN));
        // Interrupted or not: the rings are looked at next, but never in a busy loop.
        if poll(&mut rings, PollTimeout::from(milliseconds)).is_err() {
            thread::sleep(UNPOLLED);
        }
    }
}

struct Item<T>(T);

impl<T: std::ops::Deref<Target = [u8]>> AsRef<[u8]> for Item<T> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Records for tests, as the kernel half writes them.
#[cfg(test)]
pub mod sample {
    use guard_common::abi::copy::{COPY_BYTES, CopyHeader};

    /// The record of a piece.
    pub fn record(header: &CopyHeader, bytes: &[u8]) -> Vec<u8> {
        let CopyHeader {
            time,
            source,
            destination,
            flags,
            slot,
            interface,
            sequence,
            source_port,
            destination_port,
            protocol,
            reason,
            fragment_offset,
            payload_length,
            offset,
            length,
            padding,
        } = header;
        let mut record = Vec::new();
        record.extend(time.to_ne_bytes());
        record.extend(source.0);
        record.extend(destination.0);
        for word in [flags, slot, interface, sequence] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(source_port.to_ne_bytes());
        record.extend(destination_port.to_ne_bytes());
        record.extend([*protocol, *reason]);
        record.extend(fragment_offset.to_ne_bytes());
        for word in [payload_length, offset, length, padding] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(bytes);
        record.resize(80 + COPY_BYTES, 0);
        record
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_reads_back() {
        let header = CopyHeader {
            time: 1,
            source: Address([2; 16]),
            destination: Address([3; 16]),
            flags: 4,
            slot: 5,
            interface: 6,
            sequence: 7,
            source_port: 8,
            destination_port: 9,
            protocol: 10,
            reason: 11,
            fragment_offset: 12,
            payload_length: 13,
            offset: 14,
            length: 5,
            padding: 0,
        };
        let record = sample::record(&header, b"hello");
        assert_eq!(Copy::parse(&record).unwrap(), Copy { header, bytes: b"hello" });
        assert_eq!(Copy::parse(record.get(..79).unwrap()), None);
        let longer = CopyHeader { length: 1537, ..header };
        assert_eq!(Copy::parse(&sample::record(&longer, b"hello")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Copy::parse(&bytes);
        }
    }
}
