//! A SIP message, as far as a call's media depends on it.
//!
//! Read by hand: elements "MUST accept calls that do not strictly follow the SIP standards"
//! (NENA-STA-010.3 section 3.1.1), and no maintained crate goes that far. Tried: `rsip` 0.4
//! refuses the Request-URI `urn:service:sos`, folded lines, bare line feeds; `rvoip-sip-core` 0.4
//! refuses bare line feeds, one line without a colon, a status without a reason and a message
//! whose end was lost, and brings sixty crates into a privileged daemon that strangers talk to.
//! What is wanted here is little: method, status, five headers and the body. Anything else
//! about a message may be as wrong as it likes.

use super::body;

/// Most bytes of a header block: ten times the largest seen (FACTS: 1,511), and no more than a
/// stream's buffer can be searched again for each segment.
pub const HEADERS_MAX: usize = 16 << 10;
/// Bytes of a Call-ID or tag that are looked at; nobody makes them longer.
const TOKEN_MAX: usize = 256;

/// What a message asks for, or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Begins or changes a call.
    Invite,
    /// Ends the setting up of a call.
    Ack,
    /// Acknowledges a provisional response (RFC 3262).
    Prack,
    /// Changes a call (RFC 3311).
    Update,
    /// Ends a call.
    Bye,
    /// Anything else: negotiates nothing.
    Other,
}

/// What the start line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request(Method),
    /// A response with this status.
    Response(u16),
}

/// What matters of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its start line.
    pub start: Start,
    /// What the messages of a call have in common.
    pub call_id: Vec<u8>,
    /// The tag of who sent the request; empty without one.
    pub from_tag: Vec<u8>,
    /// The tag of who received it; empty in the first request of a call.
    pub to_tag: Vec<u8>,
    /// Number of the request, also in its responses.
    pub number: u32,
    /// Method of the request, also in its responses.
    pub method: Method,
    /// The session description, if there is one.
    pub sdp: Option<Vec<u8>>,
}

/// How far a message reaches in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Its headers have not ended yet.
    Unfinished,
    /// So many bytes, by its Content-Length.
    Bytes(usize),
    /// Its headers end here and do not say how long the body is.
    Unsaid(usize),
}

impl Message {
    /// Reads a message. `None` for what is no SIP, or belongs to no call.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(leading_blanks(bytes)..)?;
        let end = headers_end(bytes).unwrap_or(bytes.len().min(HEADERS_MAX));
        let (head, rest) = bytes.split_at_checked(end)?;
        let head = unfolded(head);
        let mut lines = head.split(|byte| *byte == b'\n');
        let start = start_line(lines.next()?)?;
        let mut headers = Headers::default();
        lines.for_each(|line| headers.note(line));
        let Headers { call_id, from, to, cseq, content_type, content_length, is_encoded } = headers;
        let (number, method) = cseq.map_or((0, None), sequence);
        let method = match (start, method) {
            (Start::Request(method), _) | (Start::Response(_), Some(method)) => method,
            (Start::Response(_), None) => Method::Other,
        };
        let length = content_length.unwrap_or(rest.len());
        let is_cut = length > rest.len();
        let content = rest.get(..length).unwrap_or(rest);
        let sdp = if is_encoded { None } else { body::sdp(content_type, content, is_cut) };
        Some(Self {
            start,
            call_id: short(call_id?),
            from_tag: from.map_or_else(Vec::new, tag),
            to_tag: to.map_or_else(Vec::new, tag),
            number,
            method,
            sdp,
        })
    }
}

/// How far the message reaches that a stream goes on with.
#[must_use]
pub fn extent(bytes: &[u8]) -> Extent {
    let Some(end) = headers_end(bytes) else {
        return Extent::Unfinished;
    };
    let mut headers = Headers::default();
    let head = unfolded(bytes.get(..end).unwrap_or_default());
    head.split(|byte| *byte == b'\n').skip(1).for_each(|line| headers.note(line));
    match headers.content_length {
        Some(length) => Extent::Bytes(end.saturating_add(length)),
        None => Extent::Unsaid(end),
    }
}

/// Whether a message may begin with this line.
#[must_use]
pub fn is_start_line(line: &[u8]) -> bool {
    start_line(line).is_some()
}

/// Where in a line a message may begin, if bytes of another are left before it: a body need not
/// end with a line.
#[must_use]
pub fn start_within(line: &[u8]) -> Option<usize> {
    if !line.windows(4).any(|word| word.eq_ignore_ascii_case(b"SIP/")) {
        return None;
    }
    let begins = |name: &&[u8]| line.windows(name.len()).position(|word| word == *name);
    let places = BEGINNINGS.iter().filter_map(begins);
    places.filter(|place| line.get(*place..).is_some_and(is_start_line)).min()
}

