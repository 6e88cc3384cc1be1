//! Does a message say emergency elsewhere than in its start line?
//!
//! Looked at only where nothing but its limit, or a deny entry, decides about a stranger's frame:
//! To, Route, Priority, Resource-Priority and Call-Info, and request lines that do not begin the
//! frame, in the first [`HEADERS_WINDOW`] bytes. Any case, compact forms, white space before the
//! colon, folded lines.
//!
//! One automaton reads every byte once. It takes more for a marker than a parser would: a URI
//! counts wherever one may begin in the value, quoted text included, and lines of the body are
//! read like headers. Both only let more pass.

use crate::bytes::Packet;
use crate::sip::automaton::{
    Automaton, Builder, CLASSES, FIRST, LINE_END, MATCH, Reader, SPACE, class_of,
};

/// Bytes of a message that are looked at: what fits one Ethernet frame. The last marker of 763
/// INVITEs of a conformance suite began at byte 1,096.
pub const HEADERS_WINDOW: u32 = 1500;

/// At the beginning of a line.
const LINE: u16 = FIRST;
/// In a line of which nothing more can matter.
const SKIP_LINE: u16 = FIRST + 1;
/// In a word at the beginning of a line: a method, or a header nobody asked for.
const WORD: u16 = FIRST + 2;
const FREE: u16 = FIRST + 3;

/// Room for 1,024 states.
const CELLS: usize = 1024 * CLASSES;

static AUTOMATON: Automaton<CELLS> = build();

/// What ends a word in a value.
const VALUE_ENDS: &[u8] = b" \r;,";
/// What Call-Info says of emergency calls: i3 (STA-010.3 sections 2.1.6 and 2.1.7, and their
/// older spellings) and RFC 7852.
const CALL_INFO: [&[u8]; 5] =
    [b"urn:emergency:", b"urn:nena:", b"emergency-", b"emergencycalldata", b"nena-"];

/// A place where values are read: at the beginning of something, within something else, and
/// after a line end, where a space says that the value goes on.
#[derive(Clone, Copy)]
struct Value {
    begin: u16,
    skip: u16,
}

const fn build() -> Automaton<CELLS> {
    let mut builder = Builder::new(FREE);
    // Once seen, a marker stays seen: the walk asks only now and then.
    builder.link_all(MATCH, MATCH);
    builder.link_all(SKIP_LINE, SKIP_LINE);
    builder.link(SKIP_LINE, LINE_END, LINE);
    builder.begin_like(SKIP_LINE);
    builder.copy_row(SKIP_LINE, WORD);
    builder.link_token(WORD, WORD);
    builder.copy_row(SKIP_LINE, LINE);
    builder.link_token(LINE, WORD);
    builder.link(LINE, LINE_END, LINE);

    let (uris, builder) = value(builder);
    let (priority, builder) = value(builder);
    let (namespaces, builder) = value(builder);
    let (info, mut builder) = value(builder);
    // What follows a word and a space is a URI, if the word is a method.
    builder.link(WORD, SPACE, uris.begin);

    builder.begin_like(WORD);
    let names = [
        name(&mut builder, b"to", uris),
        name(&mut builder, b"t", uris),
        name(&mut builder, b"route", uris),
        name(&mut builder, b"priority", priority),
        name(&mut builder, b"resource-priority", namespaces),
        name(&mut builder, b"call-info", info),
    ];
    // Only now, when the beginning of a line is known: where a header may go on.
    builder.begin_like(LINE);
    let mut place = 0;
    while place < names.len() {
        fold_name(&mut builder, names, place);
        place += 1;
    }
    fold(&mut builder, uris);
    fold(&mut builder, priority);
    fold(&mut builder, namespaces);
    fold(&mut builder, info);

    builder.begin_like(uris.skip);
    builder.markers(uris.begin);
    builder.begin_like(priority.skip);
    let emergency = builder.word(priority.begin, b"emergency");
    builder.ends(emergency, VALUE_ENDS);
    builder.begin_like(namespaces.skip);
    let esnet = builder.word(namespaces.begin, b"esnet");
    builder.ends(esnet, b".");
    builder.begin_like(info.skip);
    let mut word = 0;
    while word < CALL_INFO.len() {
        mark(&mut builder, info.begin, word);
        word += 1;
    }
    builder.finish()
}

/// Adds a word of Call-Info, whose last letter is the match.
#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
const fn mark(builder: &mut Builder<CELLS>, from: u16, word: usize) {
    if let [begin @ .., last] = CALL_INFO[word] {
        let state = builder.word(from, begin);
        builder.link(state, class_of(*last), MATCH);
    }
}

/// Adds a value: what is no beginning of a word skips to the next that may be one. That is behind
/// white space, brackets, commas, and whatever else no token may hold: also where a bracket is the
/// wrong one.
const fn value(mut builder: Builder<CELLS>) -> (Value, Builder<CELLS>) {
    let value = Value { begin: builder.state(), skip: builder.state() };
    builder.link_all(value.skip, value.skip);
    builder.link_no_token(value.skip, value.begin);
    builder.copy_row(value.skip, value.begin);
    (value, builder)
}

/// A header's name: where it ends, and behind white space.
#[derive(Clone, Copy)]
struct Name {
    end: u16,
    space: u16,
}

