//! A session description, as ports that somebody will receive on.
//!
//! `sdp-types` reads it (of those tried the most tolerant by far: `sdp-rs` and `ezk-sdp-types`
//! insist on lines that nobody needs here, `webrtc-sdp` is for browsers), section by section, so
//! that a line it refuses costs one stream and not the call. Lines that say nothing about ports
//! are left out beforehand.
//!
//! Knows what ports a description names (RFC 8866, 3264, 3605, 4145, 4975, 5761, 8839); must
//! not know whose they are.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;

use guard_common::wire::protocol::{TCP, UDP};
use sdp_types::{Attribute, Media as Section, Session};

/// Streams of one call that are looked at: audio, video, text, messages and more, several times.
pub const STREAMS_MAX: usize = 16;
/// Ports of one stream: RTP and RTCP of a few pairs, or the candidates of ICE.
pub const FLOWS_MAX: usize = 8;
/// Longest line that is looked at.
const LINE_MAX: usize = 1024;

/// Where media is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The address; `None` where a host name stands, which is nobody's business to look up.
    pub address: Option<IpAddr>,
    /// The port, not 0.
    pub port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// Not named itself: the port of RTCP beside one of RTP (RFC 3550 section 11).
    pub implied: bool,
}

/// One stream of media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Where its sender says media will go to, if that is an address.
    pub address: Option<IpAddr>,
    /// Where it is received; nowhere if it was refused, or is only sent.
    pub flows: Vec<Flow>,
    /// RTCP shares the port of RTP if both sides want that (RFC 5761).
    pub shares_port: bool,
}

/// What a description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// In the order of their lines, by which the two sides' streams belong together.
    pub streams: Vec<Stream>,
    /// The same for the same description, whoever passes it on: of its origin line and flows.
    pub fingerprint: u64,
}

/// Reads a description. `None` if it names no stream.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Description> {
    let lines = useful_lines(bytes);
    let mut sections = lines.chunk_by(|_, next| !next.starts_with("m="));
    let first = sections.next()?;
    let (session, first) =
        if first.first()?.starts_with("m=") { (&[][..], Some(first)) } else { (first, None) };
    let origin = session.iter().find(|line| line.starts_with("o="));
    let session = parsed(session);
    let streams = first.into_iter().chain(sections).take(STREAMS_MAX);
    let streams: Vec<_> =
        streams.map(|section| stream(session.as_ref(), section).unwrap_or_default()).collect();
    if streams.is_empty() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    (origin, &streams).hash(&mut hasher);
    Some(Description { streams, fingerprint: hasher.finish() })
}

/// The lines about origin, connection, streams and attributes, in a shape that can be read.
fn useful_lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| {
        line.len() <= LINE_MAX && matches!(line, [b'o' | b'c' | b'm' | b'a', b'=', ..])
    });
    let ascii = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' };
    lines.map(|line| line.iter().map(ascii).collect::<String>()).map(|line| tidy(&line)).collect()
}

/// One blank where there are several; a format where a stream names none.
fn tidy(line: &str) -> String {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let line = words.join(" ");
    if line.starts_with("m=") && words.len() == 3 { format!("{line} *") } else { line }
}

/// One section as a description of its own.
fn parsed<L: AsRef<str>>(lines: &[L]) -> Option<Session> {
    let mut text = "v=0\r\n".to_owned();
    for line in lines.iter().map(AsRef::as_ref).filter(|line| !line.starts_with("o=")) {
        text.push_str(line);
        text.push_str("\r\n");
    }
    Session::parse(text.as_bytes()).ok()
}

