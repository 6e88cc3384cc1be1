//! Makes SIP messages: emergency or not, in every spelling the grammar and the field allow.
//!
//! What they say is not noted: the reader finds out from the bytes, so that a mutated message is
//! judged like any other.

use super::random::Random;

const METHODS: [&str; 16] = [
    "INVITE",
    "INVITE",
    "INVITE",
    "INVITE",
    "MESSAGE",
    "MESSAGE",
    "OPTIONS",
    "SUBSCRIBE",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INFO",
    "invite",
    "!interesting-Method0123456789_*+`.%indeed'~",
];

/// Forms of emergency URIs (FACTS A.2), before they are spelled in other ways.
const EMERGENCY: [&str; 22] = [
    "urn:service:sos",
    "urn:service:sos",
    "urn:service:sos.fire",
    "urn:service:sos.ecall.automatic",
    "urn:service:sos:172.16.0.100:5060",
    "urn:service:test.sos",
    "urn:service:test:sos",
    "urn:emergency:service:sos",
    "urn:emergency:service:sos.psap",
    "urn:emergency:service:responder.police",
    "urn:nena:service:sos",
    "sip:911@198.51.100.10",
    "sip:911@psap.example:5060;user=phone",
    "sip:+1911@psap.example",
    "sips:911@psap.example",
    "sip:112@psap.example",
    "sip:sos@psap.example",
    "sip:urn:service:sos@192.0.2.1:5060;transport=tcp",
    "tel:911",
    "tel:112;phone-context=+43",
    "tel:(911)",
    "urn:service:sos#x",
];

/// URIs that are none, some of them nearly.
const OTHER: [&str; 16] = [
    "sip:dispatch@psap.example",
    "sip:+16175550100@psap.example",
    "sip:psap.example",
    "sips:psap@psap.example",
    "sip:9110@psap.example",
    "sip:0911@psap.example",
    "sip:1911@x.example",
    "sip:91@psap.example",
    "urn:service:sosumi",
    "urn:service:counseling",
    "tel:+19115550100",
    "tel:+16175550112",
    "http:911",
    "sip:alice@911.example",
    "urn:services:sos",
    "im:a@b.example",
];

/// What may follow a URI within the Request-URI.
const SUFFIXES: [&str; 7] = ["", "", "", "", ";user=phone", ";transport=tcp", "?subject=x"];

/// Some message.
pub fn any(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => response(random),
        1 => keep_alive(random),
        2..=6 => {
            let uri = emergency_uri(random);
            request(random, &uri)
        }
        7..=8 => marked_in_header(random),
        _ => {
            let uri = other_uri(random);
            request(random, &uri)
        }
    }
}

/// A request whose Request-URI says emergency.
pub fn marked(random: &mut Random) -> Vec<u8> {
    let uri = emergency_uri(random);
    request(random, &uri)
}

/// A request that says emergency, in its Request-URI or a header field.
pub fn emergency(random: &mut Random) -> Vec<u8> {
    if random.once_in(2) { marked(random) } else { marked_in_header(random) }
}

/// A request in which nothing says emergency, if it is read as it should be.
pub fn plain(random: &mut Random) -> Vec<u8> {
    let uri = random.pick(&OTHER);
    request(random, uri)
}

/// A response.
pub fn response(random: &mut Random) -> Vec<u8> {
    let status =
        random.pick(&["100 Trying", "180 Ringing", "200 OK", "486 Busy Here", "503 Unavailable"]);
    let mut text = format!("SIP/2.0 {status}\r\n");
    headers(random, &mut text, "<urn:service:sos>;tag=2");
    text.into_bytes()
}

/// What keeps bindings alive: CRLF, STUN, nothing.
pub fn keep_alive(random: &mut Random) -> Vec<u8> {
    random
        .pick(&[b"\r\n\r\n".as_slice(), b"\r\n", crate::fixtures::sip::STUN, b"", &[0; 4]])
        .to_vec()
}

fn marked_in_header(random: &mut Random) -> Vec<u8> {
    let uri = emergency_uri(random);
    let (name, value) = match random.below(7) {
        0 => ("To", address(random, &uri)),
        1 => ("t", address(random, &uri)),
        2 => ("Route", format!("<{uri};lr>")),
        3 => ("Route", format!("<sip:esrp.example;lr>, <{uri}>")),
        4 => ("Priority", spelled_case(random, "emergency")),
        5 => {
            ("Resource-Priority", format!("{}.{}", spelled_case(random, "esnet"), random.below(5)))
        }
        _ => ("Call-Info", call_info(random)),
    };
    let start = random.pick(&OTHER);
    let mut text = start_line(random, start);
    for _ in 0..random.below(4) {
        filler(random, &mut text);
    }
    header(random, &mut text, name, &value);
    headers(random, &mut text, "<sip:dispatch@psap.example>");
    with_body(random, text)
}

fn call_info(random: &mut Random) -> String {
    let entry = random.pick(&[
        "<urn:emergency:uid:callid:a56e556d871:bcf.example>;purpose=emergency-CallId",
        "<urn:emergency:uid:incidentid:a56e556d871:bcf.example>;purpose=emergency-IncidentId",
        "<https://adr.example/x>;purpose=EmergencyCallData.ProviderInfo",
        "<cid:1@adr.example>; purpose=EmergencyCallData.ServiceInfo",
        "<urn:nena:callid:a56e556d871:bcf.example>;purpose=nena-CallId",
        "urn:nena:uid:callid:a56e556d871:bcf.example;purpose=nena-CallId",
        "<https://a.example/b>;purpose=nena-call-id",
    ]);
    match random.once_in(3) {
        true => format!("<https://a.example/icon>;purpose=icon, {entry}"),
        false => entry.to_owned(),
    }
}

