//! G4 for the tc programs: a swap loses no frame that leaves and no label.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use guard_tests::fixtures::sip::{emergency_invite, response};
use guard_tests::guard_process::{PSAP, SECOND, SIP, WAN};

use crate::mark::{receive, tell_marks};
use crate::{MARK, each_way, labels, programs, sip, told};

const SWAPS: usize = 10;

/// The host sends answers, and a stranger marked messages, through ten generations: each answer
/// is counted once, and each message has its mark.
#[test]
fn ten_swaps_lose_no_frame_that_leaves_and_no_label() {
    each_way(true, &labels(), |site, kind| {
        let _daemon = site.start();
        let (service, stranger) = sip(site);
        tell_marks(&service);
        let (stop, pause) = (AtomicBool::new(false), Duration::from_millis(2));
        let going = || !stop.load(Ordering::Relaxed);
        let mut seen = vec![programs(site, WAN)];
        let to = stranger.local_addr().unwrap();
        let (answers, messages) = thread::scope(|scope| {
            let answering = scope.spawn(|| {
                let (answer, mut sent) = (response("180 Ringing"), 0u64);
                while going() {
                    service.send_to(answer.as_bytes(), to).unwrap();
                    sent += 1;
                    thread::sleep(pause);
                }
                sent
            });
            let calling = scope.spawn(|| {
                let (invite, mut sent) = (emergency_invite(), 0u64);
                while going() {
                    stranger.send_to(invite.as_bytes(), (PSAP, SIP)).unwrap();
                    assert_eq!(receive(&service), Some(MARK), "{kind}: message {sent}");
                    sent += 1;
                    thread::sleep(pause);
                }
                sent
            });
            for swap in 0..SWAPS {
                let service = format!("{SECOND}:5060/udp");
                let _ = match swap % 2 {
                    0 => site.guard(&["psap", "add", "P-2", "--service", &service]).done(),
                    _ => site.guard(&["psap", "remove", "P-2"]).done(),
                };
                seen.push(programs(site, WAN));
            }
            stop.store(true, Ordering::Relaxed);
            (answering.join().unwrap(), calling.join().unwrap())
        });
        assert!(answers > 100 && messages > 100, "{kind}: {answers} and {messages}");
        assert_eq!(site.count("P-1", "out_packets"), answers, "{kind}");
        assert_eq!(told(site), [kind, kind]);
        for side in 0..2 {
            let mut ids: Vec<_> = seen.iter().map(|sides| sides[side].clone()).collect();
            assert!(ids.iter().all(|ids| ids.len() == 1), "{kind}: one, and one only: {ids:?}");
            ids.dedup();
            assert_eq!(ids.len(), 1 + SWAPS, "{kind}: each swap a program");
        }
    });
}