fn stream(session: Option<&Session>, lines: &[String]) -> Option<Stream> {
    // If it cannot be read as a whole: where it is, without how.
    let alone = || {
        let kept = lines.iter().filter(|line| line.starts_with("m=") || parsed(&[line]).is_some());
        parsed(&kept.collect::<Vec<_>>())
    };
    let own = parsed(lines).or_else(alone)?;
    let section = own.medias.first()?;
    let connections = section.connections.iter();
    let connections = connections.chain(session.iter().flat_map(|session| &session.connection));
    let connection = connections.map(|connection| &connection.connection_address).next()?;
    // A multicast address has a lifetime behind it.
    let connection = connection.split('/').next()?.parse().ok();
    let nowhere = connection.is_some_and(|address: IpAddr| address.is_unspecified());
    let general = session.map_or(&[][..], |session| &session.attributes);
    let shares_port = has(&section.attributes, "rtcp-mux") || has(general, "rtcp-mux");
    let mut flows = if nowhere { Vec::new() } else { flows(section, general, connection) };
    let mut known = Vec::new();
    flows.retain(|flow| {
        let key = (flow.address, flow.port, flow.protocol);
        let is_new = flow.port != 0 && !known.contains(&key);
        known.push(key);
        is_new
    });
    flows.truncate(FLOWS_MAX);
    let address = connection.filter(|address| !address.is_unspecified());
    Some(Stream { address, flows, shares_port })
}

fn flows(section: &Section, general: &[Attribute], address: Option<IpAddr>) -> Vec<Flow> {
    if section.port == 0 {
        return Vec::new();
    }
    let proto = section.proto.to_ascii_uppercase();
    let is_messages = proto.contains("MSRP") || section.media.eq_ignore_ascii_case("message");
    if is_messages || proto.starts_with("TCP") {
        return connections(section, general, address);
    }
    let named = |port| Flow { address, port, protocol: UDP, implied: false };
    let mut flows = Vec::new();
    let is_rtp = proto.contains("RTP");
    // "20000/2" is two pairs (RFC 8866 section 5.14).
    let pairs = section.num_ports.unwrap_or(1).clamp(1, FLOWS_MAX as u16 / 2);
    for pair in 0..pairs {
        let step = if is_rtp { 2 } else { 1 };
        flows.push(named(section.port.saturating_add(pair * step)));
    }
    flows.extend(candidates(section));
    if let Some(rtcp) = value(&section.attributes, "rtcp") {
        flows.extend(rtcp_flow(rtcp, address));
    } else if is_rtp && !has(&section.attributes, "rtcp-mux-only") {
        for pair in 0..pairs {
            let port = section.port.saturating_add(pair * 2).saturating_add(1);
            flows.push(Flow { implied: true, ..named(port) });
        }
    }
    flows
}

/// `a=rtcp:53020 IN IP4 126.16.64.4` (RFC 3605).
fn rtcp_flow(value: &str, address: Option<IpAddr>) -> Option<Flow> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok()?;
    let address = match words.nth(2) {
        Some(other) => other.parse().ok(),
        None => address,
    };
    Some(Flow { address, port, protocol: UDP, implied: false })
}

/// `a=candidate:1 1 UDP 2130706431 203.0.113.5 8998 typ host` (RFC 8839 section 5.1).
fn candidates(section: &Section) -> impl Iterator<Item = Flow> {
    let all = section.attributes.iter().filter(|attribute| is(attribute, "candidate"));
    all.filter_map(|attribute| {
        let mut words = attribute.value.as_deref()?.split_ascii_whitespace().skip(2);
        words.next().filter(|transport| transport.eq_ignore_ascii_case("udp"))?;
        let address = words.nth(1)?.parse().ok()?;
        let port = words.next()?.parse().ok()?;
        Some(Flow { address: Some(address), port, protocol: UDP, implied: false })
    })
    .take(FLOWS_MAX / 2)
}

