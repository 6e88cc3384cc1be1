//! What a message says: an emergency, surely nothing of the kind, or something in between.
//!
//! Independent of the guard: the start line, header fields (compact forms, repetition), name-addr
//! lists, Call-Info and every URI are read by `sip-header` and `sip-uri`, a SIP parser without any
//! of our code. By hand is what it does not do, because it reads text that came whole and clean:
//! empty lines before the message, the end of what is looked at, folds (also before a colon),
//! percent-encoding of whole URIs, brackets around a Request-URI, and the list of what counts as
//! emergency.

use std::borrow::Cow;

use sip_header::sip_uri::Uri;
use sip_header::{SipHeader, SipHeaderAddr, UriInfo, extract_header, extract_request_uri};

use super::kept::Kept;

/// The Request-URI's marker has to begin early enough to end within this many bytes.
const START_LINE: usize = 224;
/// No marker is longer: the longest, with every letter percent-encoded.
const MARKER: usize = 100;
/// So much of a message is looked at for markers in header fields.
const HEADERS: usize = 1500;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is an emergency message: its Request-URI says so.
    RequestUri,
    /// It is one: this header field says so.
    Header(&'static str),
    /// Something of it looks like a marker. Whatever the guard makes of that is right.
    Unclear,
    /// Nothing in it looks like a marker.
    Nothing,
}

/// Reads a message from its first byte.
#[must_use]
pub fn says(message: &[u8], kept: Kept) -> Says {
    let seen = message.get(..HEADERS).unwrap_or(message);
    let empty = seen.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let text: String = seen.iter().skip(empty).map(|byte| character(*byte)).collect();
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    let line_is_whole = line.len() < text.len();
    if !begins_request(line) {
        return whiff(if kept.headers { &text } else { line });
    }
    if let Some(uri) = extract_request_uri(line)
        && line_is_whole
        && let Some(place) = line.find(&uri)
        && empty + place + uri.len().min(MARKER) < START_LINE
        && is_emergency_uri(&uri, kept)
    {
        return Says::RequestUri;
    }
    if !kept.headers {
        return whiff(line);
    }
    match emergency_header(&text, kept) {
        Some(name) if extract_request_uri(line).is_some() && !has_broken_escape(&text) => {
            Says::Header(name)
        }
        _ => whiff(&text),
    }
}

/// Whether a percent sign begins no escape. The header crate undoes escapes when it reads a URI,
/// and what is left of a broken one may then look like another.
fn has_broken_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        !after.get(..2).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// An ASCII character for each byte, so that places stay the same. What the parser would take for
/// white space, and SIP does not (RFC 3261 section 25.1, `LWS`), becomes something else.
const fn character(byte: u8) -> char {
    match byte {
        0x0b | 0x0c | 0x80.. => '\x7f',
        byte => byte as char,
    }
}

/// Whether a line begins with a method, in the first column.
fn begins_request(line: &str) -> bool {
    let method = line.split([' ', '\t']).next().unwrap_or_default();
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    !method.is_empty() && method.len() < line.len() && method.chars().all(token)
}

/// The header field that says emergency.
fn emergency_header(text: &str, kept: Kept) -> Option<&'static str> {
    let unfolded = unfolded(whole_lines(text));
    let field = |name: SipHeader| name.extract_from(&unfolded);
    let address = |value: &String| match SipHeaderAddr::parse_list(value) {
        Ok(all) => all.iter().any(|one| is_emergency_uri(&one.uri().to_string(), kept)),
        // Refused as a whole: perhaps one of several is bad.
        Err(_) => value.split(',').any(|one| is_emergency_uri(in_brackets(one), kept)),
    };
    if field(SipHeader::To).iter().any(address) {
        return Some("To");
    }
    if field(SipHeader::Route).iter().any(address) {
        return Some("Route");
    }
    if field(SipHeader::Priority).iter().any(|value| value.eq_ignore_ascii_case("emergency")) {
        return Some("Priority");
    }
    let namespace = |value: &String| {
        value.split(',').any(|one| one.trim().to_ascii_lowercase().starts_with("esnet."))
    };
    if extract_header(&unfolded, "Resource-Priority").iter().any(namespace) {
        return Some("Resource-Priority");
    }
    field(SipHeader::CallInfo).iter().any(|value| is_emergency_info(value)).then_some("Call-Info")
}

/// What is surely whole: the last line may have been cut.
fn whole_lines(text: &str) -> &str {
    text.rfind(['\r', '\n']).and_then(|end| text.get(..=end)).unwrap_or_default()
}

/// Folded lines joined (RFC 3261 section 7.3.1), and those before a colon, too.
fn unfolded(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace("\n ", "  ").replace("\n\t", "  ")
}

