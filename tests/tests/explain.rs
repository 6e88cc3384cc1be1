//! `guard explain`: what it says is what the guard does, it says where that is written, and nothing
//! live moves for it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test may panic"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use guard_tests::captures::{ETHERNET, Order, Pcap, PcapNg, RAW};
use guard_tests::fixtures::network::{CONFIG, HOST, HOST6, LAN, WAN, config};
use guard_tests::fixtures::run::verdict;
use guard_tests::fixtures::{self, Fate, Fixture, NOBODY};
use guard_tests::guard_process::{CARRIER, PSAP, STRANGERS, Site, answer, binary};
use guard_tests::packet::udp;
use guard_tests::privilege::{own_network, require_bpf};
use guard_user::explain::explain;
use guard_user::kernel::clock;
use guard_user::live::Live;
use guard_user::trial::{Ground, How, Trial};
use serde_json::Value;

/// Widest a line may be.
const WIDTH: usize = 80;
/// One fixture in so many runs through the kernel: loading it takes half a second.
const STRIDE: usize = 5;

const INVITE: &str = "INVITE urn:service:sos SIP/2.0\r\nFrom: <sip:+16175550100@x>\r\n\r\n";

/// What the guard says to these words; the configuration is the fixtures'.
fn offline(words: &[&str]) -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guard.toml");
    let mut command = Command::new(binary());
    command.env("GUARD_PIN_DIR", "/nowhere").env("GUARD_STATE_DIR", "/nowhere");
    answer(command.arg("explain").args(words).args(["--config", file, "--json"])).done().json()
}

fn step<'a>(explained: &'a Value, name: &str) -> &'a Value {
    let steps = explained["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no step {name} in {steps:?}"))
}

/// The line of the fixtures' configuration behind a place.
fn line(place: &Value) -> &str {
    let number: usize = place.as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    CONFIG.lines().nth(number - 1).unwrap()
}

/// Explains the frames of a fixture, in order.
fn explained(ground: &Ground, fixture: &Fixture) -> Result<(), String> {
    let now = clock::now();
    let mut trial = Trial::fresh(ground, now);
    trial.set_switches(ground.switches);
    for (number, step) in (1..).zip(&fixture.steps) {
        let entrance = ground.interface(step.interface, How::Asked).unwrap();
        let said = explain(ground, &mut trial, (number, &step.frame), entrance, now, Vec::new());
        let drops = if step.expected.fate == Fate::Drops { "drop" } else { "pass" };
        let owner = Some(step.expected.owner).filter(|owner| *owner != NOBODY);
        let is = (said.class, said.reason, said.psap.as_deref(), said.verdict);
        let should = (step.expected.class, step.expected.reason, owner, drops);
        if is != should || said.verdict_enforcing != drops {
            return Err(format!("{}, step {number}: {is:?}, not {should:?}", fixture.name));
        }
        if !said.disagreements.is_empty() || (said.ran_by != "kernel" && step.frame.len() >= 14) {
            return Err(format!("{}, step {number}: {said:#?}", fixture.name));
        }
    }
    Ok(())
}