/// Where a side waits for connections. One that connects itself names no port that matters
/// (RFC 4145 section 4.1).
fn connections(section: &Section, general: &[Attribute], address: Option<IpAddr>) -> Vec<Flow> {
    let setup = value(&section.attributes, "setup").or_else(|| value(general, "setup"));
    if setup.is_some_and(|setup| setup.trim().eq_ignore_ascii_case("active")) {
        return Vec::new();
    }
    let flow = Flow { address, port: section.port, protocol: TCP, implied: false };
    let path = value(&section.attributes, "path").and_then(msrp_flow);
    [Some(flow), path].into_iter().flatten().collect()
}

/// `a=path:msrp://192.0.2.1:2855/session;tcp`: the last address is the sender's own
/// (RFC 4975 section 8.1).
fn msrp_flow(path: &str) -> Option<Flow> {
    let (_, authority) = path.split_ascii_whitespace().last()?.split_once("://")?;
    let authority = authority.split('/').next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = authority.rsplit_once(':')?;
    let address = host.trim_matches(['[', ']']).parse().ok();
    Some(Flow { address, port: port.parse().ok()?, protocol: TCP, implied: false })
}

fn is(attribute: &Attribute, name: &str) -> bool {
    attribute.attribute.eq_ignore_ascii_case(name)
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| is(attribute, name))
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| is(attribute, name))?.value.as_deref()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

    /// Ports as text: `20000 20001? 2855/tcp [192.0.2.9]:5000`; "?" is an implied one.
    fn ports(media: &str) -> String {
        shown(&read(format!("{HEAD}{media}").as_bytes()).unwrap())
    }

    fn shown(description: &Description) -> String {
        let flow = |flow: &Flow| {
            let place = match flow.address {
                Some(address) if address.to_string() == "192.0.2.1" => String::new(),
                Some(address) => format!("[{address}]:"),
                None => "name:".to_owned(),
            };
            let tcp = if flow.protocol == TCP { "/tcp" } else { "" };
            format!("{place}{}{tcp}{}", flow.port, if flow.implied { "?" } else { "" })
        };
        let stream = |stream: &Stream| stream.flows.iter().map(flow).collect::<Vec<_>>().join(" ");
        description.streams.iter().map(stream).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn media_of_a_call() {
        for (media, expected) in [
            ("m=audio 20000 RTP/AVP 0\r\n", "20000 20001?"),
            ("m=audio 20000 RTP/AVP 0\r\na=rtcp:20005\r\n", "20000 20005"),
            (
                "m=audio 20000 RTP/AVP 0\r\na=rtcp:53020 IN IP4 192.0.2.9\r\n",
                "20000 [192.0.2.9]:53020",
            ),
            ("m=audio 20000 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n", "20000 20001?"),
            ("m=audio 20000 RTP/SAVP 0\r\na=rtcp-mux-only\r\n", "20000"),
            ("m=audio 20000/2 RTP/AVP 0\r\n", "20000 20002 20001? 20003?"),
            ("m=audio 0 RTP/AVP 0\r\nm=text 20004 RTP/AVP 98\r\n", " | 20004 20005?"),
            ("m=video 65535 RTP/AVP 99\r\n", "65535"),
            ("m=image 20000 udptl t38\r\n", "20000"),
            ("m=application 20000 UDP/DTLS/SCTP webrtc-datachannel\r\n", "20000"),
            ("m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.1:2855/x;tcp\r\n", "2855/tcp"),
            ("m=message 2855 TCP/TLS/MSRP *\r\na=setup:passive\r\n", "2855/tcp"),
            ("m=message 9 TCP/MSRP *\r\na=setup:active\r\n", ""),
            (
                "m=message 2855 TCP/MSRP *\r\na=path:msrps://u@[2001:db8::1]:7777/x;tcp\r\n",
                "2855/tcp [2001:db8::1]:7777/tcp",
            ),
            (
                "m=audio 20000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n",
                "[2001:db8::1]:20000 [2001:db8::1]:20001?",
            ),
            (
                "m=audio 20000 RTP/AVP 0\r\nc=IN IP4 233.252.0.1/127\r\n",
                "[233.252.0.1]:20000 [233.252.0.1]:20001?",
            ),
            ("m=audio 20000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", ""),
            (
                "m=audio 20000 RTP/AVP 0\r\nc=IN IP4 media.psap.example\r\n",
                "name:20000 name:20001?",
            ),
            (
                "m=audio 20000 RTP/AVP 0\r\na=candidate:1 1 UDP 21 192.0.2.9 8998 typ host\r\n\
              a=candidate:2 1 TCP 21 192.0.2.9 9 typ host tcptype active\r\n",
                "20000 [192.0.2.9]:8998 20001?",
            ),
        ] {
            assert_eq!(ports(media), expected, "{media}");
        }
    }

    #[test]
    fn what_does_not_follow_the_standard_is_read_all_the_same() {
        let plain = format!("{HEAD}m=audio 20000 RTP/AVP 0\r\n");
        let expected = read(plain.as_bytes()).unwrap();
        for text in [
            plain.replace("\r\n", "\n"),
            plain.replace("v=0\r\n", ""),
            plain.replace("s=-\r\n", "").replace("t=0 0\r\n", ""),
            plain.replace("s=-", "s=\u{e9}"),
            plain.replace("audio 20000", "audio  20000").replace("AVP 0", "AVP 0 "),
            plain.replace("c=IN IP4", "c=in ip4"),
            format!("\r\n{plain}\r\nhello\r\nx=1\r\n"),
            format!("{plain}a=rtpmap\r\ni=\r\na=rtcp:nonsense\r\nb=\r\n")
                .replace("a=rtcp:nonsense\r\n", ""),
        ] {
            assert_eq!(shown(&read(text.as_bytes()).unwrap()), shown(&expected), "{text}");
        }
        let formatless = plain.replace("AVP 0", "AVP");
        assert_eq!(shown(&read(formatless.as_bytes()).unwrap()), "20000 20001?");
    }

    #[test]
    fn one_bad_stream_costs_no_other() {
        let media = "m=audio 70000 RTP/AVP 0\r\nm=video x\r\nm=audio 20000 RTP/AVP 0\r\nc=what\r\n";
        assert_eq!(ports(media), " |  | 20000 20001?");
    }

    #[test]
    fn the_same_description_has_the_same_fingerprint() {
        let of = |text: &str| read(text.as_bytes()).unwrap().fingerprint;
        let text = format!("{HEAD}m=audio 20000 RTP/AVP 0\r\na=x\r\n");
        assert_eq!(of(&text), of(&text.replace("a=x\r\n", "")));
        assert_ne!(of(&text), of(&text.replace("20000", "20002")));
        assert_ne!(of(&text), of(&text.replace("o=- 1", "o=- 2")));
    }

    #[test]
    fn nothing_grows_without_bound() {
        let many = "m=audio 20000/60000 RTP/AVP 0\r\n".repeat(100);
        let description = read(format!("{HEAD}{many}").as_bytes()).unwrap();
        assert_eq!(description.streams.len(), STREAMS_MAX);
        assert!(description.streams.iter().all(|stream| stream.flows.len() <= FLOWS_MAX));
        assert_eq!(read(b""), None);
        assert_eq!(read(HEAD.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_line_is_survived(kind in "[ocma]", value in "[ -~]{0,60}") {
            let _ = read(format!("{HEAD}m=audio 20000/9 RTP/AVP 0\r\n{kind}={value}\r\n").as_bytes());
            let _ = read(format!("{kind}={value}\r\nm={value}\r\n").as_bytes());
        }

        #[test]
        fn any_damage_is_survived(place in 0usize..110, byte: u8, cut in 0usize..200) {
            let mut bytes = format!("{HEAD}m=message 2855 TCP/MSRP *\r\na=path:msrp://h:1/x;tcp\r\n").into_bytes();
            bytes[place] = byte;
            bytes.truncate(cut);
            let _ = read(&bytes);
        }
    }
}
