//! SIP over TCP: segments put in order, and cut into messages.
//!
//! Each direction of a connection is a stream of its own. Nothing is ever asked for again here:
//! where a segment is missing for too long, reading goes on behind the gap with the next line
//! that may begin a message.

use std::collections::HashMap;
use std::mem;

use guard_common::abi::copy::CopyHeader;

use super::copies::Copy;
use super::message::{self, Extent, HEADERS_MAX};

/// Streams that are followed at once; a state's carriers and PSAPs have some hundred connections.
pub const STREAMS_MAX: usize = 2048;
/// Bytes of all their buffers.
pub const BYTES_MAX: usize = 8 << 20;
/// Longest message; "tens of kilobytes" are expected (RFC 8876). Of a longer one the beginning is
/// read and the rest passed over.
const MESSAGE_MAX: usize = 128 << 10;
/// Segments that wait for one before them.
const HELD_MAX: usize = 64;
/// A sequence number this far off is of another connection with the same ports.
const WINDOW: u32 = 1 << 20;
/// How long a missing segment is waited for, in nanoseconds: a retransmission takes one
/// round-trip or one timeout of a second (RFC 6298).
const PATIENCE: u64 = 3_000_000_000;

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of the segment that completed it.
    pub header: CopyHeader,
    /// The message.
    pub bytes: Vec<u8>,
}

/// All streams.
#[derive(Debug, Default)]
pub struct Streams {
    streams: HashMap<Direction, Stream>,
    bytes: usize,
}

/// Addresses and ports of a direction.
type Direction = ([u8; 16], [u8; 16], u16, u16);

impl Streams {
    /// Takes a segment; the messages that it completes.
    pub fn add(&mut self, copy: &Copy<'_>) -> Vec<Heard> {
        let CopyHeader { source, destination, source_port, destination_port, .. } = copy.header;
        let direction = (source.0, destination.0, source_port, destination_port);
        if self.bytes > BYTES_MAX
            || self.streams.len() >= STREAMS_MAX && !self.streams.contains_key(&direction)
        {
            self.make_room();
        }
        let begins = || Stream::new(&copy.header);
        let stream = self.streams.entry(direction).or_insert_with(begins);
        let before = stream.size();
        stream.push(copy);
        let messages = stream.messages();
        self.bytes = (self.bytes + stream.size()).saturating_sub(before);
        messages
    }

    /// Gives up waiting for segments that were lost; the messages behind them.
    pub fn expire(&mut self, now: u64) -> Vec<Heard> {
        let mut heard = Vec::new();
        for stream in self.streams.values_mut() {
            let waits =
                stream.waits_since.is_some_and(|since| now.saturating_sub(since) > PATIENCE);
            if waits {
                let before = stream.size();
                stream.jump();
                heard.append(&mut stream.messages());
                self.bytes = (self.bytes + stream.size()).saturating_sub(before);
            }
        }
        heard
    }

    /// The longest silent eighth out, so that a flood of connections does not look for the oldest
    /// of all each time.
    fn make_room(&mut self) {
        let mut times: Vec<_> = self.streams.values().map(|stream| stream.header.time).collect();
        let number = times.len() / 8;
        let (_, limit, _) = match number < times.len() {
            true => times.select_nth_unstable(number),
            false => return,
        };
        let limit = *limit;
        let mut left = number + 1;
        self.streams.retain(|_, stream| {
            let goes = stream.header.time <= limit && left > 0;
            left -= usize::from(goes);
            !goes
        });
        self.bytes = self.streams.values().map(Stream::size).sum();
    }
}

#[derive(Debug)]
struct Stream {
    /// Of the segment that came last.
    header: CopyHeader,
    /// Number of the byte behind the buffer.
    next: u32,
    /// That number is known: where a message begins was seen, or waited for long enough.
    begun: bool,
    /// What has not been read yet.
    buffer: Vec<u8>,
    /// The buffer begins where a message ended.
    in_step: bool,
    /// Bytes of a message that are not looked at.
    skip: usize,
    /// Segments from further on, and their bytes.
    held: Vec<(u32, Vec<u8>)>,
    held_bytes: usize,
    waits_since: Option<u64>,
}

