//! Media of calls: what an element negotiates is open to whom it negotiated it with, and to
//! nobody else, from the frames of the signalling on.
//!
//! Frames go through the data plane on the host; the copies it makes go to the controller's
//! half, which writes its pins into the same state.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

#[path = "media/daemon.rs"]
mod daemon;

use std::net::SocketAddr;
use std::rc::Rc;

use guard_common::abi::copy::{COPY_BYTES, CopyHeader};
use guard_common::abi::state::{Cell, Cells, PORT_WORDS};
use guard_common::guard::{Scratch, process};
use guard_common::reason::Reason;
use guard_common::tables::Tables as _;
use guard_tests::fixtures::network::{
    BOSTON, BOSTON_MEDIA, BOSTON6, BOSTON6_MEDIA, CARRIER_A, ESRP, HOSTED, HOSTED_MEDIA, Network,
    STRANGER, STRANGER6,
};
use guard_tests::fixtures::sip::{self, RTP};
use guard_tests::fixtures::{Arrival, IntoFrame, lan, wan};
use guard_tests::packet::{Datagram, Tcp, tcp, udp};
use guard_user::calls::Follower;
use guard_user::calls::counts::Counts;
use guard_user::calls::directory::Directory;
use guard_user::calls::pins::{Pin, Ports};
use guard_user::policy::model::Model;

const SECOND: u64 = 1_000_000_000;
/// Where a stranger says its media is: not where it signals from.
const THEIR_MEDIA: &str = "198.18.7.9:40000";
/// The same behind a NAT: from the address it signals from, and any port.
const THEIR_NAT: &str = "198.18.7.7:61234";
/// Somebody else.
const UNRELATED: &str = "198.18.99.1:40000";

/// Both halves and the state between them.
struct Rig {
    network: Network,
    model: Rc<Model>,
    follower: Follower<Shared>,
    scratch: Scratch,
    now: u64,
    copies: usize,
}

/// The pins of ports in the data plane's state.
struct Shared(Rc<Model>);

impl Ports for Shared {
    fn read(&self, place: u32) -> Option<Pin> {
        let cells: &[Cell; PORT_WORDS] = self.0.place(Cells::Ports, place)?;
        Some(cells.each_ref().map(Cell::load))
    }

    fn write(&mut self, place: u32, pin: Pin) -> bool {
        let cells: Option<&[Cell; PORT_WORDS]> = self.0.place(Cells::Ports, place);
        let store = |cells: &[Cell; PORT_WORDS]| {
            cells.iter().zip(pin).for_each(|(cell, value)| cell.store(value));
        };
        cells.map(store).is_some()
    }
}

impl Rig {
    fn new() -> Self {
        let network = Network::on_host();
        let now = 1000 * SECOND;
        let model = Rc::new(Model::new(network.tables.clone(), now));
        let directory = Directory::new(&network.tables);
        let follower = Follower::new(directory, Shared(Rc::clone(&model)), Counts::default());
        Self { network, model, follower, scratch: Scratch::default(), now, copies: 0 }
    }

    /// Runs a frame, and the controller over the copy it leaves; why it passed or did not.
    fn run(&mut self, Arrival { interface, frame }: Arrival) -> &'static str {
        self.model.set_now(self.now);
        let interface = self.network.interface(interface);
        let judgement =
            process(&frame.as_slice(), self.model.as_ref(), &mut self.scratch, interface);
        for header in self.model.take_copies() {
            let payload = &frame[frame.len() - header.payload_length as usize..];
            for record in records(&header, payload) {
                self.copies += 1;
                self.follower.take(&record, self.now);
            }
        }
        let counts = |reason: &Reason| {
            reason.counter() == judgement.counter
                || reason.dropped_counter() == Some(judgement.counter)
        };
        Reason::all().find(counts).unwrap().name()
    }

    /// What becomes of a stranger's media.
    fn media(&mut self, from: &str, to: &str) -> &'static str {
        self.run(wan(udp(from, to, RTP)))
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.follower.tick(self.now);
        }
    }

    /// A stranger's marked call to an element, which answers with its own description.
    fn call(&mut self, element: &str, theirs: &str, answer: &str) {
        let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").audio(theirs);
        assert_eq!(self.run(wan(udp(STRANGER, element, invite.text()))), "marked");
        let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().sdp(answer);
        assert_eq!(self.run(lan(udp(element, STRANGER, ok.text()))), "element_out");
    }
}

