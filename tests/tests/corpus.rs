//! Real captures and torture messages, made by others: with their endpoints configured, every
//! frame of theirs that carries SIP passes in enforce mode, at the tightest limits.
//!
//! They are not part of the project; without them these tests are skipped, loudly.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{env, fs};

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use guard_tests::fixtures::network::{
    BOSTON, CARRIER_A, CONFIG, LAN, Network, STRANGER, WAN, real,
};
use guard_tests::fixtures::run::{Both, verdict};
use guard_tests::packet::{Tcp, ethernet, tcp, udp};
use guard_tests::privilege::{corpus, require_bpf};
use guard_user::config::{Config, Format};

/// The folder, or a loud skip: the project has to do without it, in CI, too.
fn folder(name: &str) -> Option<PathBuf> {
    let folder = corpus().map(|corpus| corpus.join(name)).filter(|folder| folder.is_dir());
    if folder.is_none() {
        assert!(env::var_os("GUARD_CORPUS").is_none(), "GUARD_CORPUS has no folder {name}");
        eprintln!("SKIPPED  no {name} beside the workspace (shared/data); set GUARD_CORPUS");
    }
    folder.filter(|_| require_bpf())
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Frames of a capture (libpcap, little-endian); raw IP gets an Ethernet header.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    const ETHERNET: u32 = 1;
    let bytes = fs::read(path).expect("a readable capture");
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    };
    assert!(matches!(word(0), Some(0xa1b2_c3d4 | 0xa1b2_3c4d)), "{}: no capture", path.display());
    let link = word(20).expect("a whole header");
    let (mut frames, mut at) = (Vec::new(), 24);
    while let Some(length) = word(at + 8) {
        let length = length as usize;
        let Some(frame) = bytes.get(at + 16..at + 16 + length) else { break };
        frames.push(match (link, frame.first().map(|first| first >> 4)) {
            (ETHERNET, _) => frame.to_vec(),
            (12 | 101, Some(4)) => ethernet(0x0800, frame),
            (12 | 101, Some(6)) => ethernet(0x86dd, frame),
            other => panic!("{}: link type and version {other:?}", path.display()),
        });
        at += 16 + length;
    }
    frames
}

/// A packet with ports.
struct Packet {
    source: SocketAddr,
    destination: SocketAddr,
    transport: &'static str,
    /// It asks for a TCP connection.
    opens: bool,
    /// What it says begins like SIP: a request, a response.
    says: Option<Says>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Request,
    Response,
}