/// How far a sequence number is ahead of another.
const fn ahead(number: u32, of: u32) -> i32 {
    number.wrapping_sub(of).cast_signed()
}

impl Stream {
    fn new(header: &CopyHeader) -> Self {
        Self {
            header: *header,
            next: header.sequence.wrapping_add(header.offset),
            begun: false,
            buffer: Vec::new(),
            in_step: false,
            skip: 0,
            held: Vec::new(),
            held_bytes: 0,
            waits_since: None,
        }
    }

    fn size(&self) -> usize {
        self.buffer.len() + self.held_bytes
    }

    fn push(&mut self, copy: &Copy<'_>) {
        self.header = copy.header;
        let number = copy.header.sequence.wrapping_add(copy.header.offset);
        if ahead(number, self.next).unsigned_abs() > WINDOW {
            *self = Self::new(&copy.header);
        }
        if !self.begun && message::may_begin(copy.bytes) {
            (self.begun, self.next) = (true, number);
        }
        if self.begun && ahead(number, self.next) <= 0 {
            self.append(number, copy.bytes);
            self.release_held();
        } else {
            self.held.push((number, copy.bytes.to_vec()));
            self.held_bytes += copy.bytes.len();
            self.waits_since.get_or_insert(copy.header.time);
            if self.held.len() > HELD_MAX || self.held_bytes > MESSAGE_MAX {
                self.jump();
            }
        }
    }

    /// Appends what of a segment is new.
    fn append(&mut self, number: u32, bytes: &[u8]) {
        let known = usize::try_from(ahead(self.next, number)).unwrap_or(0);
        if let Some(new) = bytes.get(known..) {
            self.buffer.extend(new);
            self.next = self.next.wrapping_add(u32::try_from(new.len()).unwrap_or(0));
        }
    }

    /// Appends held segments that nothing is missing before any more.
    fn release_held(&mut self) {
        let next = self.next;
        self.held.sort_by_key(|(number, _)| ahead(*number, next));
        let mut rest = Vec::new();
        for (number, bytes) in mem::take(&mut self.held) {
            if ahead(number, self.next) <= 0 {
                self.held_bytes = self.held_bytes.saturating_sub(bytes.len());
                self.append(number, &bytes);
            } else {
                rest.push((number, bytes));
            }
        }
        self.held = rest;
        self.waits_since = if self.held.is_empty() { None } else { self.waits_since };
    }

    /// Goes on behind the gap. What the message before it had left is part of the gap.
    fn jump(&mut self) {
        let next = self.next;
        let nearest = self.held.iter().map(|(number, _)| *number);
        let Some(nearest) = nearest.min_by_key(|number| ahead(*number, next)) else {
            return;
        };
        let gap = usize::try_from(ahead(nearest, next)).unwrap_or(0);
        // A gap within what is passed over costs nothing.
        self.in_step = self.in_step && self.skip >= gap && self.buffer.is_empty();
        self.skip = self.skip.saturating_sub(gap);
        self.buffer.clear();
        (self.begun, self.next) = (true, nearest);
        self.waits_since = None;
        self.release_held();
        if !self.held.is_empty() {
            self.waits_since = Some(self.header.time);
        }
    }

    /// Takes the messages that are complete.
    fn messages(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        // Each round takes something from the buffer, or is the last.
        while let Some(bytes) = self.take_message() {
            if !bytes.is_empty() {
                heard.push(Heard { header: self.header, bytes });
            }
        }
        heard
    }

