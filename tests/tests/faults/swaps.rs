//! Two hundred generations, one after the other, under calls and a flood.

use std::time::Instant;

use guard_tests::guard_process::WAN;

use crate::scene::{settles, site, text};
use crate::traffic::Traffic;

const SWAPS: u64 = 200;

/// Every frame of a call arrives, each is counted once over all generations, and no frame of the
/// flood finds a gap.
#[test]
fn two_hundred_swaps_lose_no_packet_and_no_count() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let traffic = Traffic::start(&site);
    let first = site.status()["generation"]["number"].as_u64().unwrap();
    let (begun, mut programs) = (Instant::now(), vec![site.program_on(WAN).unwrap()]);
    let add = ["psap", "add", "A-0", "--service", "198.51.100.12:5060/udp"];
    for swap in 0..SWAPS {
        let typed = if swap % 2 == 0 { &add[..] } else { &["psap", "remove", "A-0"] };
        let _ = site.guard(typed).done();
        programs.push(site.program_on(WAN).expect("never without a program"));
    }
    let took = begun.elapsed();
    let _ = settles(&site, [text(&site, 0)], "after all swaps");
    let last = site.status()["generation"]["number"].as_u64().unwrap();
    assert_eq!(last, first + SWAPS, "{}", daemon.log());
    programs.sort_unstable();
    programs.dedup();
    assert_eq!(programs.len(), 1 + usize::try_from(SWAPS).unwrap(), "each swap a program");
    let told = traffic.stop();
    told.counted(&site);
    eprintln!("{SWAPS} swaps in {took:.0?}, {} ms each: {told:?}", took.as_millis() / 200);
}