/// Adds a header's name: a colon behind it, with or without white space, leads to its value.
const fn name(builder: &mut Builder<CELLS>, name: &[u8], value: Value) -> Name {
    let end = builder.word(LINE, name);
    builder.link(end, class_of(b':'), value.begin);
    let space = builder.state();
    builder.link(end, SPACE, space);
    builder.link(space, SPACE, space);
    builder.link(space, class_of(b':'), value.begin);
    Name { end, space }
}

/// Adds what follows a line end between a name and its colon. No grammar has it there, and parsers
/// that unfold first read it all the same.
#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
const fn fold_name(builder: &mut Builder<CELLS>, names: [Name; 6], place: usize) {
    let Name { end, space } = names[place];
    let line_end = builder.state();
    builder.link(line_end, LINE_END, line_end);
    builder.link(line_end, SPACE, space);
    builder.link(end, LINE_END, line_end);
    builder.link(space, LINE_END, line_end);
}

/// Adds what follows a line end within a value: white space goes on with it (RFC 3261 section
/// 7.3.1), all else begins a line.
const fn fold(builder: &mut Builder<CELLS>, value: Value) {
    let line_end = builder.state();
    builder.link(line_end, LINE_END, line_end);
    builder.link(line_end, SPACE, value.begin);
    builder.link(value.begin, LINE_END, line_end);
    builder.link(value.skip, LINE_END, line_end);
}

/// Bytes that are read at once.
const BLOCK: usize = 32;

/// Whether a message in the `length` bytes from `offset` says emergency.
#[must_use]
#[inline(never)]
pub fn say_emergency<P: Packet>(packet: &P, offset: u16, length: u32) -> bool {
    let mut reader = Reader::<CELLS, SKIP_LINE>::new(&AUTOMATON, LINE);
    let length = if length < HEADERS_WINDOW { length } else { HEADERS_WINDOW };
    packet.walk::<BLOCK, _>(offset, length, &mut reader);
    reader.state() == MATCH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says(message: &str) -> bool {
        say_emergency(&message.as_bytes(), 0, message.len() as u32)
    }

    /// A request to a PSAP's own address, as a gateway may send it, with one more header.
    fn with(header: &str) -> String {
        format!(
            "INVITE sip:psap@198.51.100.10 SIP/2.0\r\nVia: SIP/2.0/UDP 198.18.7.7\r\nCSeq: 1 INVITE\r\n\
             {header}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn every_header_that_marks() {
        for header in [
            "To: <urn:service:sos>",
            "to:urn:service:sos.fire;tag=1",
            "T : \"911\" <sip:911@psap.example>;tag=2",
            "t:\r\n <tel:911>",
            "To \r\n : <urn:service:sos>",
            "TO  :\r\n\t\"Emergency\"\r\n  <sips:+1911@psap.example>",
            "To: <sip:%39%31%31@psap.example>",
            "Route: <sip:queue@psap.example;lr>, <urn:emergency:service:sos.psap>",
            "Route: urn:service:sos,<sip:queue@psap.example;lr>",
            "To: tel:911,sip:queue@psap.example",
            "Priority: emergency",
            "PRIORITY :  Emergency ;x=1",
            "Resource-Priority: esnet.1",
            "resource-priority: wps.0, ESNET.3",
            "Call-Info: <urn:emergency:uid:callid:a56e556d871:esrp.example>;purpose=emergency-CallId",
            "Call-Info: <https://adr.example/1>; purpose = EmergencyCallData.ProviderInfo",
            "call-info: urn:nena:callid:1234567890:bcf.example; purpose=nena-CallId",
            "Call-Info: <https://a.example/>;purpose=icon,\r\n <urn:emergency:uid:incidentid:1>",
            "Call-Info: <>urn:emergency:uid:incidentid:1>",
        ] {
            assert!(says(&with(header)), "{header}");
            let bare = with(header).replace("\r\n", "\n");
            assert!(says(&bare), "{header}, lines without carriage return");
        }
    }

    #[test]
    fn what_marks_nothing() {
        for header in [
            "To: <sip:psap@198.51.100.10>",
            "To: <urn:service:sosumi>",
            "To: <sip:9110@psap.example>",
            "From: <urn:service:sos>",
            "Contact: <sip:911@198.18.7.7>",
            "X-To: <urn:service:sos>",
            "Tom: <urn:service:sos>",
            "Priority: urgent",
            "Priority: emergency-not",
            "Priority: psap-callback",
            "Resource-Priority: wps.1",
            "Call-Info: <https://a.example/>;purpose=icon",
            "Subject: To: <urn:service:sos>",
            "Subject: emergency",
            "Subject: a\r\n To: <urn:service:sos>",
        ] {
            assert!(!says(&with(header)), "{header}");
        }
        assert!(!says(""));
        assert!(!says(&with("To: <urn:service:so")));
    }

    #[test]
    fn a_request_line_that_does_not_begin_the_frame() {
        let after = "end of another\r\n\r\nINVITE urn:service:sos SIP/2.0\r\n";
        assert!(says(after));
        assert!(says("OPTIONS sip:a SIP/2.0\r\n\r\nINVITE sip:911@psap.example SIP/2.0\r\n"));
    }

    #[test]
    fn beyond_the_window_nothing_is_read() {
        let filler = format!("Subject: {}", "x".repeat(HEADERS_WINDOW as usize));
        assert!(!says(&with(&format!("{filler}\r\nTo: <urn:service:sos>"))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, offset: u16, length: u32) {
            let _ = say_emergency(&bytes.as_slice(), offset, length);
        }
    }
}