    /// The next message; nothing of it where only something was passed over. `None`: more has to
    /// come first.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        if self.skip > 0 {
            let now = self.skip.min(self.buffer.len());
            self.skip -= now;
            self.drop_first(now);
        }
        self.drop_first(message::leading_blanks(&self.buffer));
        if self.buffer.is_empty() {
            return None;
        }
        if self.find_start()? > 0 {
            return Some(Vec::new());
        }
        match message::extent(&self.buffer) {
            Extent::Unfinished if self.buffer.len() < HEADERS_MAX => None,
            Extent::Unfinished => Some(self.take_first(HEADERS_MAX)),
            Extent::Bytes(length) if length > MESSAGE_MAX => {
                if self.buffer.len() < MESSAGE_MAX {
                    return None;
                }
                self.skip = length.saturating_sub(MESSAGE_MAX);
                Some(self.take_first(MESSAGE_MAX))
            }
            Extent::Bytes(length) if length <= self.buffer.len() => Some(self.take_first(length)),
            Extent::Bytes(_) => None,
            Extent::Unsaid(end) => {
                let length = end + until_start(self.buffer.get(end..).unwrap_or_default());
                Some(self.take_first(length))
            }
        }
    }

    /// Passes over what begins no message; how many bytes. `None`: the line goes on.
    fn find_start(&mut self) -> Option<usize> {
        let mut passed = 0;
        let mut found = None;
        for line in self.buffer.split_inclusive(|byte| *byte == b'\n') {
            let is_whole = line.ends_with(b"\n");
            if !is_whole && line.len() < HEADERS_MAX {
                break;
            }
            let within = if self.in_step { None } else { message::start_within(line) };
            found = within.or_else(|| message::is_start_line(line).then_some(0));
            if found.is_some() {
                break;
            }
            self.in_step = false;
            passed += line.len();
        }
        passed += found.unwrap_or(0);
        self.in_step |= found.is_some();
        self.drop_first(passed);
        (found.is_some() || passed > 0).then_some(passed)
    }

    fn drop_first(&mut self, length: usize) {
        self.buffer.drain(..length.min(self.buffer.len()));
    }

    fn take_first(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }
}

