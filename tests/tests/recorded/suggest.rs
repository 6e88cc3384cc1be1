//! `guard suggest`: lines that can be pasted, for those who are answered.

use std::fs;
use std::time::Duration;

use guard_tests::fixtures::sip::{request, response};
use guard_tests::guard_process::{PSAP, SIP, STRANGERS, eventually};

use crate::{calls, config, emergency, kept, site, speak};

#[test]
fn an_unlisted_carrier_is_suggested_and_a_flooding_one_is_not() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    calls(&site);
    let (service, talker) = (site.listen(PSAP, SIP), site.speak(STRANGERS[1]));
    speak(&talker, &service, &request("OPTIONS", "sip:psap.example"));
    speak(&service, &talker, &response("200 OK"));
    // It is answered, and then sends a hundred times what it may.
    let flooder = site.speak(STRANGERS[2]);
    speak(&flooder, &service, &request("INVITE", "sip:100@psap.example"));
    speak(&service, &flooder, &response("200 OK"));
    for _ in 0..500 {
        let call = request("INVITE", "sip:100@psap.example");
        flooder.send_to(call.as_bytes(), (PSAP, SIP)).unwrap();
    }
    let flooded = |kept: &guard_user::recorded::Kept| kept.reason().name() == "sip_over_source";
    assert!(eventually(Duration::from_secs(5), || kept(&site).iter().any(flooded)));
    let found = site.json(&["suggest"]);
    let suggested: Vec<_> =
        found["suggestions"].as_array().unwrap().iter().map(|entry| &entry["address"]).collect();
    // Who called 911 and was answered may be a carrier, too.
    assert_eq!(suggested.len(), 2, "{found:#}");
    assert!(suggested.iter().any(|address| **address == STRANGERS[1].to_string()), "{found:#}");
    let marked = found["suggestions"].as_array().unwrap().iter();
    let marked = marked.filter(|entry| entry["evidence"]["marked"] == true).count();
    assert_eq!(marked, 1, "{}: {found:#}", emergency());
    let left_out = found["left_out"].as_array().unwrap();
    let flood = left_out.iter().find(|left| left["address"] == STRANGERS[2].to_string()).unwrap();
    assert!(flood["why"].as_str().unwrap().contains("more than its limit"), "{flood}");
    let answer = site.guard(&["suggest", "--since", "1h"]).done();
    let text = answer.out.clone();
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let pasted = site.path("pasted.toml");
    fs::write(&pasted, config(&site) + "\n" + &text).unwrap();
    let check = site.guard(&["check", &pasted.to_string_lossy()]).done();
    assert!(check.out.contains("3 peers"), "{}", check.out);
}
