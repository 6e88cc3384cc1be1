//! Start lines without names and numbers.
//!
//! What is left of one is what classification goes by: method, scheme, and an emergency marker
//! if there is one; or the status of a response. Everything else in it, letters and digits alike,
//! becomes `x`.

use guard_common::sip::start_line::{self, BEGIN, MATCH};

/// What every SIP message names (RFC 3261 section 7.1).
const VERSION: &str = "SIP/2.0";
/// Longest method that is kept as it is: MESSAGE, SUBSCRIBE and the like have at most nine.
const METHOD_MAX: usize = 12;
/// Schemes that are no secret.
const SCHEMES: [&str; 4] = ["sip:", "sips:", "tel:", "urn:"];
/// What a marked line becomes whose marker would not survive.
const MARKED: &str = "INVITE urn:service:sos SIP/2.0\r\n";

/// The start line at the beginning of these bytes, masked; `None` if there is none.
#[must_use]
pub fn start_line(bytes: &[u8]) -> Option<String> {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let empty = bytes.iter().take_while(|byte| is_line_end(byte)).count();
    let bytes = bytes.get(empty..)?;
    let length = bytes.iter().take_while(|byte| !is_line_end(byte)).count();
    let is_whole = length < bytes.len();
    // What is no ASCII says nothing to anybody here.
    let line: String = bytes.get(..length)?.iter().map(|byte| ascii(*byte)).collect();
    if let Some(response) = line.strip_prefix(VERSION) {
        return status(response);
    }
    request(&line, is_whole)
}

fn ascii(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { 'x' }
}

/// A response: its status and nothing of the phrase.
fn status(rest: &str) -> Option<String> {
    let code = rest.strip_prefix(' ')?.get(..3)?;
    code.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{VERSION} {code} \r\n"))
}

fn request(line: &str, is_whole: bool) -> Option<String> {
    let (method, rest) = line.split_once(' ')?;
    let end = if is_whole { "\r\n" } else { "" };
    let (target, version) = match rest.len().checked_sub(VERSION.len()) {
        Some(at) if rest.get(at..).is_some_and(|rest| rest.eq_ignore_ascii_case(VERSION)) => {
            rest.split_at(at)
        }
        // A line that is longer than what was captured has to look like one at its beginning.
        _ if !is_whole && (scheme(rest) != 0 || is_marked(line)) => (rest, ""),
        _ => return None,
    };
    let known = method.len() <= METHOD_MAX && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    let method = if known { method.to_owned() } else { hidden(method) };
    let original = format!("{line}{end}");
    if !is_marked(&original) {
        let (plain, secret) = target.split_at(scheme(target));
        return Some(format!("{method} {plain}{}{version}{end}", hidden(secret)));
    }
    let before = line.len() - rest.len();
    let marker = target.get(..marker_end(&original).saturating_sub(before)).unwrap_or_default();
    let secret = target.get(marker.len()..).unwrap_or_default();
    let masked = format!("{method} {marker}{}{version}{end}", hidden(secret));
    Some(if is_marked(&masked) { masked } else { MARKED.to_owned() })
}

/// Bytes at the beginning of a target that only say how it is written.
fn scheme(target: &str) -> usize {
    let begins = |scheme: &&str| {
        target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    SCHEMES.iter().find(|scheme| begins(scheme)).map_or(0, |scheme| scheme.len())
}

/// Hides every letter and digit.
fn hidden(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c }).collect()
}

fn is_marked(line: &str) -> bool {
    let bytes = line.as_bytes();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    start_line::read(&bytes, 0, length, BEGIN) == MATCH
}

/// Where the marker of a marked line is complete.
fn marker_end(line: &str) -> usize {
    let marked = |end: &usize| line.get(..*end).is_some_and(is_marked);
    (1..=line.len()).find(marked).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(line: &str) -> Option<String> {
        start_line(format!("{line}\r\nTo: <sip:+16175550100@x>\r\n").as_bytes())
    }

    #[test]
    fn names_and_numbers_go_and_markers_stay() {
        for (line, kept) in [
            (
                "INVITE sip:+16175550100@198.51.100.10 SIP/2.0",
                "INVITE sip:+xxxxxxxxxxx@xxx.xx.xxx.xx SIP/2.0",
            ),
            (
                "BYE sips:alice@example.com;transport=tcp SIP/2.0",
                "BYE sips:xxxxx@xxxxxxx.xxx;xxxxxxxxx=xxx SIP/2.0",
            ),
            ("INVITE tel:+1-617-555-0100 SIP/2.0", "INVITE tel:+x-xxx-xxx-xxxx SIP/2.0"),
            (
                "INVITE sip:911@198.51.100.10:5060 SIP/2.0",
                "INVITE sip:911@xxx.xx.xxx.xx:xxxx SIP/2.0",
            ),
            ("INVITE urn:service:sos.fire SIP/2.0", "INVITE urn:service:sos.xxxx SIP/2.0"),
            ("INVITE urn:service:sos SIP/2.0", "INVITE urn:service:sos SIP/2.0"),
            (
                "INVITE <tel:911;phone-context=+16175550100> SIP/2.0",
                "INVITE <tel:911;xxxxx-xxxxxxx=+xxxxxxxxxxx> SIP/2.0",
            ),
            ("INVITE sip:911:6175550100@x SIP/2.0", "INVITE sip:911:xxxxxxxxxx@x SIP/2.0"),
            ("6175550100 sip:bob@x SIP/2.0", "xxxxxxxxxx sip:xxx@x SIP/2.0"),
            ("SIP/2.0 200 call 6175550100", "SIP/2.0 200 "),
        ] {
            assert_eq!(masked(line), Some(format!("{kept}\r\n")), "{line}");
        }
        for none in ["GET /6175550100 HTTP/1.1", "hello", "SIP/2.0", "SIP/2.0 2x0 OK", "", "a b c"]
        {
            assert_eq!(masked(none), None, "{none}");
        }
    }

    #[test]
    fn a_line_that_was_cut_short_is_still_one() {
        let cut = start_line(b"INVITE sip:911@a-very-long-name.6175550100");
        assert_eq!(cut.as_deref(), Some("INVITE sip:911@x-xxxx-xxxx-xxxx.xxxxxxxxxx"));
        assert_eq!(start_line(b"INVITE something 6175550100"), None);
    }

    proptest! {
        /// Whatever is said, no run of digits but the marker's gets through, and the line keeps
        /// its meaning.
        #[test]
        fn nothing_personal_is_left(
            method in "[A-Z]{1,9}",
            scheme in "(sip:|sips:|tel:|urn:|<sip:|SIP:)",
            user in "(911|\\+1911|sos|service:sos|[a-z0-9.+-]{0,20}|%39%31%31)",
            rest in "[@:;=?&.a-z0-9-]{0,30}",
        ) {
            let line = format!("{method} {scheme}{user}{rest} SIP/2.0\r\n");
            let masked = start_line(line.as_bytes()).unwrap_or_default();
            prop_assert_eq!(is_marked(&line), is_marked(&masked), "{} {}", line, masked);
            let target = masked.strip_suffix(" SIP/2.0\r\n").unwrap_or_default();
            let longest = target
                .split(|c: char| !c.is_ascii_digit())
                .map(str::len)
                .max()
                .unwrap_or(0);
            prop_assert!(longest <= 4, "{} {}", line, masked);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = start_line(&bytes);
        }
    }
}