/// The records the kernel half makes of a frame.
fn records(header: &CopyHeader, payload: &[u8]) -> Vec<Vec<u8>> {
    let record = |(number, piece): (usize, &[u8])| {
        let header = CopyHeader {
            offset: u32::try_from(number * COPY_BYTES).unwrap(),
            length: u32::try_from(piece.len()).unwrap(),
            ..*header
        };
        let mut bytes = Vec::new();
        bytes.extend(header.time.to_ne_bytes());
        bytes.extend(header.source.0);
        bytes.extend(header.destination.0);
        for word in [header.flags, header.slot, header.interface, header.sequence] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(header.source_port.to_ne_bytes());
        bytes.extend(header.destination_port.to_ne_bytes());
        bytes.extend([header.protocol, header.reason]);
        bytes.extend(header.fragment_offset.to_ne_bytes());
        for word in [header.payload_length, header.offset, header.length, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(piece);
        bytes.resize(size_of::<CopyHeader>() + COPY_BYTES, 0);
        bytes
    };
    payload.chunks(COPY_BYTES).enumerate().map(record).collect()
}

/// A message of a call.
#[derive(Clone)]
struct Sip {
    start: String,
    call: String,
    cseq: String,
    tag: &'static str,
    sdp: String,
}

/// A description of audio at an address and port.
fn audio(at: &str) -> String {
    sip::audio(at.parse().unwrap())
}

impl Sip {
    fn of(start: &str) -> Self {
        let call = "1@example.net".to_owned();
        Self { start: start.to_owned(), call, cseq: String::new(), tag: "", sdp: String::new() }
    }

    fn cseq(mut self, cseq: &str) -> Self {
        self.cseq = cseq.to_owned();
        self
    }

    fn call(mut self, call: &str) -> Self {
        self.call = call.to_owned();
        self
    }

    /// The element has its tag.
    fn tag(mut self) -> Self {
        self.tag = ";tag=b";
        self
    }

    fn audio(self, at: &str) -> Self {
        self.sdp(&audio(at))
    }

    fn sdp(mut self, sdp: &str) -> Self {
        self.sdp = sdp.to_owned();
        self
    }

    fn text(&self) -> String {
        let Self { start, call, cseq, tag, sdp } = self;
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 198.18.7.7;branch=z9hG4bK1\r\n\
             From: <sip:+16175550100@example.net>;tag=a\r\nTo: <urn:service:sos>{tag}\r\n\
             Call-ID: {call}\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }
}

const PINNED: &str = "pinned";
const OTHER: &str = "pinned_other_within";
const LIMITED: &str = "udp_within";

#[test]
fn a_strangers_call_has_media_until_it_ends() {
    let mut rig = Rig::new();
    let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").audio(THEIR_MEDIA);
    assert_eq!(rig.run(wan(udp(STRANGER, BOSTON, invite.text()))), "marked");
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), LIMITED, "a caller opens nothing");
    let progress = Sip::of("SIP/2.0 183 Progress").cseq("1 INVITE").tag().audio(BOSTON_MEDIA);
    assert_eq!(rig.run(lan(udp(BOSTON, STRANGER, progress.text()))), "element_out");
    for source in [THEIR_MEDIA, THEIR_NAT] {
        assert_eq!(rig.media(source, BOSTON_MEDIA), PINNED, "{source}: early media");
        assert_eq!(rig.media(source, "198.51.100.10:20001"), PINNED, "{source}: RTCP");
    }
    assert_eq!(rig.media(UNRELATED, BOSTON_MEDIA), OTHER);
    assert_eq!(rig.media(THEIR_MEDIA, "198.51.100.10:20002"), LIMITED, "another port");
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag();
    rig.run(lan(udp(BOSTON, STRANGER, ok.text())));
    let ack = Sip::of("ACK sip:psap SIP/2.0").cseq("1 ACK").tag();
    assert_eq!(rig.run(wan(udp(STRANGER, BOSTON, ack.text()))), "dialog");
    rig.wait(2 * 3600);
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), PINNED, "a long silence");
    let bye = Sip::of("BYE sip:psap SIP/2.0").cseq("2 BYE").tag();
    assert_eq!(rig.run(wan(udp(STRANGER, BOSTON, bye.text()))), "dialog");
    rig.run(lan(udp(BOSTON, STRANGER, Sip::of("SIP/2.0 200 OK").cseq("2 BYE").tag().text())));
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), PINNED, "what is on its way arrives");
    rig.wait(12);
    assert_eq!(rig.media("198.18.7.9:40001", BOSTON_MEDIA), LIMITED);
    assert_eq!(rig.copies, 6);
}

