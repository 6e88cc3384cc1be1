//! Callers' numbers and names, kept out of the log whatever somebody else's message carries.
//!
//! The guard's own messages have none. But errors quote what was read: SIP, configurations,
//! answers. So the user part of every `sip:`, `sips:` and `tel:` URI is masked, and whatever looks
//! like a telephone number in international form. Emergency numbers are left: they are nobody's.

use std::borrow::Cow;

/// Schemes behind which a user part stands.
const SCHEMES: [&[u8]; 3] = [b"sip:", b"sips:", b"tel:"];
/// Least digits of a number in international form; country code included (E.164 has up to 15).
const NUMBER_MIN: usize = 7;
/// Numbers that name a service and no person.
const SERVICES: [&[u8]; 4] = [b"911", b"112", b"+1911", b"933"];
/// What stands instead.
const MASK: &[u8] = b"***";

/// The line without anybody's number.
pub fn masked(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&b':') && !line.contains(&b'+') {
        return Cow::Borrowed(line);
    }
    let mut clean = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        if let Some(scheme) = scheme(rest, clean.last()) {
            let (head, tail) = rest.split_at_checked(scheme).unwrap_or((rest, &[]));
            clean.extend_from_slice(head);
            let user = tail.iter().take_while(|byte| is_of_user(**byte)).count();
            let (user, tail) = tail.split_at_checked(user).unwrap_or((tail, &[]));
            // Without an @ it is a host, unless it is a number.
            let is_user =
                tail.first() == Some(&b'@') || user.iter().all(|byte| is_of_number(*byte));
            let is_person = is_user && !user.is_empty() && !SERVICES.contains(&user);
            clean.extend_from_slice(if is_person { MASK } else { user });
            rest = tail;
        } else if let Some(digits) = international(rest) {
            clean.extend_from_slice(MASK);
            rest = rest.get(digits..).unwrap_or(&[]);
        } else {
            clean.push(*first);
            rest = after;
        }
    }
    Cow::Owned(clean)
}

/// Length of the scheme that begins here, if one does.
fn scheme(text: &[u8], before: Option<&u8>) -> Option<usize> {
    if before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let begins = |scheme: &&[u8]| {
        text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    SCHEMES.into_iter().find(begins).map(<[u8]>::len)
}

/// Length of a number in international form that begins here.
fn international(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(b"+")?.iter().take_while(|byte| is_of_number(**byte)).count();
    (digits >= NUMBER_MIN).then_some(digits + 1)
}

/// RFC 3261 section 25.1: what a user part is made of, password included.
const fn is_of_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*')
        || matches!(byte, b'\'' | b'(' | b')' | b'%' | b'&' | b'=' | b'$' | b',' | b':')
}

const fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn says(line: &str) -> String {
        String::from_utf8(masked(line.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn nobodys_number_is_left() {
        assert_eq!(says("From: <sip:+16175550100@a.example>"), "From: <sip:***@a.example>");
        assert_eq!(says("INVITE SIPS:jane.doe:secret@b SIP/2.0"), "INVITE SIPS:***@b SIP/2.0");
        assert_eq!(says("tel:617-555-0100;ext=3"), "tel:***;ext=3");
        assert_eq!(says("called +1 617, then +16175550100."), "called +1 617, then ***");
    }

    #[test]
    fn everything_else_is() {
        for line in [
            "guard loaded generation=3 stance=Enforcing",
            "wan0: the guard is not on it, program 12345678 is",
            "198.51.100.10:5060/udp at 2026-11-21T16:47:47Z, 16384-32767",
            "sip:911@psap.example urn:service:sos tel:911 sip:+1911@a",
            "sip:psap.example and gossip:somebody@x",
        ] {
            assert_eq!(says(line), line);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line(bytes: Vec<u8>, user in "[0-9]{7,15}") {
            let _ = masked(&bytes);
            let mut line = bytes;
            line.extend_from_slice(format!(" <sip:+{user}@x>").as_bytes());
            let clean = masked(&line).into_owned();
            prop_assert!(!clean.windows(user.len()).any(|part| part == user.as_bytes()));
        }
    }
}