/// Whether a message, or only a keep-alive, may begin with these bytes, of which there may be few.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    let bytes = bytes.get(leading_blanks(bytes)..).unwrap_or_default();
    BEGINNINGS.iter().any(|name| name.starts_with(bytes) || bytes.starts_with(name))
}

/// How messages begin that a call may depend on, and the rest of what is usual.
const BEGINNINGS: [&[u8]; 15] = [
    b"SIP/2.0 ",
    b"INVITE ",
    b"ACK ",
    b"PRACK ",
    b"UPDATE ",
    b"BYE ",
    b"CANCEL ",
    b"OPTIONS ",
    b"INFO ",
    b"MESSAGE ",
    b"REFER ",
    b"NOTIFY ",
    b"SUBSCRIBE ",
    b"PUBLISH ",
    b"REGISTER ",
];

/// Bytes of keep-alives (RFC 5626 section 4.4.1) and padding before a message.
#[must_use]
pub fn leading_blanks(bytes: &[u8]) -> usize {
    let is_blank = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0);
    bytes.iter().take_while(|byte| is_blank(byte)).count()
}

/// Where the empty line behind the headers ends, whichever line ends are used.
fn headers_end(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    for line in bytes.get(..bytes.len().min(HEADERS_MAX))?.split_inclusive(|byte| *byte == b'\n') {
        place += line.len();
        if line == b"\n" || line == b"\r\n" {
            return Some(place);
        }
    }
    None
}

/// Lines that go on in the next (RFC 3261 section 7.3.1) made one each.
fn unfolded(head: &[u8]) -> Vec<u8> {
    let mut lines: Vec<u8> = Vec::with_capacity(head.len());
    for line in head.split(|byte| *byte == b'\n') {
        let goes_on = matches!(line.first(), Some(b' ' | b'\t'));
        if !lines.is_empty() {
            lines.push(if goes_on { b' ' } else { b'\n' });
        }
        lines.extend(line.trim_ascii());
    }
    lines
}

fn start_line(line: &[u8]) -> Option<Start> {
    let mut words = line.trim_ascii().split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let first = words.next()?;
    if let Some(version) = first.get(..4)
        && version.eq_ignore_ascii_case(b"SIP/")
    {
        let status = number(words.next()?)?;
        return u16::try_from(status)
            .ok()
            .filter(|status| (100..700).contains(status))
            .map(Start::Response);
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let version = words.next_back()?.get(..4)?;
    (first.len() <= 32
        && first.iter().all(is_token)
        && version.eq_ignore_ascii_case(b"SIP/")
        && words.next().is_some())
    .then(|| Start::Request(method(first)))
}

fn method(name: &[u8]) -> Method {
    let names = [
        (b"INVITE".as_slice(), Method::Invite),
        (b"ACK", Method::Ack),
        (b"PRACK", Method::Prack),
        (b"UPDATE", Method::Update),
        (b"BYE", Method::Bye),
    ];
    // Methods are case-sensitive; whoever writes one otherwise means it all the same.
    let found = names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or(Method::Other, |(_, method)| method)
}

/// The headers that are looked at; of several the first counts.
#[derive(Default)]
struct Headers<'a> {
    call_id: Option<&'a [u8]>,
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_length: Option<usize>,
    is_encoded: bool,
}

impl<'a> Headers<'a> {
    fn note(&mut self, line: &'a [u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |long: &str, compact: &str| {
            name.eq_ignore_ascii_case(long.as_bytes())
                || name.eq_ignore_ascii_case(compact.as_bytes())
        };
        if is("Call-ID", "i") {
            self.call_id.get_or_insert(value);
        } else if is("From", "f") {
            self.from.get_or_insert(value);
        } else if is("To", "t") {
            self.to.get_or_insert(value);
        } else if is("CSeq", "CSeq") {
            self.cseq.get_or_insert(value);
        } else if is("Content-Type", "c") {
            self.content_type.get_or_insert(value);
        } else if is("Content-Length", "l") && self.content_length.is_none() {
            self.content_length = number(value).and_then(|length| usize::try_from(length).ok());
        } else if is("Content-Encoding", "e") {
            self.is_encoded |= !value.eq_ignore_ascii_case(b"identity") && !value.is_empty();
        }
    }
}

/// Number and method of a CSeq header.
fn sequence(value: &[u8]) -> (u32, Option<Method>) {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    (words.next().and_then(number).unwrap_or(0), words.next().map(method))
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits.trim_ascii()).ok()?.parse().ok()
}

/// The tag parameter of a From or To header: behind the address, whose own parameters do not
/// count.
fn tag(value: &[u8]) -> Vec<u8> {
    let behind = value.iter().rposition(|byte| *byte == b'>').map_or(0, |place| place + 1);
    for parameter in value.get(behind..).unwrap_or_default().split(|byte| *byte == b';').skip(1) {
        let mut halves = parameter.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if name.trim_ascii().eq_ignore_ascii_case(b"tag") {
            return short(value.trim_ascii());
        }
    }
    Vec::new()
}

