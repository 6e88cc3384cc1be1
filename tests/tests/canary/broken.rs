//! Maps that somebody broke: the guard opens, says why, and a person closes it once it is mended.

use std::fs;
use std::time::Instant;

use aya::maps::Array;
use guard_common::abi::policy::Policy;
use guard_tests::guard_process::{STRANGERS, Site, eventually};
use guard_user::kernel::object;
use guard_user::kernel::state::open;
use guard_user::kernel::wire::Wire;
use serde_json::Value;

use crate::{Broken, SOON, START, comes_to_say, is_open, live_folder, says, site};

const WHY: [&str; 2] = ["--reason", "mended, ticket 4711"];

/// It is kept once the guard is open, as soon as the disk has it.
fn evidence(site: &Site, name: &str) -> Value {
    let path = site.state().join(name);
    assert!(eventually(START, || path.exists()), "no {name}");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The PSAP's entry is gone from the live map: what it gets is not known to be a call's any more.
#[test]
fn a_lost_psap_opens_the_guard_until_a_person_closes_it() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    assert!(!site.passes(STRANGERS[0]), "denied");

    let mut psap = Broken::of(&site);
    psap.lose();
    let began = Instant::now();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    eprintln!("opened after {:?}", began.elapsed());
    assert!(site.passes(STRANGERS[0]), "what was dropped passes");
    daemon.logs("THE CANARY FAILED");

    // What it was, and what it hung on.
    let kept = evidence(&site, "canary-failure.json");
    let first = &kept["failures"][0];
    assert_eq!(first["psap"], "P-1");
    assert_ne!(first["reason"], "marked");
    let frame = first["frame"].as_str().unwrap();
    assert!(frame.len() > 200 && frame.chars().all(|c| c.is_ascii_hexdigit()), "{frame}");
    let entries = first["entries"].to_string();
    assert!(entries.contains("psap \\\"P-1\\\""), "{entries}");
    assert!(entries.contains("NOT in the kernel's parties"), "{entries}");
    let status = site.status();
    assert_eq!(status["opened"]["code"], 1);
    assert!(status["opened"]["frame"].as_str().unwrap().contains("P-1"), "{status}");
    assert_eq!(status["canary"]["result"], "failed");
    let text = site.guard(&["status"]).done().out;
    assert!(text.contains("OPEN") && text.contains("the canary failed"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let by_hand = site.guard(&["canary"]).fails(1, &["not protected", "guard bypass on"]);
    assert!(!by_hand.is_empty());

    // Nobody closes it while that lasts, not even a restart.
    let _ = site.guard(&[&["close"], WHY.as_slice()].concat()).fails(1, &["stays open"]);
    assert!(is_open(&site));

    psap.mend();
    comes_to_say(&site, "ok", START);
    assert!(is_open(&site), "closing is a person's decision");
    let out = site.guard(&[&["close"], WHY.as_slice()].concat()).done().out;
    assert!(out.contains("Closed"), "{out}");
    assert_eq!(site.status()["stance"], "enforcing");
    assert!(site.status()["opened"].is_null());
    assert!(!site.passes(STRANGERS[0]), "denied again");
    let aside = evidence(&site, "canary-failure-1.json");
    assert_eq!(aside["closed"]["reason"], WHY[1]);
    assert_eq!(aside["failures"], kept["failures"]);
    assert!(!site.state().join("canary-failure.json").exists());
    let out = site.guard(&[&["close"], WHY.as_slice()].concat()).done().out;
    assert!(out.contains("nothing to close"), "{out}");

    // What is left over of an earlier failure does not stand for the next one.
    let path = site.state().join("canary-failure.json");
    fs::write(&path, kept.to_string()).unwrap();
    psap.lose();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    let is_new = || evidence(&site, "canary-failure.json")["at"] != kept["at"];
    assert!(eventually(START, is_new), "{}", evidence(&site, "canary-failure.json"));
    let audit = || site.guard(&["audit", "--json"]).done().out.matches("open the guard").count();
    assert!(eventually(START, || audit() == 2), "each opening is on record: {}", audit());
}

/// The entry is there and says something else: the services are gone, the role is not.
#[test]
fn a_psap_without_its_services_opens_the_guard() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    // Where the canary's strangers come from: what is not protected is dropped.
    let _ = site.guard(&["deny", "add", "198.18.0.0/15", "--reason", "test"]).done();
    comes_to_say(&site, "ok", START);
    Broken::of(&site).strip();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    let kept = evidence(&site, "canary-failure.json");
    let first = &kept["failures"][0];
    // By the seconds it is a stranger's marked message or something of the carrier's.
    assert!(
        matches!(first["reason"].as_str(), Some("denied" | "udp_within" | "transit")),
        "{first}"
    );
    let by_hand = site.guard(&["canary", "--json"]);
    assert!(by_hand.out.contains("\"verdict\": \"drop\""), "{}", by_hand.out);
}

/// The policy that is no table is not shared with the copy; that it changed is seen all the same.
#[test]
fn a_broken_policy_opens_the_guard() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    comes_to_say(&site, "ok", START);
    let map = open(&live_folder(&site).join(object::POLICY), object::POLICY).unwrap();
    let mut array = Array::<_, Wire<Policy>>::try_from(map).unwrap();
    let Wire(policy) = array.get(&0, 0).unwrap();
    array.set(0, Wire(Policy { abi: 0, ..policy }), 0).unwrap();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    assert_eq!(evidence(&site, "canary-failure.json")["failures"][0]["reason"], "no_policy");
    assert_eq!(says(&site), "failed");
}

/// A daemon that starts on a guard that was opened leaves it open.
#[test]
fn a_restart_closes_nothing() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    let mut psap = Broken::of(&site);
    psap.lose();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    daemon.kill();
    psap.mend();
    let _daemon = site.start();
    assert!(is_open(&site));
    comes_to_say(&site, "ok", START);
    assert!(is_open(&site));
}

/// With the disk full it opens all the same, and a lost evidence hides nothing.
#[test]
fn what_cannot_be_kept_still_opens() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    comes_to_say(&site, "ok", START);
    // A folder in its way: not even root can write a file there.
    fs::create_dir(site.state().join("canary-failure.json.new")).unwrap();
    Broken::of(&site).lose();
    assert!(eventually(SOON, || is_open(&site)), "{}", site.status());
    daemon.logs("cannot be kept");
    assert_eq!(site.status()["opened"]["code"], 1);
}

/// The second gate looks at the generation that would drop, whichever way it came to be.
#[test]
fn enforcing_is_refused_where_911_would_not_pass() {
    let Some(site) = site() else { return };
    let _ = site.start();
    let _ = site.guard(&["mode", "monitor"]).done();
    Broken::of(&site).lose();
    site.guard(&["mode", "enforce"]).fails(8, &["911 would not pass", "P-1"]);
    assert_eq!(site.status()["mode"], "monitor");
    let record = site.rows(&["audit", "--last", "1"]);
    assert!(record[0]["result"].as_str().unwrap().contains("911 would not pass"), "{record}");
}
