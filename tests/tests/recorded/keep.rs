//! What is kept, for whom, and for how long.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::Duration;

use guard_common::class::Kind;
use guard_common::reason::{Droppable, Reason};
use guard_tests::flood::frame::{Path4, invite};
use guard_tests::flood::{Flood, Plan};
use guard_tests::guard_process::{CARRIER, PSAP, SECOND, SIP, STRANGERS, WAN, generator_object};
use guard_tests::netns::device::hardware_address;
use nix::sys::signal::Signal;

use crate::{NUMBER, await_kept, call, calls, config, emergency, files, has, kept, site, store};

#[test]
fn no_number_and_no_body_is_on_the_disk() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    calls(&site);
    daemon.end(Signal::SIGTERM);
    let (number, name) = (NUMBER.as_bytes(), b"example".as_slice());
    let hexadecimal: String = number.iter().map(|byte| format!("{byte:02x}")).collect();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store(&site).path()), 0o700);
    assert!(files(&site).len() >= 2, "samples and who was seen");
    for file in files(&site) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let text = fs::read(&file).unwrap();
        for secret in [number, name, hexadecimal.as_bytes(), b"Call-ID"] {
            let found = text.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{} in {}", String::from_utf8_lossy(secret), file.display());
        }
    }
    let lines: Vec<_> = kept(&site).into_iter().filter_map(|kept| kept.start_line).collect();
    assert!(lines.iter().any(|line| line.starts_with("INVITE sip:911@xxx.")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("INVITE sip:+xxxxxxxxxxx@")), "{lines:?}");
    assert!(lines.iter().any(|line| line == "SIP/2.0 200 \r\n"), "{lines:?}");
}

#[test]
fn a_flood_hides_no_call() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let path = Path4 {
        from: hardware_address(&site.outside, "far0").unwrap(),
        to: hardware_address(&site.host, WAN).unwrap(),
        source: SocketAddrV4::new([10, 0, 0, 0].into(), SIP),
        destination: SocketAddrV4::new(PSAP, SIP),
    };
    let frames = vec![invite(&path).unwrap()];
    let plan = Plan { frames, spoofed: 0xff_ffff, cpu: None };
    let flood = Flood::start(&generator_object(), &site.outside, "far0", plan).unwrap();
    let flooded = Droppable::over_psap(Kind::Sip).reason();
    await_kept(&site, "P-1", flooded);
    sleep(Duration::from_secs(2));
    call(&site, CARRIER, PSAP, &format!("sip:{NUMBER}@198.51.100.10"));
    call(&site, STRANGERS[0], PSAP, emergency());
    call(&site, CARRIER, SECOND, emergency());
    for (owner, reason) in
        [("P-1", Reason::SIGNALLING), ("P-1", Reason::MARKED), ("P-2", Reason::SIGNALLING)]
    {
        await_kept(&site, owner, reason);
    }
    flood.stop().unwrap();
    let dropped = site.count("P-1", "dropped_packets");
    assert!(dropped > 10_000, "{dropped}: no flood");
    let of_flood = kept(&site).iter().filter(|kept| kept.reason() == flooded).count();
    assert!((1..=100).contains(&of_flood), "{of_flood} samples of {dropped} frames");
    assert_eq!(site.status()["alarms"]["sample_lost"], 0);
}

#[test]
fn switched_off_nothing_is_kept_and_what_was_kept_goes() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    calls(&site);
    daemon.end(Signal::SIGTERM);
    assert!(!kept(&site).is_empty());
    let _ = site.apply(&(config(&site) + "\n[samples]\nenabled = false\n")).done();
    let daemon = site.start();
    call(&site, CARRIER, PSAP, emergency());
    sleep(Duration::from_millis(1500));
    daemon.end(Signal::SIGTERM);
    assert_eq!((kept(&site), files(&site)), (Vec::new(), Vec::new()));
    let error = site.guard(&["suggest"]).fails(1, &["no traffic is recorded", "[samples]"]);
    assert!(error.contains("enabled = true"), "{error}");
}

/// The power goes while a line is written.
#[test]
fn half_a_line_costs_nothing_else() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    calls(&site);
    daemon.kill();
    let before = kept(&site);
    for file in files(&site) {
        let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(b"{\"at\":17").unwrap();
    }
    assert_eq!(kept(&site), before);
    let daemon = site.start();
    call(&site, CARRIER, SECOND, emergency());
    await_kept(&site, "P-2", Reason::SIGNALLING);
    assert!(has(&site, "P-1", Reason::MARKED));
    assert!(!daemon.log().contains("recorder"), "{}", daemon.log());
}

/// A disk without room stops the recording, says so once, and nothing else.
#[test]
fn a_folder_that_cannot_be_written_is_told_once() {
    let Some(site) = site() else { return };
    fs::create_dir_all(site.state()).unwrap();
    // Not even root writes into a file as if it were a folder.
    fs::write(store(&site).path(), b"").unwrap();
    let daemon = site.start();
    for _ in 0..3 {
        call(&site, CARRIER, PSAP, emergency());
        sleep(Duration::from_millis(400));
    }
    daemon.logs("samples are not kept");
    let log = daemon.log();
    assert_eq!(log.matches("samples are not kept").count(), 1, "{log}");
    assert_eq!(site.status()["interfaces"][0]["guarded"], true);
}