#[test]
fn media_of_a_site_has_its_own_address() {
    let mut rig = Rig::new();
    rig.call(HOSTED, THEIR_MEDIA, &audio(HOSTED_MEDIA));
    assert_eq!(rig.media(THEIR_MEDIA, HOSTED_MEDIA), PINNED);
}

#[test]
fn a_call_by_ipv6() {
    let mut rig = Rig::new();
    let (theirs, other) = ("[2001:db8:5::9]:40000", "[2001:db8:99::1]:40000");
    let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").audio(theirs);
    assert_eq!(rig.run(wan(udp(STRANGER6, BOSTON6, invite.text()))), "marked");
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().audio(BOSTON6_MEDIA);
    assert_eq!(rig.run(lan(udp(BOSTON6, STRANGER6, ok.text()))), "element_out");
    assert_eq!(rig.media(theirs, BOSTON6_MEDIA), PINNED);
    assert_eq!(rig.media(other, BOSTON6_MEDIA), OTHER);
}

#[test]
fn messages_and_text_and_video() {
    let mut rig = Rig::new();
    let answer = audio(BOSTON_MEDIA)
        + "m=text 20010 RTP/AVP 98\r\nm=video 20020 UDP/TLS/RTP/SAVPF 99\r\na=rtcp-mux\r\n\
           m=message 2855 TCP/MSRP *\r\na=path:msrp://198.51.100.10:2855/x;tcp\r\n";
    rig.call(BOSTON, THEIR_MEDIA, &answer);
    for port in [20010, 20011, 20020] {
        assert_eq!(rig.media(THEIR_NAT, &format!("198.51.100.10:{port}")), PINNED, "{port}");
    }
    assert_eq!(rig.media(THEIR_NAT, "198.51.100.10:20021"), LIMITED, "RTCP shares its port");
    let syn = |to| wan(tcp(THEIR_NAT, to, Tcp::Syn, ""));
    assert_eq!(rig.run(syn("198.51.100.10:2855")), PINNED);
    assert_eq!(rig.run(syn("198.51.100.10:2856")), "syn_within");
}

#[test]
fn signalling_may_come_in_fragments() {
    let mut rig = Rig::new();
    // As carriers send it: location behind the description, and more than a frame holds.
    let location = "<x/>\r\n".repeat(300);
    let body = format!(
        "--gate\r\nContent-Type: application/pidf+xml\r\n\r\n{location}\r\n--gate\r\n\
         Content-Type: application/sdp\r\n\r\n{}\r\n--gate--\r\n",
        audio(THEIR_MEDIA)
    );
    let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").sdp(&body).text();
    let invite = invite
        .replace("application/sdp\r\nContent-L", "multipart/mixed;boundary=gate\r\nContent-L");
    let [first, second] = udp(STRANGER, BOSTON, invite).fragments(1480);
    assert_eq!(rig.run(wan(first)), "marked");
    assert_eq!(rig.run(wan(second)), "pinned_fragment");
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().audio(BOSTON_MEDIA);
    rig.run(lan(udp(BOSTON, STRANGER, ok.text())));
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), PINNED);
}

#[test]
fn signalling_may_come_by_tcp_in_segments() {
    let mut rig = Rig::new();
    let at = |datagram: Datagram, number: u32| datagram.body_patched(4, &number.to_be_bytes());
    let data = |from, to, text: &str| tcp(from, to, Tcp::Data, text);
    let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").audio(THEIR_MEDIA);
    assert_eq!(rig.run(wan(tcp(STRANGER, BOSTON, Tcp::Syn, ""))), "syn_within");
    rig.run(lan(tcp(BOSTON, STRANGER, Tcp::SynAck, "")));
    assert_eq!(rig.run(wan(data(STRANGER, BOSTON, &invite.text()))), "marked");
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().audio(BOSTON_MEDIA).text();
    let (one, two) = ok.split_at(100);
    // The second overtakes the first.
    rig.run(lan(at(data(BOSTON, STRANGER, two), 5100)));
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), LIMITED);
    rig.run(lan(at(data(BOSTON, STRANGER, one), 5000)));
    assert_eq!(rig.media(THEIR_MEDIA, BOSTON_MEDIA), PINNED);
}