/// Bytes before the next line that may begin a message.
fn until_start(bytes: &[u8]) -> usize {
    let mut place = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(within) = message::start_within(line) {
            return place + within;
        }
        place += line.len();
    }
    place
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn invite(body: &str) -> String {
        let length = body.len();
        format!("INVITE urn:service:sos SIP/2.0\r\ni: 1\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    fn segment(sequence: u32, bytes: &[u8]) -> Copy<'_> {
        let length = u32::try_from(bytes.len()).unwrap();
        let header = CopyHeader {
            sequence,
            protocol: 6,
            payload_length: length,
            length,
            ..CopyHeader::default()
        };
        Copy { header, bytes }
    }

    fn heard(streams: &mut Streams, sequence: u32, text: &str) -> Vec<String> {
        texts(streams.add(&segment(sequence, text.as_bytes())))
    }

    fn texts(heard: Vec<Heard>) -> Vec<String> {
        heard.into_iter().map(|heard| String::from_utf8_lossy(&heard.bytes).into_owned()).collect()
    }

    /// The size that is kept in account is the size there is.
    fn size(streams: &Streams) -> usize {
        let size = streams.streams.values().map(Stream::size).sum();
        assert_eq!(streams.bytes, size);
        size
    }

    #[test]
    fn messages_are_cut_where_they_end() {
        let (one, two) = (invite("hello"), invite(""));
        let all = format!("\r\n\r\n{one}{two}\r\n");
        let mut streams = Streams::default();
        assert_eq!(heard(&mut streams, 7, &all), [one.clone(), two.clone()]);
        // Byte by byte, over the end of the sequence numbers.
        let mut streams = Streams::default();
        let mut found = Vec::new();
        for (place, byte) in all.char_indices() {
            let number = (u32::MAX - 20).wrapping_add(u32::try_from(place).unwrap());
            found.extend(heard(&mut streams, number, &byte.to_string()));
        }
        assert_eq!(found, [one, two]);
        assert_eq!(size(&streams), 0);
    }

    #[test]
    fn segments_are_put_in_order() {
        let all = invite("hello");
        let mut streams = Streams::default();
        heard(&mut streams, 0, &all[..10]);
        assert!(heard(&mut streams, 40, &all[40..]).is_empty());
        assert!(heard(&mut streams, 20, &all[20..40]).is_empty());
        assert!(heard(&mut streams, 0, &all[..10]).is_empty(), "sent again");
        assert_eq!(heard(&mut streams, 5, &all[5..30]), [all]);
        assert_eq!(size(&streams), 0);
    }

    #[test]
    fn a_gap_costs_what_is_in_it() {
        let (one, two) = (invite("hello"), invite("again"));
        let all = format!("{one}{two}");
        let mut streams = Streams::default();
        heard(&mut streams, 0, &all[..20]);
        let rest = one.len() - 3;
        assert!(heard(&mut streams, u32::try_from(rest).unwrap(), &all[rest..]).is_empty());
        assert_eq!(streams.expire(PATIENCE), []);
        assert_eq!(texts(streams.expire(PATIENCE + 1)), [two]);
        assert_eq!(size(&streams), 0);
    }

    #[test]
    fn reading_begins_in_the_middle() {
        let mut streams = Streams::default();
        let all = format!("Subject: x\r\n\r\nhal{}", invite("hello"));
        assert!(heard(&mut streams, 5, &all).is_empty(), "something may come before it");
        assert_eq!(texts(streams.expire(PATIENCE + 1)), [invite("hello")]);
        // A message's beginning needs not be waited for, nor what came before it.
        assert!(heard(&mut streams, 1 << 30, "Subject: x\r\n\r\n").is_empty());
        assert_eq!(heard(&mut streams, (1 << 30) + 14, &invite("")), [invite("")]);
        assert_eq!(size(&streams), 0);
    }

    #[test]
    fn a_message_that_says_no_length_ends_at_the_next() {
        let unsaid = "BYE sip:a SIP/2.0\r\ni: 1\r\n\r\nv=0\r\n";
        let mut streams = Streams::default();
        let all = format!("{unsaid}{}", invite(""));
        assert_eq!(heard(&mut streams, 5, &all), [unsaid.to_owned(), invite("")]);
    }

    #[test]
    fn of_an_endless_message_the_beginning_is_read() {
        let mut streams = Streams::default();
        let long = invite(&"x".repeat(MESSAGE_MAX));
        let mut found = Vec::new();
        for (number, part) in long.as_bytes().chunks(1000).enumerate() {
            found.extend(streams.add(&segment(u32::try_from(number * 1000).unwrap(), part)));
        }
        assert_eq!(found.iter().map(|heard| heard.bytes.len()).collect::<Vec<_>>(), [MESSAGE_MAX]);
        let next = u32::try_from(long.len()).unwrap();
        assert_eq!(heard(&mut streams, next, &invite("")), [invite("")]);
        let mut streams = Streams::default();
        for number in 0..10_000 {
            streams.add(&segment(number * 100, &[b'x'; 100]));
            assert!(size(&streams) <= HEADERS_MAX);
        }
    }

    #[test]
    fn the_longest_silent_give_way() {
        let mut streams = Streams::default();
        for number in 0..10_000u32 {
            let mut copy = segment(0, b"INVITE");
            copy.header.time = number.into();
            copy.header.source.0[..4].copy_from_slice(&number.to_ne_bytes());
            streams.add(&copy);
            assert!(streams.streams.len() <= STREAMS_MAX);
        }
        assert!(streams.streams.values().any(|stream| stream.header.time == 9_999));
        assert!(streams.streams.values().all(|stream| stream.header.time > 5_000));
        size(&streams);
    }

    proptest! {
        #[test]
        fn any_segments_are_survived(
            segments in prop::collection::vec(
                (0u32..600, prop::collection::vec(any::<u8>(), 0..80), any::<bool>()), 0..60,
            ),
        ) {
            let mut streams = Streams::default();
            for (number, bytes, expires) in segments {
                streams.add(&segment(number, &bytes));
                if expires {
                    streams.expire(u64::MAX);
                }
                size(&streams);
            }
        }

        #[test]
        fn any_order_is_put_right(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let all = format!("{}{}", invite("hello"), invite("again"));
            let length = all.len().div_ceil(12);
            let mut streams = Streams::default();
            // The first byte says where the stream begins.
            let mut found = heard(&mut streams, 0, &all[..1]);
            for number in order {
                let part = &all[number * length..((number + 1) * length).min(all.len())];
                found.extend(heard(&mut streams, u32::try_from(number * length).unwrap(), part));
            }
            prop_assert_eq!(found, [invite("hello"), invite("again")]);
        }
    }
}
