//! The priority, which no socket tells: nftables counts it.

use std::process::Command;
use std::time::Duration;

use guard_tests::fixtures::sip::emergency_invite;
use guard_tests::guard_process::{CARRIER, PSAP, SIP, Site, eventually};
use guard_tests::privilege::skip;

use crate::{labels, sip, site};

const RULES: &str = "
table inet t {
    counter labelled { }
    counter every { }
    chain c {
        type filter hook prerouting priority raw
        udp dport 5060 counter name every
        meta mark 911 meta priority 0:6 counter name labelled
    }
}";

fn counted(site: &Site, name: &str) -> u64 {
    let mut nft = site.host.command("nft");
    let output = nft.args(["-j", "list", "counter", "inet", "t", name]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    json["nftables"][1]["counter"]["packets"].as_u64().unwrap()
}

#[test]
fn marked_messages_of_strangers_have_the_priority() {
    let Some(site) = site(false, &labels()) else { return };
    if Command::new("nft").arg("-v").output().is_err() {
        return skip("there is no nft: `cargo xtask setup`");
    }
    site.host.succeed("nft", &[RULES]).unwrap();
    let _daemon = site.start();
    let (_service, stranger) = sip(&site);
    let peer = site.speak(CARRIER);
    for from in [&stranger, &peer, &stranger] {
        from.send_to(emergency_invite().as_bytes(), (PSAP, SIP)).unwrap();
    }
    let all = || counted(&site, "every") == 3;
    assert!(eventually(Duration::from_secs(5), all), "{} arrived", counted(&site, "every"));
    assert_eq!(counted(&site, "labelled"), 2);
}
