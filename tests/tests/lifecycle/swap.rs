//! G4: a swap loses no packet and no counter, and a restart with the same file swaps nothing.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use guard_tests::guard_process::{CARRIER, PSAP, SECOND, SIP, STRANGERS, WAN};
use nix::sys::socket::{setsockopt, sockopt};

use crate::{denying, site};

const SWAPS: u64 = 20;
/// Holds what arrives while the receiver waits for a processor.
const ROOM: usize = 16 << 20;

/// Sends the carrier's signalling, some two thousand frames a second, until told to stop.
fn keep_sending(sender: &UdpSocket, stop: &AtomicBool) -> u64 {
    let mut sent = 0u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..4 {
            sender.send_to(&sent.to_be_bytes(), (PSAP, SIP)).unwrap();
            sent += 1;
        }
        thread::sleep(Duration::from_millis(2));
    }
    sent
}

fn keep_receiving(receiver: &UdpSocket, stop: &AtomicBool, seen: &AtomicU64) {
    let mut buffer = [0; 64];
    setsockopt(receiver, sockopt::RcvBufForce, &ROOM).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    loop {
        match receiver.recv(&mut buffer) {
            Ok(_) => seen.fetch_add(1, Ordering::Relaxed),
            Err(_) if stop.load(Ordering::Relaxed) => return,
            Err(_) => continue,
        };
    }
}

/// Twenty generations while frames flow, four of them by a changed file after a restart: every
/// frame sent is received, and counted once over all generations.
#[test]
fn twenty_swaps_lose_no_packet_and_no_count() {
    let Some(site) = site() else { return };
    let mut daemon = site.start();
    let (first, id) = (site.status()["generation"]["number"].as_u64().unwrap(), "P-2");
    let (sender, receiver) = (site.speak(CARRIER), site.listen(PSAP, SIP));
    let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut programs = vec![site.program_on(WAN).unwrap()];
    let sent = thread::scope(|scope| {
        let sending = scope.spawn(|| keep_sending(&sender, &stop));
        scope.spawn(|| keep_receiving(&receiver, &stop, &seen));
        for swap in 0..SWAPS {
            let service = format!("{SECOND}:5060/udp");
            match swap {
                // Changed files, after a restart that changes nothing.
                4 | 9 | 14 | 19 => {
                    let limit = format!("\n[limits.udp]\nper-source = '{}/s'\n", 100 + swap);
                    daemon = {
                        daemon.end(nix::sys::signal::Signal::SIGTERM);
                        site.start()
                    };
                    daemon.logs("adopted");
                    let _ = site.apply(&(denying(&site) + &limit)).done();
                }
                even if even % 2 == 0 => {
                    let _ = site.guard(&["psap", "add", id, "--service", &service]).done();
                }
                _ => {
                    // What a changed file came between is removed and added again.
                    let removed = site.guard(&["psap", "remove", id]);
                    if removed.code != Some(0) {
                        let _ = site.guard(&["psap", "add", id, "--service", &service]).done();
                    }
                }
            }
            programs.push(site.program_on(WAN).expect("never without a program"));
        }
        stop.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    assert!(sent > 2000, "too few frames to say anything: {sent}");
    assert_eq!(seen.load(Ordering::Relaxed), sent, "received");
    assert_eq!(site.count("P-1", "protected_packets"), sent, "counted once");
    let last = site.status()["generation"]["number"].as_u64().unwrap();
    assert_eq!(last, first + SWAPS);
    programs.sort_unstable();
    programs.dedup();
    assert_eq!(programs.len(), 1 + usize::try_from(SWAPS).unwrap(), "each swap a program");
}

/// A restart is no change: what was confirmed goes on, and the difference is told. `apply` brings
/// the file live, keeps the counters and the mode; the old generation's pins are gone.
#[test]
fn a_restart_with_a_changed_file_changes_nothing_but_tells() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    assert!(!site.passes(STRANGERS[0]) && site.passes(STRANGERS[1]));
    let (counted, program) = (site.count("P-1", "dropped_packets"), site.program_on(WAN));
    let pins = site.pinned().len();
    daemon.kill();
    site.configure(&denying(&site).replace(&STRANGERS[0].to_string(), &STRANGERS[1].to_string()));
    let daemon = site.start();
    daemon.logs("adopted");
    daemon.logs("guard apply");
    assert_eq!(site.program_on(WAN), program);
    assert!(!site.passes(STRANGERS[0]) && site.passes(STRANGERS[1]));
    let counted = counted + 1;

    let _ = site.guard(&["apply", &site.file().to_string_lossy()]).done();
    assert_ne!(site.program_on(WAN), program);
    assert_eq!(site.status()["generation"]["number"], 2);
    assert_eq!(site.pinned().len(), pins, "no generation is left behind");
    assert_eq!(site.count("P-1", "dropped_packets"), counted);
    assert!(site.passes(STRANGERS[0]) && !site.passes(STRANGERS[1]));

    let _ = site.guard(&["mode", "monitor"]).done();
    let _ = site.apply(&denying(&site)).done();
    assert_eq!(site.status()["mode"], "monitor", "the file names the mode of the first start");
    assert!(site.passes(STRANGERS[0]));
    drop(daemon);
}

/// A new address of the host becomes part of the policy without a restart.
#[test]
fn a_new_address_of_the_host_is_a_new_generation() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    site.host.ip(&["address", "add", "198.51.100.12/24", "dev", WAN]).unwrap();
    let refreshed = || site.status()["generation"]["number"] == 2;
    assert!(
        guard_tests::guard_process::eventually(Duration::from_secs(40), refreshed),
        "{}",
        daemon.log()
    );
    assert!(!site.passes(STRANGERS[0]));
}
