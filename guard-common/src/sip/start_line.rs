//! Does a start line say emergency?
//!
//! Only the Request-URI is looked at, in the first [`START_LINE_WINDOW`] bytes. All forms:
//! `urn:service:sos` and its relatives, emergency numbers in `sip:`, `sips:` and `tel:`, any
//! case, percent-encoded, with parameters and ports; the list is in `automaton.rs`.

use crate::bytes::{OFFSET_MAX, Packet};
use crate::sip::automaton::{
    Automaton, Builder, CLASSES, FIRST, LESS, LINE_END, Reader, SPACE, is_token,
};
pub use crate::sip::automaton::{DEAD, MATCH};

/// Bytes of a start line that are looked at. The longest method known to be valid has 111
/// (RFC 4475 `intmeth`); real ones have at most nine, and the longest form of the marker 31,
/// or 93 with every letter percent-encoded.
pub const START_LINE_WINDOW: u32 = 224;

/// The first bytes of every SIP response (RFC 3261 section 7.2).
const RESPONSE: [u8; 8] = *b"SIP/2.0 ";

/// Before the method: where a message begins.
pub const BEGIN: u16 = FIRST;
const METHOD: u16 = FIRST + 1;
const URI: u16 = FIRST + 2;

/// Room for 512 states.
const CELLS: usize = 512 * CLASSES;

static AUTOMATON: Automaton<CELLS> = build();

const fn build() -> Automaton<CELLS> {
    let mut builder = Builder::new(URI + 1);
    builder.link_token(BEGIN, METHOD);
    builder.link_token(METHOD, METHOD);
    // Line ends before the message are to be ignored (RFC 3261 section 7.5).
    builder.link(BEGIN, LINE_END, BEGIN);
    builder.link(METHOD, SPACE, URI);
    // More than one space, and brackets around the URI, are wrong and do occur (RFC 4475 3.1.2).
    builder.link(URI, SPACE, URI);
    builder.link(URI, LESS, URI);
    builder.markers(URI);
    builder.link_all(MATCH, MATCH);
    builder.finish()
}

/// Reads on in a start line that `state` is the beginning of, in the `length` bytes from
/// `offset`. [`MATCH`]: a SIP request with an emergency marker in its Request-URI. [`DEAD`]: not
/// that. Any other state: the bytes end before that can be known.
#[must_use]
#[inline(always)]
pub fn read<P: Packet>(packet: &P, offset: u16, length: u32, state: u16) -> u16 {
    if length == 0 {
        return state;
    }
    if state == BEGIN && is_common(packet, offset, length) {
        return MATCH;
    }
    // What begins like no method, as floods of noise do, is not worth the call.
    match packet.u8(bounded(offset)) {
        Some(first) if first != 0 && AUTOMATON.step(state, first) != DEAD => {
            read_window(packet, offset, length, state)
        }
        Some(_) | None => DEAD,
    }
}

/// Whether the bytes begin as nearly every emergency call does: `INVITE urn:service:sos`, then a
/// space, a sub-service or a parameter. The automaton would say the same; three comparisons
/// spare it a step for each byte.
#[inline(always)]
fn is_common<P: Packet>(packet: &P, offset: u16, length: u32) -> bool {
    let offset = bounded(offset);
    length >= 23
        && packet.read(offset) == Some(*b"INVITE u")
        && packet.read(offset + 8) == Some(*b"rn:servi")
        && matches!(
            packet.read(offset + 15),
            Some([b'i', b'c', b'e', b':', b's', b'o', b's', b' ' | b'.' | b';'])
        )
}

/// Bytes that are read at once: the shortest marked start line takes two blocks.
const BLOCK: usize = 16;

#[inline(never)]
fn read_window<P: Packet>(packet: &P, offset: u16, length: u32, state: u16) -> u16 {
    let mut reader = Reader::<CELLS, DEAD>::new(&AUTOMATON, state);
    let window = if length < START_LINE_WINDOW { length } else { START_LINE_WINDOW };
    packet.walk::<BLOCK, _>(offset, window, &mut reader);
    let state = reader.state();
    // So long a method is none.
    if state > MATCH && length > START_LINE_WINDOW { DEAD } else { state }
}

/// Whether a SIP request, and not a response or a keep-alive, begins at `offset`.
#[must_use]
#[inline(always)]
pub fn is_request<P: Packet>(packet: &P, offset: u16) -> bool {
    match packet.read::<8>(bounded(offset)) {
        Some(RESPONSE) | None => false,
        // Line ends before the message are to be ignored (RFC 3261 section 7.5).
        Some([b'\r', b'\n', b'\r', b'\n', first, ..] | [b'\r', b'\n', first, ..]) => {
            is_method(first)
        }
        Some([first, ..]) => is_method(first),
    }
}

/// Whether a method may begin so. One with a digit would be valid, was never seen, and is how
/// SNMP and others begin.
#[inline(always)]
const fn is_method(first: u8) -> bool {
    is_token(first) && !first.is_ascii_digit()
}

/// Whether a SIP message, or the empty lines before one, may begin at `offset`.
#[must_use]
#[inline(always)]
pub fn may_begin<P: Packet>(packet: &P, offset: u16) -> bool {
    match packet.u8(bounded(offset)) {
        Some(first) => is_token(first) || matches!(first, b'\r' | b'\n'),
        None => false,
    }
}

/// Whether a SIP response begins at `offset`.
#[must_use]
#[inline(always)]
pub fn is_response<P: Packet>(packet: &P, offset: u16) -> bool {
    packet.read::<8>(bounded(offset)) == Some(RESPONSE)
}

