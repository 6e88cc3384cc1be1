//! Datagrams that came in pieces: IP fragments, and payloads longer than a record.
//!
//! A carrier's INVITE is often two fragments (FACTS: 2,946 bytes), in any order, of which one may
//! be lost. What is there from the beginning on is read after a while all the same: the
//! description often stands in the first.

use std::collections::{BTreeMap, VecDeque};

use guard_common::abi::copy::{CopyHeader, LATER_FRAGMENT, MORE_FRAGMENTS};
use guard_common::wire::protocol::{SCTP, UDP};

use super::copies::Copy;

/// Datagrams that may be incomplete at once: fragments of one follow each other in microseconds.
pub const DATAGRAMS_MAX: usize = 256;
/// Bytes of all of them.
pub const BYTES_MAX: usize = 2 << 20;
/// Pieces of one: 65,535 bytes in frames of 1,514 are 45.
const PIECES_MAX: usize = 64;
/// Longest payload of a datagram.
const DATAGRAM_MAX: usize = 65_535;
/// How long the rest of a datagram is waited for, in nanoseconds: what has not come by then was
/// lost on its way here.
const PATIENCE: u64 = 2_000_000_000;

/// A datagram's payload, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Of its first piece.
    pub header: CopyHeader,
    /// The payload; its end is missing if pieces were lost.
    pub bytes: Vec<u8>,
}

/// Datagrams that are incomplete, in the order in which they began.
#[derive(Debug, Default)]
pub struct Fragments {
    waiting: VecDeque<Datagram>,
    bytes: usize,
}

/// What the pieces of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    source: [u8; 16],
    destination: [u8; 16],
    protocol: u8,
    number: u32,
    /// Of payloads that are only longer than a record.
    ports_and_time: Option<(u16, u16, u64)>,
}

#[derive(Debug)]
struct Datagram {
    identity: Identity,
    since: u64,
    first: Option<CopyHeader>,
    pieces: BTreeMap<usize, Vec<u8>>,
    total: Option<usize>,
    bytes: usize,
}

impl Fragments {
    /// Takes a piece; the datagram, if that was its last missing one.
    pub fn add(&mut self, copy: &Copy<'_>) -> Option<Joined> {
        let header = &copy.header;
        let (place, end) = span(header)?;
        let identity = identity(copy);
        let known = self.waiting.iter().position(|datagram| datagram.identity == identity);
        let number = known.unwrap_or_else(|| {
            self.make_room();
            self.waiting.push_back(Datagram::new(identity, header.time));
            self.waiting.len() - 1
        });
        let datagram = self.waiting.get_mut(number)?;
        if header.flags & LATER_FRAGMENT == 0 {
            datagram.first.get_or_insert(*header);
        }
        if header.flags & MORE_FRAGMENTS == 0 {
            datagram.total.get_or_insert(end);
        }
        if datagram.pieces.len() < PIECES_MAX && !datagram.pieces.contains_key(&place) {
            datagram.pieces.insert(place, copy.bytes.to_vec());
            datagram.bytes += copy.bytes.len();
            self.bytes += copy.bytes.len();
        }
        if !datagram.is_complete() {
            return None;
        }
        self.take(number)
    }

    /// Gives up waiting; the datagrams whose beginning is there.
    pub fn expire(&mut self, now: u64) -> Vec<Joined> {
        let mut joined = Vec::new();
        while self.waiting.front().is_some_and(|oldest| now.saturating_sub(oldest.since) > PATIENCE)
        {
            joined.extend(self.take(0));
        }
        joined
    }

    /// Oldest out.
    fn make_room(&mut self) {
        while self.waiting.len() >= DATAGRAMS_MAX || self.bytes > BYTES_MAX {
            if self.waiting.is_empty() {
                return;
            }
            self.take(0);
        }
    }

    fn take(&mut self, number: usize) -> Option<Joined> {
        let datagram = self.waiting.remove(number)?;
        self.bytes = self.bytes.saturating_sub(datagram.bytes);
        let header = datagram.first?;
        let bytes = datagram.joined();
        (!bytes.is_empty()).then_some(Joined { header, bytes })
    }
}

impl Datagram {
    const fn new(identity: Identity, since: u64) -> Self {
        Self { identity, since, first: None, pieces: BTreeMap::new(), total: None, bytes: 0 }
    }

    fn is_complete(&self) -> bool {
        let mut end = 0;
        for (place, piece) in &self.pieces {
            if *place > end {
                return false;
            }
            end = end.max(place + piece.len());
        }
        self.first.is_some() && self.total.is_some_and(|total| end >= total)
    }

    /// What is there without a gap; where pieces overlap, the one that begins first counts.
    fn joined(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for (place, piece) in &self.pieces {
            match bytes.len().checked_sub(*place) {
                Some(known) => bytes.extend(piece.get(known..).unwrap_or_default()),
                None => break,
            }
        }
        bytes.truncate(self.total.unwrap_or(DATAGRAM_MAX));
        bytes
    }
}

/// Where a piece lies in the datagram's payload, and where the payload of its frame ends.
fn span(header: &CopyHeader) -> Option<(usize, usize)> {
    // A fragment's place counts from the transport header on, which only the first one has.
    let before = match header.protocol {
        UDP => 8,
        SCTP => 28,
        // Nobody fragments TCP; without a sequence number it could not be put in order.
        _ => return None,
    };
    let begin = match header.flags & LATER_FRAGMENT {
        0 => 0,
        _ => (usize::from(header.fragment_offset) * 8).checked_sub(before)?,
    };
    let place = begin + usize::try_from(header.offset).ok()?;
    let end = begin + usize::try_from(header.payload_length).ok()?;
    let fits = place + usize::try_from(header.length).ok()? <= DATAGRAM_MAX;
    (fits && end <= DATAGRAM_MAX).then_some((place, end))
}