/// What is explained is what the fixtures specify, in the kernel and in memory.
#[test]
fn fixtures_are_explained_as_they_come_out() {
    if !require_bpf() {
        return;
    }
    let _ = own_network(&[LAN, WAN]);
    for address in [HOST, HOST6] {
        let added = Command::new("ip").args(["addr", "add", address, "dev", LAN]).status();
        assert!(added.unwrap().success());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guard.toml");
    fs::write(&file, CONFIG).unwrap();
    let live = Live::new(&folder.path().join("pins"), &folder.path().join("state"));
    let ground = Ground::file(&file, &live).unwrap();
    let mut fixtures = fixtures::all();
    fixtures.retain(|fixture| {
        fixture.steps.iter().all(|step| config().interface.iter().any(|i| i.name == step.interface))
    });
    assert!(fixtures.len() > 100, "{}", fixtures.len());
    verdict(fixtures.iter().step_by(STRIDE).map(|fixture| explained(&ground, fixture)));
}

/// Each kind of end says which line of the configuration it goes back to.
#[test]
fn the_line_that_decided_is_named() {
    let boston = "198.51.100.10:5060";
    for (words, reason, by, text) in [
        (&["udp", "203.0.113.5:5060", boston][..], "signalling", "psap \"boston\"", "services = ["),
        (&["udp", "192.0.2.80:1", boston], "denied", "deny 192.0.2.64/27", "[[deny]]"),
        (&["udp", "192.0.2.140:1", boston], "allowed", "allow 192.0.2.128/27", "[[allow]]"),
        (&["udp", "198.18.7.7:1", boston], "sip_within", "[limits.sip]", "sip = {"),
        (
            &["tcp", "198.51.100.200:50000", "198.51.100.10:22"],
            "management",
            "management \"noc\"",
            "[[management]]",
        ),
        (&["udp", boston, "198.18.7.7:5060"], "element_out", "psap \"boston\"", "services = ["),
        (
            &["udp", "198.51.100.53:53", "198.51.100.10:30000"],
            "support",
            "support \"dns\"",
            "ports = [",
        ),
        (
            &["udp", "203.0.113.40:10000", "198.51.100.10:20000"],
            "media",
            "psap \"boston\"",
            "media = [",
        ),
    ] {
        let said = offline(words);
        assert_eq!((&said["reason"], &said["decided"]["by"]), (&reason.into(), &by.into()));
        let place = &said["decided"]["place"];
        assert!(line(place).starts_with(text), "{words:?}: {}", line(place));
    }
    let transit = offline(&["udp", "198.18.7.7:1", "198.18.200.1:5"]);
    assert_eq!(transit["decided"]["by"], "the default of [guard] transit");
    assert_eq!(transit["decided"]["built_in"], true);
    // Both lists name it: both are shown, and the right one decided. One that has ended says so.
    let both = offline(&["udp", "192.0.2.70:1", boston]);
    assert_eq!(both["reason"], "allowed");
    assert_eq!(step(&both, "lists")["entries"].as_array().unwrap().len(), 2);
    let ended = offline(&["udp", "192.0.2.101:1", boston]);
    assert_eq!(ended["reason"], "sip_within");
    assert_eq!(step(&ended, "lists")["entries"][0]["matched"], "ended");
}

/// A source that is configured elsewhere is a stranger here, and that is said.
#[test]
fn an_unbound_source_is_told() {
    let said = offline(&["udp", "198.51.100.53:53", "198.51.100.10:5060", "--interface", "wan0"]);
    assert_eq!(said["class"], "limited");
    let source = step(&said, "source");
    assert!(source["found"].as_str().unwrap().contains("not bound here"), "{source}");
    assert_eq!(source["entries"][0]["entry"], "support \"dns\"");
    let tagged =
        ["udp", "203.0.113.70:5060", "198.51.100.10:5060", "--interface", "wan0", "--vlan"];
    let on = |vlan| offline(&[&tagged[..], &[vlan]].concat());
    assert_eq!(on("100")["reason"], "signalling");
    assert_eq!(on("7")["class"], "limited", "carrier-b is bound to VLAN 100");
}

/// Numbers of callers are masked, in text and in JSON, and markers are not.
#[test]
fn numbers_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    fs::write(&file, "INVITE sip:+16175550100@198.51.100.10 SIP/2.0\r\n\r\n").unwrap();
    let payload = file.to_string_lossy();
    let words =
        ["udp", "198.18.7.7:5060", "to", "198.51.100.10:5060", "--payload", payload.as_ref()];
    let said = offline(&words);
    assert!(!said.to_string().contains("6175550100"), "{said}");
    let start = step(&said, "start line")["found"].as_str().unwrap();
    assert!(start.starts_with("INVITE sip:+xxx"), "{start}");
    fs::write(&file, INVITE).unwrap();
    let said = offline(&words);
    assert_eq!(said["reason"], "marked");
    assert!(step(&said, "start line")["found"].as_str().unwrap().contains("urn:service:sos"));
}

fn site() -> Option<Site> {
    let limits = "[limits]\nsip = { per-source = '1/h', per-source-burst = 3 }\n";
    Site::with(|site| format!("{}\n{limits}", site.config()))
}

fn end(address: std::net::Ipv4Addr) -> String {
    format!("{address}:5060")
}

/// What counts frames of PSAPs, and alarms. Of no PSAP is what the cable itself says now and then.
fn counts(site: &Site) -> (Vec<Value>, Value, Value) {
    let mut rows = site.rows(&["psaps"]).as_array().unwrap().clone();
    rows.retain(|row| !row["id"].is_null());
    (rows, site.status()["alarms"].clone(), site.json(&["drops"]))
}

/// Counters, alarms and limits are the same after any number of explanations; and limits that
/// really are used up show.
#[test]
fn nothing_live_moves_and_live_limits_show() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let [stranger, other, _] = STRANGERS;
    let ask = |from| site.json(&["explain", "udp", &end(from), &end(PSAP)]);
    let before = counts(&site);
    for _ in 0..5 {
        let said = ask(stranger);
        assert_eq!((&said["reason"], &said["verdict"]), (&"sip_within".into(), &"pass".into()));
        assert_eq!((&said["ran_by"], &said["psap"]), (&"kernel".into(), &"P-1".into()));
        assert_eq!(said["limit"]["source"]["used"], 1, "{said}");
        assert!(said["policy"].as_str().unwrap().ends_with("live"));
    }
    let unlike_any = ["explain", "icmp", "192.0.2.1", "192.0.2.2"];
    let _ = site.guard(&unlike_any).done();
    assert_eq!(counts(&site), before, "something was counted");
    for number in 0..3 {
        assert!(site.passes(stranger), "{number}: explaining has used up a limit");
    }
    assert_eq!(ask(stranger)["reason"], "sip_over_source");
    let said = ask(stranger);
    assert_eq!((&said["verdict"], &said["limit"]["source"]["used"]), (&"drop".into(), &3.into()));
    assert_eq!(ask(other)["reason"], "sip_within");
    assert!(!site.passes(stranger), "and so it is");
    let before = counts(&site);
    let _ = ask(stranger);
    assert_eq!(counts(&site), before);
}