fn packet(frame: &[u8]) -> Option<Packet> {
    let headers = PacketHeaders::from_ethernet_slice(frame).ok()?;
    let (source, destination) = match headers.net? {
        NetHeaders::Ipv4(ip, _) => (IpAddr::from(ip.source), IpAddr::from(ip.destination)),
        NetHeaders::Ipv6(ip, _) => (IpAddr::from(ip.source), IpAddr::from(ip.destination)),
        NetHeaders::Arp(_) => return None,
    };
    let (from, to, transport, opens) = match headers.transport? {
        TransportHeader::Udp(udp) => (udp.source_port, udp.destination_port, "udp", false),
        TransportHeader::Tcp(tcp) => {
            (tcp.source_port, tcp.destination_port, "tcp", tcp.syn && !tcp.ack)
        }
        _ => return None,
    };
    let line = headers.payload.slice().split(|byte| *byte == b'\r').next()?;
    let says = match line {
        [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', ..] => Some(Says::Response),
        line if line.ends_with(b" SIP/2.0") => Some(Says::Request),
        _ => None,
    };
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Some(Packet { source, destination, transport, opens, says })
}

/// Who speaks SIP with whom, either way.
fn connections(packets: &[Packet]) -> BTreeSet<(SocketAddr, SocketAddr)> {
    let sip = packets.iter().filter(|packet| packet.says.is_some());
    sip.flat_map(|packet| {
        let (source, destination) = (packet.source, packet.destination);
        [(source, destination), (destination, source)]
    })
    .collect()
}

/// A configuration in which whoever takes requests, or connections with SIP in them, is an
/// element, and everybody else a peer.
fn configuration(packets: &[Packet]) -> Config {
    let mut services: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    let connections = connections(packets);
    for Packet { source, destination, transport, opens, says } in packets {
        if *says != Some(Says::Request)
            && !(*opens && connections.contains(&(*source, *destination)))
        {
            continue;
        }
        services.entry(destination.ip()).or_default().insert(format!("{destination}/{transport}"));
    }
    let all = packets.iter().flat_map(|packet| [packet.source.ip(), packet.destination.ip()]);
    let peers: BTreeSet<_> = all.filter(|ip| !services.contains_key(ip)).collect();
    let (_, limits) = CONFIG.split_once("[limits]").expect("the limits of the fixtures");
    let mut text =
        format!("[guard]\ncapacity = 1\n[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n");
    for (number, services) in services.into_values().enumerate() {
        let services = Vec::from_iter(services);
        writeln!(text, "[[element]]\nid = 'e{number}'\nkind = 'other'\nservices = {services:?}")
            .expect("memory");
    }
    for peer in peers {
        writeln!(text, "[[peer]]\nid = '{peer}'\naddresses = ['{peer}']").expect("memory");
    }
    Config::parse("corpus", &format!("{text}[limits]{limits}"), Format::Toml)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_sip_frame_of_the_captures_passes() {
    let Some(folder) = folder("ng911/pcaps") else { return };
    let interfaces = real();
    let (mut sip, mut all) = (0, 0);
    // Class, reason and fate of every frame, call or not.
    let mut list: BTreeMap<(&str, &str, bool), u64> = BTreeMap::new();
    let mut folders: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in files(&folder, "pcap") {
        let captured = frames(&path);
        folders.entry(path.parent().map(Path::to_path_buf)).or_default().push((path, captured));
    }
    verdict(folders.into_values().map(|captures| {
        let frames = || captures.iter().flat_map(|(_, frames)| frames);
        let packets: Vec<_> = frames().filter_map(|frame| packet(frame)).collect();
        let network = Network::of(&configuration(&packets), interfaces.clone());
        let mut both = Both::new(&network.tables);
        let carriers = connections(&packets);
        for (path, frames) in &captures {
            for (number, frame) in (1..).zip(frames) {
                let outcome = both.run(frame, network.interface(LAN));
                let wrong = |why: &str| format!("{}, frame {number}: {why}", path.display());
                let answer = outcome.map_err(|why| wrong(&why))?;
                all += 1;
                let reason = answer.reason();
                *list.entry((reason.class().name(), reason.name(), answer.dropped)).or_default() +=
                    1;
                if answer.dropped && is_media(frame, &packets) {
                    return Err(wrong(reason.name()));
                }
                // Handshakes and acknowledgements, too: without them there is no message.
                if packet(frame)
                    .is_some_and(|packet| carriers.contains(&(packet.source, packet.destination)))
                {
                    sip += 1;
                    if answer.dropped || reason.class().name() != "protected" {
                        return Err(wrong(reason.name()));
                    }
                }
            }
        }
        Ok(())
    }));
    for ((class, reason, dropped), frames) in list {
        let fate = if dropped { "dropped" } else { "passed" };
        println!("{frames:>8} {fate:<7} {class:<14} {reason}");
    }
    println!("{sip} SIP frames of {all} passed");
    assert!(sip > 0, "captures without SIP");
}

/// RTP, RTCP and what shares their ports: UDP between ports from 1024 up of hosts that speak SIP.
fn is_media(frame: &[u8], packets: &[Packet]) -> bool {
    let speaks =
        |ip: IpAddr| packets.iter().any(|packet| packet.says.is_some() && packet.source.ip() == ip);
    packet(frame).is_some_and(|Packet { source, destination, transport, .. }| {
        transport == "udp"
            && source.port().min(destination.port()) >= 1024
            && speaks(source.ip())
            && speaks(destination.ip())
    })
}

/// The message with another Request-URI, if it is a request.
fn to_the_emergency_service(message: &[u8]) -> Option<Vec<u8>> {
    let begin = message.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let (_, request) = message.split_at(begin);
    let method = request.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    if request.starts_with(b"SIP/") {
        return None;
    }
    let (method, rest) = request.split_at(method);
    let line = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (_, rest) = rest.split_at(line);
    Some([method, b" urn:service:sos SIP/2.0", rest].concat())
}

#[test]
fn every_torture_message_of_a_stranger_that_says_emergency_passes() {
    let Some(folder) = folder("rfc4475") else { return };
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let mut requests = 0;
    verdict(files(&folder, "dat").into_iter().map(|path| {
        let message = fs::read(&path).expect("a readable message");
        let Some(message) = to_the_emergency_service(&message) else { return Ok(()) };
        requests += 1;
        for frame in [
            udp(STRANGER, BOSTON, &message).frame(),
            tcp(STRANGER, BOSTON, Tcp::Data, &message).frame(),
        ] {
            let answer = both.run(&frame, network.interface(WAN))?;
            let reason = answer.reason();
            if answer.dropped || !reason.name().starts_with("marked") {
                return Err(format!("{}: {}", path.display(), reason.name()));
            }
        }
        Ok(())
    }));
    assert!(requests >= 30, "only {requests} requests");
}

#[test]
fn every_torture_message_of_a_configured_peer_passes() {
    let Some(folder) = folder("rfc4475") else { return };
    let network = Network::in_kernel();
    let mut both = Both::new(&network.tables);
    let messages = files(&folder, "dat");
    assert!(messages.len() >= 49, "{} messages", messages.len());
    verdict(messages.into_iter().map(|path| {
        let message = fs::read(&path).expect("a readable message");
        let udp = udp(CARRIER_A, BOSTON, &message);
        let tcp = tcp(CARRIER_A, BOSTON, Tcp::Data, &message);
        let [first, later] = udp.fragments(64);
        for frame in [udp.frame(), tcp.frame(), first, later] {
            let answer = both.run(&frame, network.interface(WAN))?;
            let reason = answer.reason();
            if answer.dropped || reason.class().name() != "protected" {
                return Err(format!("{}: {}", path.display(), reason.name()));
            }
        }
        Ok(())
    }));
}
