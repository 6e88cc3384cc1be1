//! The whole way, with the daemon: a stranger's call through a guarded router, copies through
//! the kernel's rings, and media that passes because of them.
//!
//! The element's media ports lie beyond its configured range and strangers' UDP has a limit of
//! next to nothing, so that nothing but a pin lets media pass. A port within the range has media
//! besides while media to the element is open for everybody.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use guard_tests::demo::stage::{CARRIER, EAST, SIP, STRANGER, Stage, WAN};
use guard_tests::guard_process::{Site, eventually};
use guard_tests::netns::Namespace;
use guard_tests::privilege::require_bpf;
use nix::sys::signal::Signal;

use super::{Sip, audio};

/// Where the element receives media, of one call and of another.
const MEDIA: [u16; 3] = [40000, 40010, 20000];
/// Which of them is configured.
const CONFIGURED: usize = 2;
/// How long media to all elements is open after a start.
const OPEN_FOR: &str = "8s";
/// That is over by then, on a busy machine.
const NOT_OPEN: Duration = Duration::from_secs(20);
/// What is known of calls has been kept by then, on a busy machine.
const KEPT: Duration = Duration::from_secs(20);
/// Where it is kept.
const KNOWN: &str = "known-calls.json";
/// How long a copy may take from the ring to the pin, on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// A released port is closed by then: ten seconds, and a little.
const RELEASED: Duration = Duration::from_secs(12);
/// The same on a busy machine.
const CLOSED: Duration = Duration::from_secs(20);

struct Scene {
    site: Site,
    _stage: Stage,
    psap: UdpSocket,
    psap_media: [UdpSocket; 3],
    stranger: UdpSocket,
    stranger_media: UdpSocket,
}

fn configuration(site: &Site) -> String {
    format!(
        "[guard]\nmode = 'enforce'\npin-dir = '{}'\nstate-dir = '{}'\n\
         [[interface]]\nname = '{WAN}'\nrole = 'untrusted'\n\
         [[interface]]\nname = 'carrier0'\nrole = 'untrusted'\n\
         [[interface]]\nname = '{}'\nrole = 'trusted'\n\
         [[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\nbind = ['carrier0']\n\
         [[psap]]\nid = '{}'\nservices = ['{}:{SIP}/udp']\nmedia = ['{}:20000-20100']\n\
         bind = ['{}']\n\
         [limits.udp]\nper-source = '1/h'\nper-source-burst = 1\nper-psap = '1/h'\n\
         per-psap-burst = 1\n[pins]\nopen-for = '{OPEN_FOR}'\n",
        site.pins().display(),
        site.state().display(),
        EAST.device,
        EAST.id,
        EAST.address,
        EAST.address,
        EAST.device,
    )
}

fn scene() -> Option<Scene> {
    if !require_bpf() {
        return None;
    }
    let stage = Stage::set().unwrap();
    let site = Site::around(stage.core.clone(), stage.internet.clone());
    site.configure(&configuration(&site));
    let bound = |namespace: &Namespace, address: Ipv4Addr, port| {
        let socket = namespace.run(|| UdpSocket::bind((address, port))).unwrap().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        socket
    };
    Some(Scene {
        psap: bound(&stage.east, EAST.address, SIP),
        psap_media: MEDIA.map(|port| bound(&stage.east, EAST.address, port)),
        stranger: bound(&stage.stranger, STRANGER, SIP),
        stranger_media: bound(&stage.stranger, STRANGER, MEDIA[0]),
        site,
        _stage: stage,
    })
}

/// Whether a datagram arrives.
fn arrives(from: &UdpSocket, to: &UdpSocket, text: &str) -> bool {
    from.send_to(text.as_bytes(), to.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 4096];
    // What was late before is not what was sent now.
    while let Ok(length) = to.recv(&mut buffer) {
        if buffer.get(..length) == Some(text.as_bytes()) {
            return true;
        }
    }
    false
}

impl Scene {
    /// Whether the stranger's media reaches a port of the element: all of several frames.
    fn has_media(&self, port: usize) -> bool {
        let to = &self.psap_media[port];
        (0..4).all(|number| arrives(&self.stranger_media, to, &number.to_string()))
    }

    fn call(&self, call: &str, port: usize) {
        let invite = Sip::of("INVITE urn:service:sos SIP/2.0").call(call);
        self.negotiate(call, 1, invite, port);
    }

    /// Moves the media of a call to another port.
    fn change(&self, call: &str, port: usize) {
        self.negotiate(call, 2, Sip::of("INVITE sip:psap SIP/2.0").tag().call(call), port);
    }