/// The verdict is that of the guard as it stands; what enforcing would do stands beside it.
#[test]
fn mode_and_live_entries_are_heeded() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let [stranger, ..] = STRANGERS;
    let source = stranger.to_string();
    let _ = site.guard(&["deny", "add", &source, "--reason", "scanner"]).done();
    let ask = || site.json(&["explain", "udp", &end(stranger), &end(PSAP)]);
    let said = ask();
    assert_eq!((&said["reason"], &said["verdict"]), (&"denied".into(), &"drop".into()));
    assert_eq!(said["decided"]["place"], "live change");
    assert_eq!(said["disagreements"], Value::Array(Vec::new()));
    let file = site.file();
    let psap = &step(&said, "destination")["entries"][0]["place"];
    assert!(psap.as_str().unwrap().starts_with(&*file.to_string_lossy()), "{psap}");

    let _ = site.guard(&["bypass", "on", "--reason", "test"]).done();
    let said = ask();
    assert_eq!((&said["verdict"], &said["verdict_enforcing"]), (&"pass".into(), &"drop".into()));
    assert!(step(&said, "policy")["found"].as_str().unwrap().contains("bypass is on"));
    let _ = site.guard(&["bypass", "off"]).done();
    let _ = site.guard(&["mode", "monitor"]).done();
    assert_eq!(ask()["verdict"], "pass");

    // A file that has changed since says nothing about lines any more.
    site.configure(&format!("\n\n{}", site.config()));
    let said = ask();
    assert!(step(&said, "policy")["found"].as_str().unwrap().contains("has changed since"));
    assert!(step(&said, "destination")["entries"][0]["place"].is_null(), "{said}");
}

/// Where the kernel's maps say otherwise than what was written down, that is said loudly.
#[test]
fn a_kernel_that_says_otherwise_is_told_loudly() {
    let Some(site) = site() else { return };
    // The watchdog must not be what lets it pass.
    let text = fs::read_to_string(site.file()).unwrap();
    site.configure(&text.replace("watchdog = '5s'", "watchdog = '60s'"));
    site.start().kill();
    let [stranger, ..] = STRANGERS;
    let source = stranger.to_string();
    let _ = site.guard(&["deny", "add", &source, "--reason", "scanner"]).done();
    let record = site.state().join("generation.json");
    let mut written: Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    written["overlay"] = Value::Array(Vec::new());
    fs::write(&record, written.to_string()).unwrap();
    let words = ["explain", "udp", &end(stranger), &end(PSAP)];
    let said = site.guard(&words);
    assert!(said.out.contains("verdict      DROP"), "the kernel's: {}", said.out);
    assert!(said.out.contains("KERNEL AND MEMORY DO NOT AGREE"), "{}", said.out);
    said.fails(1, &["do not agree", "denied", "report this"]);
}

fn capture(site: &Site) -> String {
    let say = |from: std::net::Ipv4Addr, text: &str| udp(&end(from), &end(PSAP), text).frame();
    let [stranger, other, _] = STRANGERS;
    let frames = [say(stranger, "1"), say(stranger, "2"), say(stranger, "3"), say(other, INVITE)];
    let mut pcap = Pcap::new(Order::Big, true, ETHERNET);
    for (second, frame) in (0..).zip(&frames) {
        pcap = pcap.frame(second * 1_000_000_000, frame);
    }
    pcap = pcap.frame(9_000_000_000, &say(stranger, "4")).frame(10_000_000_000, &say(CARRIER, "5"));
    let file = site.path("calls.pcap");
    fs::write(&file, &pcap.bytes).unwrap();
    file.to_string_lossy().into_owned()
}

