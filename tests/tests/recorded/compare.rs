//! What real traffic, recorded, says about a change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_tests::guard_process::{CARRIER, Site, eventually};
use guard_user::config::Section;
use guard_user::live::Live;
use guard_user::recorded::{Comparison, Seen, Side, compare, key};
use nix::sys::signal::Signal;

use crate::{calls, config, site, store};

fn compared(site: &Site, after: &str) -> Comparison {
    let interfaces = Live::new(&site.pins(), &site.state()).record().unwrap().interfaces;
    let (before, after) = (site.tables(&config(site)), site.tables(after));
    let side = |tables| Side { tables, interfaces: &interfaces };
    compare(store(site).frames(UNIX_EPOCH), side(&before), side(&after))
}

#[test]
fn a_peer_with_calls_is_missed_when_it_goes() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    calls(&site);
    let same = compared(&site, &config(&site));
    assert!(same.samples >= 3 && same.losses.is_empty(), "{same:#?}");
    let peer = format!("[[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\n");
    let without = config(&site).replace(&peer, "");
    let comparison = compared(&site, &without);
    assert!(comparison.is_too_much(), "{comparison:#?}");
    let loss = &comparison.losses[0];
    assert_eq!((loss.owner.as_deref(), loss.before), (Some("P-1"), "signalling"));
    assert_eq!(loss.after, "sip_within");
    assert_eq!(loss.example.source, Some(CARRIER.into()));
    assert_eq!((loss.example.via.as_str(), loss.example.port), ("wan0", 5060));
}

#[test]
fn it_is_known_who_had_traffic_today() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    calls(&site);
    daemon.end(Signal::SIGTERM);
    let seen = |section, id: &str| {
        let seen = Seen::load(store(&site).path());
        seen.within(&key(section, id), Duration::from_secs(24 * 3600), SystemTime::now())
    };
    assert!(eventually(Duration::from_secs(5), || seen(Section::Peer, "carrier").is_some()));
    assert!(seen(Section::Psap, "P-1").is_some());
    assert!(seen(Section::Psap, "P-2").is_none(), "nobody called it");
}

/// The third gate: a file that forgets a carrier with calls stops there, whoever pushes it, and a
/// person who means it says why.
#[test]
fn a_change_that_recorded_traffic_speaks_against_is_refused() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    calls(&site);
    // Ends with everything on the disk.
    daemon.end(Signal::SIGTERM);
    let _daemon = site.start();
    let before = site.status()["generation"].clone();
    // A second carrier, so that the file does not look as if all had been forgotten.
    let peer =
        |id: &str, address: &str| format!("[[peer]]\nid = '{id}'\naddresses = ['{address}']\n");
    let carrier = peer("carrier", &CARRIER.to_string());
    let without = config(&site).replace(&carrier, &peer("other", "203.0.113.9"));
    let said = site.apply(&without).fails(8, &["peer carrier goes", "would drop about"]);
    assert!(said.contains("--force with a --reason"), "{said}");
    assert_eq!(site.status()["generation"], before, "what runs was left alone");
    let _ = site.apply(&(config(&site) + &peer("other", "203.0.113.9"))).done();
    let file = site.file().to_string_lossy().into_owned();
    site.configure(&without);
    let _ = site.guard(&["apply", &file, "--force", "--reason", "moved to other"]).done();
    assert_eq!(site.status()["configured"]["peers"], 1);
}