fn in_brackets(value: &str) -> &str {
    let inside = value.split_once('<').map_or(value, |(_, inside)| inside);
    inside.split_once('>').map_or(inside, |(inside, _)| inside).trim()
}

/// Call-Info as NENA-STA-010.3 and its forerunners write it.
fn is_emergency_info(value: &str) -> bool {
    let Ok(info) = UriInfo::parse(value) else { return false };
    info.entries().iter().any(|entry| {
        let data = entry.data.trim().to_ascii_lowercase();
        let purpose = entry.purpose().unwrap_or_default().trim().to_ascii_lowercase();
        ["urn:emergency:uid:", "urn:nena:"].iter().any(|prefix| data.starts_with(prefix))
            || ["emergency-", "emergencycalldata.", "nena-"]
                .iter()
                .any(|prefix| purpose.starts_with(prefix))
    })
}

/// A separator need not be percent-encoded, and nobody was seen to do it.
const ENCODED_SEPARATORS: [&str; 4] = ["%2d", "%2D", "%2e", "%2E"];

/// Whether a URI names an emergency service or number.
#[must_use]
pub fn is_emergency_uri(uri: &str, kept: Kept) -> bool {
    let uri = uri.trim_start_matches('<');
    let uri = uri.split('>').next().unwrap_or_default();
    if !kept.spellings && ENCODED_SEPARATORS.iter().any(|encoded| uri.contains(encoded)) {
        return false;
    }
    match uri.parse::<Uri>() {
        Ok(parsed @ (Uri::Sip(_) | Uri::Tel(_) | Uri::Urn(_))) => {
            is_emergency(&parsed, kept) || is_emergency_text(uri, kept)
        }
        _ => is_emergency_text(uri, kept),
    }
}

fn is_emergency(uri: &Uri, kept: Kept) -> bool {
    match uri {
        Uri::Sip(sip) => {
            // Decoded already.
            let user = sip.user().unwrap_or_default().to_ascii_lowercase();
            is_number(&user, kept) || is_sos(&user)
        }
        Uri::Tel(tel) => is_number(tel.number(), kept),
        // Its third part ends where a fragment begins.
        Uri::Urn(urn) if urn.f_component().is_none() || kept.spellings => {
            is_service(&urn.assigned_name().to_ascii_lowercase(), kept)
        }
        _ => false,
    }
}

/// What the parser refuses, or takes apart in another way than those who send it: a URI that is
/// percent-encoded as a whole, a URN in the user part, characters that do not belong there.
fn is_emergency_text(uri: &str, kept: Kept) -> bool {
    let uri = decoded(uri);
    if is_service(&uri, kept) {
        return true;
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    if !matches!(scheme, "sip" | "sips" | "tel") {
        return false;
    }
    // The user part ends so; without an `@` there is none, and this would be the host.
    if scheme != "tel" && !rest.contains('@') {
        return false;
    }
    let user = rest.split(['@', ';', ':', '?']).next().unwrap_or_default();
    is_number(user, kept) || (scheme != "tel" && (is_service(rest, kept) || is_sos(user)))
}

/// `sip:sos@psap.example`, and services below it.
fn is_sos(user: &str) -> bool {
    user.strip_prefix("sos").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Percent-encoding undone, once, in lower case.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| !after.starts_with('+')) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.make_ascii_lowercase();
    out
}

/// RFC 5031, RFC 8147, NENA-STA-010.3 section 2.1.4, and what was seen instead.
const SERVICES: [&str; 7] = [
    "urn:service:sos",
    "urn:service:test.sos",
    "urn:service:test:sos",
    "urn:emergency:service:sos",
    "urn:emergency:service:responder",
    "urn:nena:service:sos",
    "urn:nena:service:responder",
];

/// Whether a name in lower case is that of an emergency service, or below one.
fn is_service(name: &str, kept: Kept) -> bool {
    let ends: &[char] = match kept.spellings {
        true => &['.', ':', ';', '@', '?', '#'],
        false => &['.', ':', ';', '@', '?'],
    };
    SERVICES.iter().any(|service| {
        name.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with(ends))
    })
}

/// Whether this is an emergency number, visual separators (RFC 3966 section 3) included. A
/// separator in front of the first digit is no number's.
fn is_number(number: &str, kept: Kept) -> bool {
    let separators: &[char] = if kept.spellings { &['-', '.', '(', ')'] } else { &['-', '.'] };
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.starts_with(['-', '.']) {
        return false;
    }
    let bare = number.replace(separators, "");
    matches!(bare.as_str(), "911" | "+1911" | "+911" | "112" | "+112")
}