/// A frame of a capture comes behind those before it: limits are those of the capture.
#[test]
fn frames_of_captures_come_behind_those_before_them() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let file = capture(&site);
    let before = counts(&site);
    for (frame, reason, verdict) in [
        ("1", "sip_within", "pass"),
        ("3", "sip_within", "pass"),
        ("4", "marked", "pass"),
        ("5", "sip_over_source", "drop"),
        ("6", "signalling", "pass"),
    ] {
        let said = site.json(&["explain", &file, "--frame", frame]);
        assert_eq!((&said["reason"], &said["verdict"]), (&reason.into(), &verdict.into()));
        assert_eq!(said["ran_by"], "kernel");
    }
    assert_eq!(counts(&site), before);

    // What leaves the host, and what has a made-up header, says so.
    let raw = udp(&end(STRANGERS[0]), &end(PSAP), "x").frame();
    let ng = PcapNg::new()
        .section(Order::Big)
        .interface(RAW, WAN, 9, 0)
        .packet(0, 5, &raw[14..], None)
        .packet(0, 6, &raw[14..], Some(2));
    let file = site.path("raw.pcapng");
    fs::write(&file, &ng.bytes).unwrap();
    let file = file.to_string_lossy();
    let said = site.guard(&["explain", &file, "--frame", "1"]).done();
    assert!(said.out.contains("RAW: the Ethernet header is made up"), "{}", said.out);
    assert!(said.out.contains("as the capture says"), "{}", said.out);
    site.guard(&["explain", &file, "--frame", "2"]).fails(1, &["left the host"]);
    site.guard(&["explain", &file, "--frame", "3"]).fails(1, &["has no frame 3"]);
}

/// What is wrong says where, why and what next, and has its exit code.
#[test]
fn mistakes_have_exit_codes_and_next_steps() {
    let Some(site) = site() else { return };
    let packet = ["explain", "udp", "192.0.2.1:1", "192.0.2.2:2"];
    site.guard(&packet).fails(4, &["no guard is loaded"]);
    let _daemon = site.start();
    let file = capture(&site);
    for (words, code, said) in [
        (&["udp", "192.0.2.1:1", "-"][..], 2, "the shell took"),
        (&["udp", "192.0.2.1", "192.0.2.2"], 2, "no address with a port"),
        (&["udp", "192.0.2.1:1", "192.0.2.2:2", "--interface", "eth9"], 2, "name one of wan0"),
        (&["udp", "192.0.2.1:1", "192.0.2.2:2", "--vlan", "4095"], 2, "1 to 4094"),
        (&["udp", "192.0.2.1:1", "192.0.2.2:2", "--flags", "syn"], 2, "no flags"),
        (&["udp", "192.0.2.1:1", "192.0.2.2:2", "--payload", "/nowhere"], 1, "cannot be read"),
        (&["udp", "192.0.2.1:1", "192.0.2.2:2", "--frame", "1"], 2, "for captures"),
        (&[&file], 2, "which frame"),
        (&[&file, "--frame", "1", "--vlan", "5"], 2, "has its own VLAN"),
        (&[&file, "--frame", "99"], 1, "no frame 99"),
        (&["/nowhere.pcap", "--frame", "1"], 1, "cannot be opened"),
        (&["/etc/passwd", "--frame", "1"], 1, "no capture"),
        (&["nonsense", "more"], 2, "neither one capture file nor a packet"),
    ] {
        site.guard(&[&["explain"][..], words].concat()).fails(code, &[said]);
    }
    site.configure("[[psap]]\nid = 5");
    let config = site.file().to_string_lossy().into_owned();
    let wrong = [&packet[..], &["--config", &config]].concat();
    site.guard(&wrong).fails(3, &["guard.toml:2"]);
}

/// Nobody in particular may explain by a file, in memory, and it says so; live is root's.
#[test]
fn without_rights_a_file_is_explained_in_memory() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let file = site.file().to_string_lossy().into_owned();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let packet = ["explain", "udp", "198.51.100.65:1", "198.51.100.10:5060"];
    let with_file = [&packet[..], &["--config", &file]].concat();
    let said = answer(&mut site.command_by(&nobody, &with_file)).done();
    assert!(said.out.contains("memory alone, not the kernel"), "{}", said.out);
    assert!(said.out.contains("PASS, sip_within, of P-1"), "{}", said.out);
    answer(&mut site.command_by(&nobody, &packet)).fails(5, &[]);
}

/// No line is wider than a terminal but where a single word is.
#[test]
fn lines_fit_a_terminal() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let file = capture(&site);
    for words in [
        &["udp", "198.51.100.65:5060", "198.51.100.10:5060"][..],
        &["tcp", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000", "[2001:db8::10]:5060"],
        &[&file, "--frame", "5"],
    ] {
        let said = site.guard(&[&["explain"][..], words].concat()).done();
        for line in said.out.lines() {
            let is_one_word = line.split_whitespace().count() <= 2;
            assert!(line.chars().count() <= WIDTH || is_one_word, "too wide: {line}");
            assert!(!line.ends_with(' '), "{line:?}");
        }
    }
    assert!(Path::new(&file).exists());
}