/// A request with this Request-URI.
pub fn request(random: &mut Random, uri: &str) -> Vec<u8> {
    let mut text = start_line(random, uri);
    let to = other_uri(random);
    let to = address(random, &to);
    headers(random, &mut text, &to);
    with_body(random, text)
}

fn start_line(random: &mut Random, uri: &str) -> String {
    let empty = "\r\n".repeat(if random.once_in(8) { random.between(1, 4) } else { 0 });
    let method = random.pick(&METHODS);
    let mut space = || match random.below(24) {
        0 => "  ",
        1 => "\t",
        2 => "    ",
        _ => " ",
    };
    let (before, after) = (space(), space());
    let (open, close) = if random.once_in(16) { ("<", ">") } else { ("", "") };
    let end = if random.once_in(16) { "\n" } else { "\r\n" };
    format!("{empty}{method}{before}{open}{uri}{close}{after}SIP/2.0{end}")
}

/// An emergency URI in some spelling.
pub fn emergency_uri(random: &mut Random) -> String {
    let uri = random.pick(&EMERGENCY);
    let uri = if random.once_in(12) { separated(uri) } else { uri.to_owned() };
    let spelled = spelled(random, &uri);
    if uri.contains([';', '?']) { spelled } else { spelled + random.pick(&SUFFIXES) }
}

fn other_uri(random: &mut Random) -> String {
    let uri = random.pick(&OTHER);
    if random.once_in(4) { spelled(random, uri) } else { uri.to_owned() }
}

/// With the visual separators of telephone numbers.
fn separated(uri: &str) -> String {
    uri.replace("+1911", "+1-911").replace("911", "9-1-1").replace("112", "1.12")
}

/// Letters in either case, or percent-encoded: a few, or all of the name.
fn spelled(random: &mut Random, uri: &str) -> String {
    let (case, percent) = random.pick(&[(0, 0), (0, 0), (2, 0), (3, 8), (0, 3), (2, 2), (0, 1)]);
    // Hosts and parameters are not encoded, and of the scheme of `sip:` only some do it.
    let name = uri.find('@').unwrap_or(uri.len());
    let name = uri.find(';').map_or(name, |place| place.min(name));
    let mut out = String::new();
    for (place, letter) in uri.char_indices() {
        let inside = place < name && letter != '-' && letter != '.';
        if inside && percent > 0 && random.once_in(percent) {
            let digits = match random.once_in(2) {
                true => format!("%{:02X}", u32::from(letter)),
                false => format!("%{:02x}", u32::from(letter)),
            };
            out.push_str(&digits);
        } else if case > 0 && random.once_in(case) {
            out.push(letter.to_ascii_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}

fn spelled_case(random: &mut Random, word: &str) -> String {
    word.chars()
        .map(|letter| if random.once_in(3) { letter.to_ascii_uppercase() } else { letter })
        .collect()
}

fn address(random: &mut Random, uri: &str) -> String {
    match random.below(4) {
        0 if !uri.contains(';') => uri.to_owned(),
        1 => format!("\"Caller, \\\"A\\\"\" <{uri}>;tag=a"),
        2 => format!("Caller <{uri}>"),
        _ => format!("<{uri}>"),
    }
}

/// The header fields that every message has, in some order.
fn headers(random: &mut Random, text: &mut String, to: &str) {
    let number = random.below(100_000);
    let mut fields = [
        ("Via", "v", format!("SIP/2.0/UDP 198.18.7.7;branch=z9hG4bK{number}")),
        ("From", "f", "<sip:+16175550100@example.net>;tag=1".to_owned()),
        ("To", "t", to.to_owned()),
        ("Call-ID", "i", format!("{number}@example.net")),
        ("CSeq", "CSeq", "1 INVITE".to_owned()),
        ("Contact", "m", "<sip:caller@198.18.7.7>".to_owned()),
        ("Max-Forwards", "Max-Forwards", "70".to_owned()),
    ];
    for place in 1..fields.len() {
        fields.swap(place, random.below(place + 1));
    }
    for (name, compact, value) in fields {
        let name = if random.once_in(4) { compact } else { name };
        header(random, text, name, &value);
        if random.once_in(6) {
            filler(random, text);
        }
    }
}

/// One header field in some spelling.
fn header(random: &mut Random, text: &mut String, name: &str, value: &str) {
    let name = if random.once_in(6) { spelled_case(random, name) } else { name.to_owned() };
    let colon = random.pick(&[": ", ": ", ": ", ":", " : ", "\t:  ", " :\t", ":\r\n ", " \r\n : "]);
    let value = match value.find([' ', ';', ',']).filter(|_| random.once_in(6)) {
        // A fold where white space may be: at white space, or around a separator.
        Some(place) => {
            let (before, after) = value.split_at(place);
            format!("{before}\r\n {after}")
        }
        None => value.to_owned(),
    };
    let end = if random.once_in(40) { "\n" } else { "\r\n" };
    for part in [&name, colon, &value, end] {
        text.push_str(part);
    }
}

/// A header field that means nothing, to move the others along.
fn filler(random: &mut Random, text: &mut String) {
    let length = random.pick(&[1, 20, 100, 400]);
    let value = "x".repeat(random.between(1, length));
    header(random, text, "X-Filler", &value);
}

fn with_body(random: &mut Random, mut text: String) -> Vec<u8> {
    let body =
        random.pick(&["", "", "v=0\r\nc=IN IP4 198.18.7.7\r\nm=audio 40000 RTP/AVP 0\r\n", "Help"]);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}