    fn negotiate(&self, call: &str, number: u32, invite: Sip, port: usize) {
        let theirs = SocketAddr::from((STRANGER, MEDIA[0])).to_string();
        let ours = SocketAddr::from((EAST.address, MEDIA[port])).to_string();
        let cseq = format!("{number} INVITE");
        let ok = Sip::of("SIP/2.0 200 OK").cseq(&cseq).tag().call(call).sdp(&audio(&ours));
        let ack = Sip::of("ACK sip:psap SIP/2.0").cseq(&format!("{number} ACK")).tag().call(call);
        assert!(arrives(&self.stranger, &self.psap, &invite.cseq(&cseq).audio(&theirs).text()));
        assert!(arrives(&self.psap, &self.stranger, &ok.text()));
        assert!(arrives(&self.stranger, &self.psap, &ack.text()));
    }

    /// Waits until so many calls are kept.
    fn keeps(&self, calls: usize) {
        let kept = || {
            let text = fs::read(self.site.state().join(KNOWN)).ok()?;
            let kept: serde_json::Value = serde_json::from_slice(&text).ok()?;
            kept["calls"].as_array().map(Vec::len)
        };
        assert!(eventually(KEPT, || kept() == Some(calls)), "{:?}", kept());
    }

    fn hang_up(&self, call: &str) {
        let bye = Sip::of("BYE sip:caller SIP/2.0").cseq("1 BYE").tag().call(call);
        assert!(arrives(&self.psap, &self.stranger, &bye.text()));
    }
}

/// A stranger's call has media by its signalling alone, while it lasts, and over the daemon's
/// death.
#[test]
fn a_strangers_call_has_media() {
    let Some(scene) = scene() else { return };
    let daemon = scene.site.start();
    assert!(!scene.has_media(0), "nobody opened the port");

    scene.call("1@example.net", 0);
    assert!(eventually(SOON, || scene.has_media(0)), "{}", daemon.log());
    scene.hang_up("1@example.net");
    assert!(eventually(CLOSED, || !scene.has_media(0)), "{}", daemon.log());

    scene.call("2@example.net", 0);
    assert!(eventually(SOON, || scene.has_media(0)), "{}", daemon.log());
    scene.keeps(1);
    daemon.kill();
    assert!(scene.has_media(0));
    let daemon = scene.site.start();
    daemon.logs("calls known from before: 1");
    assert!(scene.has_media(0), "what is pinned stays");
    scene.hang_up("2@example.net");
    assert!(eventually(CLOSED, || !scene.has_media(0)), "{}", daemon.log());

    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
    let counts = fs::read_to_string(scene.site.state().join("calls.json")).unwrap();
    let counts: serde_json::Value = serde_json::from_str(&counts).unwrap();
    let number = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((number("opened"), number("released"), number("unreadable")), (0, 2, 0), "{counts}");
    for lost in ["copy_lost", "stranger_copy_lost", "port_overflow"] {
        assert_eq!(scene.site.status()["alarms"][lost], 0, "{lost}");
    }
}

/// A call goes on under a new daemon: what is negotiated anew is open, what was before is not. Where
/// nothing is known of it, its media goes on as well, and a reboot ends all there was.
#[test]
fn a_call_goes_on_under_a_new_daemon() {
    let Some(mut scene) = scene() else { return };
    let daemon = scene.site.start();
    scene.call("1@example.net", 0);
    assert!(eventually(SOON, || scene.has_media(0)), "{}", daemon.log());
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
    // Its last word, however short its life was.
    scene.keeps(1);

    let daemon = scene.site.start();
    daemon.logs("calls known from before: 1");
    scene.change("1@example.net", 1);
    assert!(eventually(SOON, || scene.has_media(1)), "{}", daemon.log());
    assert!(eventually(CLOSED, || !scene.has_media(0)), "{}", daemon.log());
    daemon.kill();

    let file = scene.site.state().join(KNOWN);
    fs::write(&file, "\u{0}{not what the guard wrote").unwrap();
    let daemon = scene.site.start();
    daemon.logs("calls of before are not known");
    // Of a call that it does not know, a daemon closes nothing.
    scene.hang_up("1@example.net");
    scene.call("2@example.net", 0);
    assert!(eventually(SOON, || scene.has_media(0)), "{}", daemon.log());
    sleep(RELEASED);
    assert!(scene.has_media(1));
    scene.keeps(1);
    daemon.kill();

    scene.site = scene.site.reboot();
    let daemon = scene.site.start();
    daemon.logs("calls known from before: 0");
    assert!(!scene.has_media(0) && !scene.has_media(1));
}

/// What was negotiated before a daemon listened, nobody knows: media to all elements is open for
/// a while, and for no longer.
#[test]
fn media_is_open_for_a_while_after_a_start() {
    let Some(scene) = scene() else { return };
    for _ in 0..2 {
        let daemon = scene.site.start();
        assert!(eventually(SOON, || scene.has_media(CONFIGURED)), "{}", daemon.log());
        assert!(!scene.has_media(0), "what nobody configured is not open");
        assert!(eventually(NOT_OPEN, || !scene.has_media(CONFIGURED)), "{}", daemon.log());
        daemon.kill();
    }
}
