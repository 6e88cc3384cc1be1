//! AT&T, 8 March 2017: a wrong allow-list, pushed by an unrelated job. Massachusetts, 18 June
//! 2024: a rule of a firewall stopped calls.

use std::thread::sleep;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS};

use crate::traffic::Traffic;
use crate::{refuses, say, site, text};

const LIST: &str = "AT&T 2017, a wrong allow-list";
const RULE: &str = "Massachusetts 2024, a rule against calls";

/// A file of some other day, without a carrier that calls.
#[test]
fn a_list_without_a_carrier_that_calls_is_refused() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let traffic = Traffic::start(&site);
    // Long enough for the guard to have kept some of it.
    sleep(Duration::from_secs(4));
    let told = traffic.stop();
    assert!(told.calls.iter().all(|calls| *calls > 0));
    let peer = format!("[[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\n");
    let without = text(&site).replace(&peer, "");
    assert!(!without.contains("'carrier'"));
    refuses(&site, LIST, 8, &["would drop", "--force"], || site.apply(&without));
    let moved = text(&site).replace(&CARRIER.to_string(), "198.51.100.29");
    let day = format!("{LIST} (another address)");
    refuses(&site, &day, 8, &["--force"], || site.apply(&moved));
}

/// A rule that would stop calls is refused; one that stops what looks like them stops no call.
#[test]
fn no_rule_stops_a_call() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    for source in [PSAP.to_string(), CARRIER.to_string(), "198.51.100.0/26".to_owned()] {
        let entry = format!("[[deny]]\nsource = '{source}'\nowner = 'noc'\nreason = 'r'\n");
        let day = format!("{RULE} ({source})");
        refuses(&site, &day, 3, &["fail-safe"], || site.apply(&(text(&site) + &entry)));
    }
    // Nothing but calls may come in any more; and the caller is denied by name.
    let entry = format!(
        "[limits.sip]\nper-source = '1/s'\nper-source-burst = 1\nper-psap = '1/s'\n\
         [limits.udp]\nper-source = '1/s'\n\
         [[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'r'\n",
        STRANGERS[1]
    );
    let _ = site.apply(&(text(&site) + &entry)).done();
    let before = site.count("P-1", "protected_packets");
    let traffic = Traffic::start(&site);
    sleep(Duration::from_secs(2));
    let told = traffic.stop();
    assert_eq!(site.count("P-1", "protected_packets"), before + told.calls[0]);
    say(RULE, &format!("limits of one a second, the caller denied, and no call lost: {told:?}"));
    // And where all else fails: everything passes, by one command.
    let receiver = site.listen(PSAP, SIP);
    assert!(!site.reaches(STRANGERS[0], &receiver));
    let begun = Instant::now();
    let _ = site.guard(&["bypass", "on", "--reason", "calls fail"]).done();
    let took = begun.elapsed();
    assert!(site.reaches(STRANGERS[0], &receiver));
    say(RULE, &format!("opened by `guard bypass on` in {took:.0?}"));
}
