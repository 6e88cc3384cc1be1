//! The numbers are those of the verbs, and of what happened.

use serde_json::Value;

use super::*;

#[test]
fn the_same_numbers_as_the_verbs_say() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    traffic(&site);
    // Whatever the hosts say to each other by themselves has its end.
    let mut last = None;
    assert!(eventually(PATIENCE, || {
        let verbs = [site.json(&["psaps"]), site.json(&["drops"]), site.json(&["status"])];
        // A page is kept for a second.
        std::thread::sleep(Duration::from_millis(1100));
        let scrape = scrape(&site.host, LISTEN).unwrap();
        let is_same = site.json(&["psaps"]) == verbs[0];
        last = Some((verbs, scrape));
        is_same && last.as_ref().unwrap().1.sum("guard_psap_dropped_frames_total") > 30.0
    }));
    let ([psaps, drops, status], scrape) = last.unwrap();
    for row in psaps["rows"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap_or("(none)");
        for (family, field) in [
            ("guard_psap_passed_frames_total", "passed_packets"),
            ("guard_psap_protected_frames_total", "protected_packets"),
            ("guard_psap_dropped_frames_total", "dropped_packets"),
            ("guard_psap_over_limit_frames_total", "over_limit_packets"),
        ] {
            let series = format!("{family}{{psap=\"{id}\"}}");
            assert_eq!(Some(scrape.value(&series)), row[field].as_f64(), "{series}");
        }
    }
    let rows = drops["rows"].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let (id, reason) =
            (row["id"].as_str().unwrap_or("(none)"), row["reason"].as_str().unwrap());
        let series = format!(
            "guard_psap_limited_frames_total{{psap=\"{id}\",reason=\"{reason}\",verdict=\"dropped\"}}"
        );
        assert_eq!(Some(scrape.value(&series)), row["dropped_packets"].as_f64(), "{series}");
    }
    let totals = &status["totals"];
    let frames = scrape.sum("guard_frames_total");
    let sum = |passed: &str, dropped: &str| {
        totals[passed].as_f64().unwrap() + totals[dropped].as_f64().unwrap()
    };
    assert_eq!(frames, sum("passed_packets", "dropped_packets"));
    assert_eq!(scrape.sum("guard_bytes_total"), sum("passed_bytes", "dropped_bytes"));
    for (alarm, times) in status["alarms"].as_object().unwrap() {
        let series = format!("guard_alarms_total{{alarm=\"{alarm}\"}}");
        assert_eq!(Some(scrape.value(&series)), times.as_f64());
    }
    assert_eq!(Some(scrape.value("guard_generation")), status["generation"]["number"].as_f64());
}

#[test]
fn what_happens_is_seen() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let stance = |stance: &str| format!("guard_stance{{stance=\"{stance}\"}}");
    let first = scrape_until(&site, "the canary looks", |scrape| {
        scrape.series.get("guard_canary{result=\"ok\"}") == Some(&1.0)
    });
    assert_eq!(first.value("guard_loaded"), 1.0);
    assert_eq!(first.value(&stance("enforcing")), 1.0);
    assert_eq!(first.sum("guard_stance"), 1.0);
    assert_eq!(first.sum("guard_opened"), 0.0);
    assert_eq!(first.value("guard_interface_guarded{interface=\"wan0\"}"), 1.0);
    let info = "guard_interface_info{interface=\"wan0\",role=\"trusted\",mode=\"native\"}";
    assert_eq!(first.value(info), 1.0);
    assert!(first.value("guard_watchdog_remaining_seconds") > 1.0);
    assert!(first.value("guard_map_memory_bytes{map=\"COUNTERS\"}") > 1000.0);
    assert_eq!(first.sum("guard_part_readable"), 5.0, "{}", first.text);

    // Who has had no call yet has its series: the first calls may be those that fail.
    for outcome in ["tried", "answered", "failed"] {
        let series = format!("guard_calls_total{{psap=\"P-1\",outcome=\"{outcome}\"}}");
        assert_eq!(first.value(&series), 0.0);
    }

    // A call takes a place of its port until it is over; the carrier's calls are counted.
    traffic(&site);
    scrape_until(&site, "calls and what they take", |scrape| {
        let tried = "guard_calls_total{psap=\"P-1\",outcome=\"tried\"}";
        scrape.series.get(tried) == Some(&1.0)
    });

    let _ = site.guard(&["bypass", "on", "--reason", "test", "--for", "10m"]).done();
    let bypassed = scrape_until(&site, "bypassed", |scrape| {
        scrape.series.get("guard_bypass_active") == Some(&1.0)
    });
    assert_eq!(bypassed.value(&stance("bypassed")), 1.0);
    assert!(bypassed.value("guard_bypass_remaining_seconds") > 500.0);
    let _ = site.guard(&["bypass", "off"]).done();
    scrape_until(&site, "not bypassed", |scrape| {
        scrape.series.get("guard_bypass_active") == Some(&0.0)
    });
}

#[test]
fn the_endpoint_follows_the_configuration() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    scrape_until(&site, "a scrape", |scrape| !scrape.series.is_empty());
    let other = "127.0.0.1:9912";
    let answer = site.apply(&config(&site, &format!("listen = '{other}'"))).done();
    assert!(answer.out.contains(other), "{}", answer.out);
    let moved = || scrape(&site.host, other).is_ok() && scrape(&site.host, LISTEN).is_err();
    assert!(eventually(PATIENCE, moved), "{}", daemon.log());
    let _ = site.apply(&config(&site, "")).done();
    assert!(eventually(PATIENCE, || scrape(&site.host, other).is_err()), "{}", daemon.log());
    let status: Value = site.status();
    assert_eq!(status["stance"], "enforcing");
}