fn short(token: &[u8]) -> Vec<u8> {
    token.get(..token.len().min(TOKEN_MAX)).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    const INVITE: &str = "INVITE urn:service:sos SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.18.7.7;branch=z9hG4bK1\r\n\
        From: \"a;tag=no\" <sip:+16175550100@example.net;tag=neither>;tag=abc\r\n\
        To: <urn:service:sos>\r\nCall-ID: 1@example.net\r\nCSeq: 7 INVITE\r\n\
        Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\nbehind";

    fn read(text: &str) -> Message {
        Message::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_invite() {
        let message = read(INVITE);
        assert_eq!(message.start, Start::Request(Method::Invite));
        assert_eq!((message.number, message.method), (7, Method::Invite));
        assert_eq!(message.call_id, b"1@example.net");
        assert_eq!(
            (message.from_tag.as_slice(), message.to_tag.as_slice()),
            (&b"abc"[..], &b""[..])
        );
        assert_eq!(message.sdp.as_deref(), Some(&b"v=0\r\n"[..]));
    }

    #[test]
    fn a_response() {
        let message =
            read("SIP/2.0 200 OK\r\nf: <sip:a>\r\nt: sip:b;tag=2\r\ni:x\r\nCSeq: 1 UPDATE\r\n\r\n");
        assert_eq!((message.start, message.method), (Start::Response(200), Method::Update));
        assert_eq!((message.from_tag.as_slice(), message.to_tag.as_slice()), (&b""[..], &b"2"[..]));
        assert_eq!(message.sdp, None);
        assert_eq!(read("SIP/2.0 180\r\ni:x\r\n\r\n").start, Start::Response(180));
    }

    #[test]
    fn what_does_not_follow_the_standard_is_read_all_the_same() {
        let plain = read(INVITE);
        let folded = INVITE.replace(";tag=abc", "\r\n\t ;tag = abc");
        let compact = INVITE.replace("Call-ID:", "i :").replace("Content-Type", "C");
        for text in [
            format!("\r\n\r\n{INVITE}"),
            INVITE.replace("urn:service:sos SIP", "tell:911 SIP"),
            INVITE.replace("INVITE urn", "invite  urn"),
            INVITE.replace("UDP", "TCCP"),
            INVITE.replace("CSeq", "no colon here\r\nX-Empty:\r\nCSeq"),
            INVITE.replace("Content-Length: 5\r\n", "").replace("behind", ""),
            folded,
            compact,
        ] {
            assert_eq!(read(&text), plain, "{text}");
        }
        let fed = INVITE.replace("\r\n", "\n").replace("Length: 5", "Length: 4");
        assert_eq!(read(&fed).sdp.as_deref(), Some(&b"v=0\n"[..]));
        let mut latin = INVITE.as_bytes().to_vec();
        // In the Request-URI, in addresses and in header names nobody looks at.
        latin.iter_mut().filter(|byte| **byte == b'v').for_each(|byte| *byte = 0xe9);
        assert_eq!(Message::read(&latin).unwrap().call_id, plain.call_id);
    }

    #[test]
    fn what_is_missing_at_the_end_is_missed_alone() {
        let cut = read(INVITE.split("Content-Type").next().unwrap());
        assert_eq!((cut.number, cut.sdp), (7, None));
        let cut = read(&INVITE.replace("Length: 5", "Length: 500").replace("behind", "c=IN IP4 1"));
        assert_eq!(cut.sdp.as_deref(), Some(&b"v=0\r\n"[..]), "half a line says nothing");
    }

    #[test]
    fn what_is_no_sip_is_none() {
        for text in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "INVITE SIP/2.0\r\ni:1\r\n\r\n",
            "SIP/2.0 9 No\r\ni:1\r\n\r\n",
            "INVITE sip:a SIP/2.0\r\n\r\n",
        ] {
            assert_eq!(Message::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_message_ends_where_its_length_says() {
        let whole = INVITE.len() - "behind".len();
        assert_eq!(extent(INVITE.as_bytes()), Extent::Bytes(whole));
        assert_eq!(extent(b"BYE sip:a SIP/2.0\r\ni: 1\r\n"), Extent::Unfinished);
        assert_eq!(extent(b"BYE sip:a SIP/2.0\n\nx"), Extent::Unsaid(19));
        assert_eq!(
            extent(b"BYE sip:a SIP/2.0\r\nl : 4294967295\r\n\r\n"),
            Extent::Bytes(4294967295 + 37)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = (Message::read(&bytes), extent(&bytes), is_start_line(&bytes));
        }

        #[test]
        fn any_damage_is_survived(place in 0..INVITE.len(), byte: u8, cut in 0..INVITE.len()) {
            let mut bytes = INVITE.as_bytes().to_vec();
            *bytes.get_mut(place).unwrap() = byte;
            bytes.truncate(cut);
            let _ = (Message::read(&bytes), extent(&bytes));
        }
    }
}