/// The offset itself: [`OFFSET_MAX`] is all ones, and no frame's payload begins beyond it. The
/// mask tells the verifier so.
#[inline(always)]
const fn bounded(offset: u16) -> usize {
    offset as usize & OFFSET_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(line: &[u8]) -> u16 {
        read(&line, 0, line.len() as u32, BEGIN)
    }

    fn emergency(line: &str) -> bool {
        ends(line.as_bytes()) == MATCH
    }

    #[test]
    fn every_form_of_the_marker() {
        for uri in [
            "urn:service:sos",
            "URN:SERVICE:SOS",
            "urn:service:sos.fire",
            "urn:service:sos.ecall.automatic",
            "urn:service:sos:172.16.0.100:5060",
            "urn:service:test.sos",
            "urn:service:test.sos.police",
            "urn:service:test:sos",
            "urn:emergency:service:sos",
            "urn:emergency:service:sos.psap",
            "urn:emergency:service:responder.police",
            "urn:nena:service:sos.psap",
            "<urn:service:sos>",
            "urn%3Aservice%3asos",
            "%75rn:service:%53%4f%73",
            "sip:urn%3Aservice%3Asos@10.126.197.138:5060;transport=tcp",
            "sip:911@198.51.100.10",
            "sip:911@198.51.100.10:5060;user=phone",
            "sip:911;phone-context=Redmond@192.0.2.12;user=phone",
            "sip:911:secret@192.0.2.12",
            "sip:%39%31%31@192.0.2.12",
            "sips:911@psap.example",
            "SIPS:+1911@psap.example",
            "sip:112@psap.example",
            "sip:9-1-1@psap.example;user=phone",
            "sip:+1-911@psap.example",
            "sip:sos@psap.example",
            "tel:911",
            "tel:9-1-1",
            "tel:+1-911",
            "tel:112;phone-context=+43",
        ] {
            assert!(emergency(&format!("INVITE {uri} SIP/2.0\r\n")), "{uri}");
            assert!(emergency(&format!("\r\n\r\nmessage  {uri} SIP/2.0\r\n")), "{uri}");
        }
    }

    #[test]
    fn what_is_no_marker() {
        for uri in [
            "sip:9110@198.51.100.10",
            "sip:0911@198.51.100.10",
            "sip:psap@198.51.100.10",
            "sip:198.51.100.10",
            "urn:service:sosumi",
            "urn:service:counseling",
            "tel:+19115550100",
            "http:911",
            "sip:%39%31@192.0.2.12",
            "sip:%3811@192.0.2.12",
        ] {
            assert!(!emergency(&format!("INVITE {uri} SIP/2.0\r\n")), "{uri}");
        }
        assert!(!emergency("SIP/2.0 200 OK\r\nTo: <urn:service:sos>\r\n"));
        assert!(!emergency("INVITE urn:service:sos"), "cut short");
        assert!(!emergency(""));
        assert!(!emergency("\r\n\r\n"));
    }

    #[test]
    fn the_long_method_of_rfc_4475() {
        let method = "!interesting-Method0123456789_*+`.%indeed'~".repeat(3);
        assert!(emergency(&format!("{} urn:service:sos SIP/2.0\r\n", &method[..111])));
        let too_long = "A".repeat(START_LINE_WINDOW as usize);
        assert!(!emergency(&format!("{too_long} urn:service:sos SIP/2.0\r\n")));
    }

    #[test]
    fn requests_and_responses() {
        assert!(is_request(&b"OPTIONS sip:a".as_slice(), 0));
        assert!(is_request(&b"\r\nINVITE sip:a".as_slice(), 0));
        assert!(is_request(&b"\r\n\r\n!x sip:a".as_slice(), 0));
        assert!(is_response(&b"SIP/2.0 200 OK".as_slice(), 0));
        assert!(!is_request(&b"SIP/2.0 200 OK".as_slice(), 0));
        assert!(!is_request(&b"\r\n\r\n\0\0\0\0\0".as_slice(), 0));
        assert!(!is_request(&b"BYE".as_slice(), 0));
    }

    proptest! {
        #[test]
        fn case_and_percent_encoding_change_nothing(
            choices in proptest::collection::vec(0u8..3, 15),
            upper_hex: bool,
        ) {
            let mut uri = String::new();
            for (letter, choice) in "urn:service:sos".chars().zip(choices) {
                match choice {
                    0 => uri.push(letter),
                    1 => uri.push(letter.to_ascii_uppercase()),
                    _ if upper_hex => uri.push_str(&format!("%{:02X}", letter as u32)),
                    _ => uri.push_str(&format!("%{:02x}", letter as u32)),
                }
            }
            let line = format!("INVITE {uri} SIP/2.0\r\n");
            prop_assert!(emergency(&line), "{}", line);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, offset: u16, length: u32, state: u16) {
            let _ = read(&bytes.as_slice(), offset, length, state);
        }

        /// Wherever segments split it, the line says what it says.
        #[test]
        fn segments_change_nothing(cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let line = b"INVITE urn%3Aservice:sos.fire SIP/2.0\r\n".as_slice();
            let mut cuts = cuts;
            cuts.push(line.len());
            cuts.sort_unstable();
            let (mut state, mut from) = (BEGIN, 0);
            for cut in cuts {
                let to = cut.min(line.len());
                if state > MATCH {
                    let piece = line.get(from..to).unwrap_or_default();
                    state = read(&piece, 0, piece.len() as u32, state);
                }
                from = to;
            }
            prop_assert_eq!(state, MATCH);
        }
    }
}
