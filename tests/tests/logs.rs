//! The daemon's log: JSON, the journal, lines of the kernel half, and readers that do not read.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::Duration;

use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
use guard_common::abi::state::alarm;
use guard_tests::fixtures::sip::request;
use guard_tests::guard_process::{Daemon, PSAP, SIP, STRANGERS, Site, eventually};
use nix::libc::O_NONBLOCK;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn site(guard: &str) -> Option<Site> {
    Site::with(|site| site.config().replace("[guard]\n", &format!("[guard]\n{guard}\n")))
}

/// A daemon whose environment says nothing of formats.
fn start(site: &Site, more: &[&str]) -> Daemon {
    let file = site.file().display().to_string();
    let mut command = site.command(&[&["run", "--config", &file], more].concat());
    command.env_remove("GUARD_LOG_FORMAT");
    site.ready(command)
}

#[test]
fn a_service_logs_json_unless_told_otherwise() {
    let Some(site) = site("") else { return };
    let daemon = start(&site, &[]);
    let log = daemon.log();
    assert!(log.lines().count() > 1);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["level"].is_string() && line["fields"]["message"].is_string(), "{line}");
    }
    drop(daemon);
    let daemon = start(&site, &["--log-format", "human"]);
    daemon.logs(" INFO ");
    assert!(!daemon.log().starts_with('{'));
}

#[test]
fn the_configuration_says_the_format_and_a_wrong_one_is_refused() {
    let Some(site) = site("log-format = 'human'") else { return };
    start(&site, &[]).logs(" INFO ");
    let file = site.file().display().to_string();
    site.configure(&site.config().replace("[guard]\n", "[guard]\nlog-format = 'loud'\n"));
    site.guard(&["check", &file]).fails(3, &["guard.toml:2", "loud", "journald"]);
}

#[test]
fn the_journal_gets_messages_with_their_fields() {
    let Some(site) = site("log-format = 'journald'") else { return };
    // Seen by this thread and what it starts alone: Site has made it a mount namespace.
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::create_dir_all("/run/systemd/journal").unwrap();
    let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    let daemon = start(&site, &[]);
    let mut buffer = [0; 65536];
    let mut records = Vec::new();
    while !records.iter().any(|record: &String| record.contains("guard loaded")) {
        let length = journal.recv(&mut buffer).expect("a record");
        records.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    let record = records.last().unwrap();
    for part in ["MESSAGE\n", "PRIORITY\n", "SYSLOG_IDENTIFIER\n", "GUARD_GENERATION\n"] {
        assert!(record.contains(part), "{record}");
    }
    assert_eq!(daemon.log(), "", "nothing goes to standard error besides");
    drop((daemon, journal));
    umount("/run").unwrap();
}

/// A guard that says what its kernel half says, under small limits.
fn talkative() -> Option<(Site, Daemon)> {
    let site = site("")?;
    site.configure(&format!(
        "{}\n[limits.sip]\nper-source = '5/s'\nper-source-burst = 5\nper-psap = '50/s'\n",
        site.config()
    ));
    let daemon = start(&site, &["--kernel-log"]);
    Some((site, daemon))
}

/// Holds the daemon for longer than the watchdog waits: the data plane opens.
fn hold(site: &Site, daemon: &Daemon) -> Pid {
    let process = Pid::from_raw(i32::try_from(daemon.process()).unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    assert!(eventually(PATIENCE, || site.status()["stance"] == "open_by_watchdog"));
    process
}

/// More than a stranger may send.
fn too_much(site: &Site) {
    let stranger = site.speak(STRANGERS[0]);
    for _ in 0..40 {
        stranger.send_to(request("OPTIONS", "sip:x@y").as_bytes(), (PSAP, SIP)).unwrap();
    }
}

#[test]
fn lines_of_the_kernel_half_are_joined_in() {
    let Some((site, daemon)) = talkative() else { return };
    let process = hold(&site, &daemon);
    // Each CPU says so once.
    too_much(&site);
    kill(process, Signal::SIGCONT).unwrap();
    daemon.logs("watchdog ran out");
    assert_eq!(site.status()["alarms"]["log_lost"], 0);
}

/// More lines than the log's ring has room for: 128 KiB, of some hundred bytes each.
const LINES: usize = 5_000;

#[test]
fn lines_of_the_kernel_half_that_find_no_room_are_counted() {
    let Some((site, daemon)) = talkative() else { return };
    let mut alarms = alarms(&site);
    let cpus = aya::util::nr_cpus().unwrap();
    let process = hold(&site, &daemon);
    let mut lines = 0;
    let lost = || site.status()["alarms"]["log_lost"].as_u64().unwrap();
    assert_eq!(lost(), 0, "there is room at first");
    while lines < LINES && (lines % 100 != 0 || lost() == 0) {
        // As if nobody had said it yet; nobody reads what is said now.
        let silence = PerCpuValues::try_from(vec![0_u64; cpus]).unwrap();
        alarms.set(alarm::WATCHDOG_OPEN, silence, 0).unwrap();
        let stranger = site.speak(STRANGERS[0]);
        for _ in 0..2 {
            let text = request("OPTIONS", "sip:x@y");
            stranger.send_to(text.as_bytes(), (PSAP, SIP)).unwrap();
        }
        lines += 1;
    }
    let lost = lost();
    assert!(lost > 0, "{lines} lines found room: {}", site.status());
    kill(process, Signal::SIGCONT).unwrap();
    // What found room is read, and the guard closes again.
    daemon.logs("watchdog ran out");
    assert!(site.status()["alarms"]["log_lost"].as_u64() >= Some(lost));
}

/// The counts of alarms, by CPU.
fn alarms(site: &Site) -> PerCpuArray<MapData, u64> {
    let data = MapData::from_pin(site.pins().join("state/ALARMS")).unwrap();
    PerCpuArray::try_from(Map::from_map_data(data).unwrap()).unwrap()
}

#[test]
fn a_reader_that_does_not_read_holds_up_nothing_and_what_is_lost_is_counted() {
    let Some(site) = site("") else { return };
    site.configure(&format!("{}\n[metrics]\nlisten = '127.0.0.1:9911'\n", site.config()));
    let pipe = site.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let mut full =
        OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(&pipe).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    let script = format!("exec \"$0\" \"$@\" 2>{}", pipe.display());
    let file = site.file().display().to_string();
    let daemon = site.ready(site.command_by(&["sh", "-c", &script], &["run", "--config", &file]));
    // Some changes, which are told in vain.
    for _ in 0..5 {
        let _ = site.guard(&["bypass", "on", "--reason", "test"]).done();
        let _ = site.guard(&["bypass", "off"]).done();
    }
    sleep(Duration::from_secs(7));
    let status = site.status();
    assert_eq!(status["stance"], "enforcing", "{status}");
    let lost = || {
        let mut text = String::new();
        let stream = site.host.run(|| TcpStream::connect("127.0.0.1:9911")).unwrap();
        let Ok(mut stream) = stream else { return false };
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("guard_log_lines_lost_total "));
        line.is_some_and(|lines| lines.parse::<f64>().unwrap() >= 1.0)
    };
    assert!(eventually(PATIENCE, lost), "{}", daemon.log());
}