fn identity(copy: &Copy<'_>) -> Identity {
    let CopyHeader { source, destination, protocol, sequence, .. } = copy.header;
    let CopyHeader { source_port, destination_port, time, .. } = copy.header;
    let is_fragment = copy.is_fragment();
    let number = if is_fragment { sequence } else { 0 };
    let ports_and_time = (!is_fragment).then_some((source_port, destination_port, time));
    Identity { source: source.0, destination: destination.0, protocol, number, ports_and_time }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    /// A fragment of a datagram: `place` in its payload (8 less than in its IP payload).
    fn fragment(number: u32, place: usize, bytes: &[u8], more: bool) -> Copy<'_> {
        let flags = if place == 0 { 0 } else { LATER_FRAGMENT };
        let length = u32::try_from(bytes.len()).unwrap();
        let header = CopyHeader {
            flags: flags | if more { MORE_FRAGMENTS } else { 0 },
            sequence: number,
            fragment_offset: u16::try_from((place + 8) / 8).unwrap() * u16::from(place != 0),
            protocol: UDP,
            source_port: if place == 0 { 5060 } else { 0 },
            payload_length: length,
            length,
            ..CopyHeader::default()
        };
        Copy { header, bytes }
    }

    /// A payload in records of its own.
    fn piece<'a>(time: u64, whole: &'a [u8], part: std::ops::Range<usize>) -> Copy<'a> {
        let header = CopyHeader {
            time,
            protocol: UDP,
            payload_length: u32::try_from(whole.len()).unwrap(),
            offset: u32::try_from(part.start).unwrap(),
            length: u32::try_from(part.len()).unwrap(),
            ..CopyHeader::default()
        };
        Copy { header, bytes: &whole[part] }
    }

    #[test]
    fn fragments_join_in_any_order() {
        let whole: Vec<u8> = (0..200u8).collect();
        let parts = [
            fragment(1, 0, &whole[..72], true),
            fragment(1, 72, &whole[72..144], true),
            fragment(1, 144, &whole[144..], false),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut fragments = Fragments::default();
            let mut joined = order.map(|number: usize| fragments.add(&parts[number]));
            assert_eq!(joined[2].take().unwrap().bytes, whole, "{order:?}");
            assert_eq!(joined, [None, None, None]);
            assert_eq!((fragments.bytes, fragments.waiting.len()), (0, 0));
        }
    }

    #[test]
    fn a_long_payload_comes_in_records() {
        let whole: Vec<u8> = (0..100u8).collect();
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(&piece(1, &whole, 60..100)), None);
        assert_eq!(fragments.add(&piece(2, &whole, 0..60)), None, "of another datagram");
        assert_eq!(fragments.add(&piece(1, &whole, 0..60)).unwrap().bytes, whole);
    }

    #[test]
    fn the_beginning_is_read_after_a_while() {
        let mut fragments = Fragments::default();
        fragments.add(&fragment(1, 0, &[b'a'; 72], true));
        fragments.add(&fragment(2, 72, &[b'b'; 72], false));
        assert_eq!(fragments.expire(PATIENCE), []);
        let joined = fragments.expire(PATIENCE + 1);
        assert_eq!(joined.len(), 1, "one has no beginning");
        assert_eq!((joined[0].bytes.len(), joined[0].header.source_port), (72, 5060));
        assert_eq!((fragments.bytes, fragments.waiting.len()), (0, 0));
    }

    #[test]
    fn the_oldest_give_way() {
        let mut fragments = Fragments::default();
        for number in 0..1000 {
            fragments.add(&fragment(number, 0, &[0; 8], true));
        }
        assert_eq!(fragments.waiting.len(), DATAGRAMS_MAX);
        assert!(fragments.add(&fragment(999, 8, b"end", false)).is_some());
        assert!(fragments.add(&fragment(0, 8, b"end", false)).is_none());
    }

    #[test]
    fn no_datagram_is_longer_than_one_can_be() {
        let mut fragments = Fragments::default();
        let mut long = fragment(1, 72, b"end", false);
        long.header.fragment_offset = u16::MAX;
        assert_eq!(fragments.add(&long), None);
        for place in 0..500 {
            fragments.add(&fragment(1, place * 8, &[0; 8], true));
        }
        assert_eq!(fragments.waiting[0].pieces.len(), PIECES_MAX);
    }

    proptest! {
        #[test]
        fn any_pieces_are_survived(
            pieces in prop::collection::vec(
                (0u32..3, 0u16..40, any::<bool>(), any::<bool>(), 0u32..2000, 0u32..2000, 0usize..100, any::<u8>()),
                0..200,
            ),
        ) {
            let mut fragments = Fragments::default();
            for (number, place, later, more, payload, offset, length, protocol) in pieces {
                let bytes = vec![0; length];
                let mut copy = fragment(number, 0, &bytes, more);
                copy.header.flags |= if later { LATER_FRAGMENT } else { 0 };
                copy.header.fragment_offset = place;
                copy.header.offset = offset;
                copy.header.payload_length = payload;
                copy.header.protocol = if protocol < 200 { UDP } else { protocol };
                if let Some(joined) = fragments.add(&copy) {
                    prop_assert!(joined.bytes.len() <= DATAGRAM_MAX);
                }
            }
            let held: usize = fragments.waiting.iter().map(|datagram| datagram.bytes).sum();
            prop_assert_eq!(held, fragments.bytes);
        }
    }
}