#[test]
fn a_carriers_gateway_that_nobody_configured() {
    let mut rig = Rig::new();
    let invite = Sip::of("INVITE sip:911@198.51.100.10 SIP/2.0").cseq("1 INVITE").audio(UNRELATED);
    assert_eq!(rig.run(wan(udp(CARRIER_A, BOSTON, invite.text()))), "signalling");
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().audio(BOSTON_MEDIA);
    assert_eq!(rig.run(lan(udp(BOSTON, CARRIER_A, ok.text()))), "signalling");
    assert_eq!(rig.media(UNRELATED, BOSTON_MEDIA), PINNED);
}

#[test]
fn what_strangers_say_opens_nothing() {
    for named in [BOSTON_MEDIA, HOSTED_MEDIA, "198.51.100.10:22", "198.51.100.40:40000", BOSTON] {
        let mut rig = Rig::new();
        let sip = |start: &str| Sip::of(start).cseq("1 INVITE").audio(named).text();
        rig.run(wan(udp(STRANGER, BOSTON, sip("INVITE urn:service:sos SIP/2.0"))));
        // An answer, too, and one in the element's name from where the element is not.
        rig.run(wan(udp(STRANGER, BOSTON, sip("SIP/2.0 200 OK"))));
        rig.run(wan(udp(BOSTON, STRANGER, sip("SIP/2.0 200 OK"))));
        rig.run(wan(udp(ESRP, BOSTON, sip("SIP/2.0 200 OK"))));
        assert_ne!(rig.media(STRANGER, named), PINNED, "{named}");
        assert_eq!(rig.follower.counts().opened, 0, "{named}");
    }
}

#[test]
fn an_elements_services_stay_as_they_are() {
    for named in ["198.51.100.10:22", BOSTON, "198.51.100.10:5061", ESRP, HOSTED_MEDIA] {
        let mut rig = Rig::new();
        let messages = |at: &str| {
            let at: SocketAddr = at.parse().unwrap();
            audio(BOSTON_MEDIA)
                + &format!("m=message {} TCP/MSRP *\r\nc=IN IP4 {}\r\n", at.port(), at.ip())
        };
        rig.call(BOSTON, THEIR_MEDIA, &messages(named));
        assert_eq!(rig.follower.counts().opened, 2, "{named}: the audio alone");
        assert_eq!(rig.run(wan(tcp(THEIR_NAT, named, Tcp::Syn, ""))), "syn_within", "{named}");
    }
}

#[test]
fn strangers_calls_do_not_displace_a_carriers() {
    let mut rig = Rig::new();
    let invite = Sip::of("INVITE sip:911@198.51.100.10 SIP/2.0").cseq("1 INVITE").audio(UNRELATED);
    rig.run(wan(udp(CARRIER_A, BOSTON, invite.text())));
    let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().audio(BOSTON_MEDIA);
    rig.run(lan(udp(BOSTON, CARRIER_A, ok.text())));
    // Twice as many ports as there is room for.
    for call in 0..2048u32 {
        let mut answer = audio("198.51.100.40:10000");
        for stream in 0..15 {
            let port = 2048 + (call * 15 + stream) * 2 % 60_000;
            answer += &format!("m=audio {port} RTP/AVP 0\r\n");
        }
        let name = format!("{call}@flood");
        let invite = Sip::of("INVITE urn:service:sos SIP/2.0").cseq("1 INVITE").call(&name);
        rig.run(wan(udp(STRANGER, ESRP, invite.text())));
        let ok = Sip::of("SIP/2.0 200 OK").cseq("1 INVITE").tag().call(&name).sdp(&answer);
        rig.run(lan(udp(ESRP, STRANGER, ok.text()).into_frame()));
    }
    assert!(rig.follower.counts().opened > 60_000);
    assert_eq!(rig.media(UNRELATED, BOSTON_MEDIA), PINNED);
}