/// Unclear if anything here could be taken for a marker by somebody generous.
fn whiff(text: &str) -> Says {
    const WORDS: [&str; 7] = ["sos", "911", "112", "responder", "emergency", "esnet", "nena"];
    // The guard reads over NUL bytes, which no message has before its body.
    let text = &text.replace('\0', "");
    let text: Cow<'_, str> = match text.contains('%') {
        true => decoded(text).into(),
        false => text.to_ascii_lowercase().into(),
    };
    let bare = text.replace(['-', '.', '(', ')'], "");
    if WORDS.iter().any(|word| bare.contains(word)) { Says::Unclear } else { Says::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sip;

    fn with(header: &str) -> Says {
        let message =
            sip::plain_invite().replacen("To: <sip:dispatch@psap.example>\r\n", header, 1);
        says(message.as_bytes(), Kept::ALL)
    }

    #[test]
    fn a_request_uri_says_so() {
        for uri in [
            "urn:service:sos",
            "<URN:Service:SOS.fire>",
            "urn%3aservice%3Asos",
            "%75rn:service:sos",
            "sip:urn%3Aservice%3Asos@192.0.2.1:5060;transport=tcp",
            "sip:urn:service:sos@192.0.2.1",
            "sip:911@192.0.2.1",
            "SIPS:+1-911;phone-context=x@psap.example",
            "tel:9-1-1",
            "sip:%39%31%31@x",
            "sip:sos@psap.example",
            "sip:sos.fire@psap.example",
            "tel:112;phone-context=+43",
        ] {
            let message = sip::request("INVITE", uri);
            assert_eq!(says(message.as_bytes(), Kept::TODAY), Says::RequestUri, "{uri}");
        }
    }

    #[test]
    fn other_request_uris_do_not() {
        for uri in ["sip:dispatch@psap.example", "sip:psap.example", "http://psap.example/"] {
            let message = sip::request("INVITE", uri);
            let kept = Kept { headers: false, ..Kept::TODAY };
            assert_eq!(says(message.as_bytes(), kept), Says::Nothing, "{uri}");
        }
        for uri in ["sip:9110@x", "tel:+19115550100", "urn:service:sosumi", "sip:a@911"] {
            let message = sip::request("INVITE", uri);
            assert_eq!(says(message.as_bytes(), Kept::TODAY), Says::Unclear, "{uri}");
        }
        // Its To says sos, and it is no request.
        assert_eq!(says(sip::response("200 OK").as_bytes(), Kept::TODAY), Says::Unclear);
    }

    #[test]
    fn header_fields_say_so() {
        for (header, name) in [
            ("To: <urn:service:sos>\r\n", "To"),
            ("t \r\n : \"911\"\r\n <sip:911@psap.example>\r\n", "To"),
            ("To\t:sip:911@psap.example\n", "To"),
            ("Route: <sip:a@b;lr>,\r\n <urn:service:sos;lr>\r\n", "Route"),
            ("PRIORITY:  Emergency \r\n", "Priority"),
            ("Resource-Priority: ets.1, ESNET.1\r\n", "Resource-Priority"),
            (
                "Call-Info: <https://a.example/>;purpose=icon,\r\n <urn:emergency:uid:callid:a1:b.example>\r\n",
                "Call-Info",
            ),
            (
                "Call-Info: <cid:1@b.example>; purpose=EmergencyCallData.ProviderInfo\r\n",
                "Call-Info",
            ),
            ("Call-Info: urn:nena:callid:a1;purpose=nena-CallId\r\n", "Call-Info"),
        ] {
            assert_eq!(with(header), Says::Header(name), "{header}");
        }
        assert_eq!(with("Priority: emergency-like\r\n"), Says::Unclear);
        assert_eq!(with("Subject: To: sos\r\n"), Says::Unclear);
        assert_eq!(with("To: <sip:b@psap.example>\r\n"), Says::Nothing);
    }

    #[test]
    fn only_so_much_is_looked_at() {
        let far = format!("X: {}\r\nTo: <urn:service:sos>\r\n", "x".repeat(HEADERS));
        assert_eq!(with(&far), Says::Nothing);
        let long = "A".repeat(START_LINE);
        let message = sip::request(&long, "urn:service:sos");
        assert_eq!(says(message.as_bytes(), Kept::TODAY), Says::Unclear);
        assert_eq!(says(b"INVITE urn:service:sos", Kept::ALL), Says::Unclear);
    }

    #[test]
    fn a_body_is_no_header() {
        let message = format!("{}To: <urn:service:sos>\r\n", sip::options());
        assert_eq!(says(message.as_bytes(), Kept::ALL), Says::Unclear);
    }
}
