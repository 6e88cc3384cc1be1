//! Whatever comes to the endpoint, the daemon goes on; and where it may listen at all.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread::sleep;
use std::time::Instant;

use super::scrape::{ask, connect};
use super::*;

#[test]
fn it_is_off_unless_it_is_configured() {
    let Some(site) = Site::with(Site::config) else { return };
    let daemon = site.start();
    let listening = succeeds(site.host.command("ss").args(["-ltnH"]));
    assert_eq!(listening, "", "{}", daemon.log());
}

#[test]
fn an_address_that_others_reach_needs_tls() {
    let site = Site::new();
    for (metrics, words) in [
        ("listen = '0.0.0.0:9911'", ["metrics", "TLS"]),
        ("listen = '[::]:9911'", ["metrics", "127.0.0.1"]),
        ("listen = '198.51.100.10:9911'", ["198.51.100.10", "certificate"]),
        ("listen = '127.0.0.1:0'", ["port 0", "127.0.0.1:9911"]),
        ("listen = 'localhost'", ["localhost", "127.0.0.1:9911"]),
        ("listen = '127.0.0.1:1'\ncertificate = '/c'", ["certificate", "key"]),
        ("listen = '127.0.0.1:1'\nkey = '/c'", ["key", "certificate"]),
        ("certificate = '/c'\nkey = '/k'", ["certificate", "listen"]),
        (
            "listen = '127.0.0.1:1'\ncertificate = 'c'\nkey = '/k'",
            ["depends on where", "begins with /"],
        ),
        ("address = '127.0.0.1:1'", ["address", "listen"]),
    ] {
        site.configure(&config(&site, metrics));
        let error = site.guard(&["check", &site.file().to_string_lossy()]).fails(3, &words);
        let text = std::fs::read_to_string(site.file()).unwrap();
        let line = text.lines().position(|line| line == "[metrics]").unwrap() + 1;
        let named = (line..line + 4).any(|line| error.contains(&format!("guard.toml:{line}:")));
        assert!(named, "no line of [metrics], {line}, in: {error}");
    }
}

#[test]
fn nonsense_is_answered_or_cut_off_and_stops_nothing() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    scrape_until(&site, "a scrape", |scrape| !scrape.series.is_empty());
    let long = [b"GET /".as_slice(), &[b'a'; 100_000], b" HTTP/1.1\r\n\r\n"].concat();
    let many = ["GET /metrics HTTP/1.1\r\n", &"a: b\r\n".repeat(10_000), "\r\n"].concat();
    for bytes in [
        b"\0\xff\xfe\x16\x03\x01\x02\0\x01".as_slice(),
        b"\r\n\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"INVITE urn:service:sos SIP/2.0\r\n\r\n",
        &long,
        many.as_bytes(),
    ] {
        // An answer that refuses, or none at all.
        let answer = ask(&site.host, LISTEN, bytes).unwrap_or_default();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let refused = ask(&site.host, LISTEN, b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET"), "{refused}");
    let missing =
        ask(&site.host, LISTEN, b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");

    // Forty that say half a word hold up scrapes for the time one connection may take, and the
    // guard not at all.
    let mut slow: Vec<_> = (0..40).map(|_| connect(&site.host, LISTEN).unwrap()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /met").unwrap());
    let (began, mut left) = (Instant::now(), f64::MAX);
    while began.elapsed() < Duration::from_secs(8) {
        let status = site.status();
        assert_eq!(status["stance"], "enforcing", "{}", daemon.log());
        left = left.min(status["controller"]["watchdog_left_seconds"].as_f64().unwrap());
        sleep(Duration::from_millis(200));
    }
    assert!(left > 1.0, "the heartbeat was held up: {left} s were left of 5");
    drop(slow);
    scrape_until(&site, "a scrape after it", |scrape| scrape.value("guard_loaded") > 0.0);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn an_occupied_port_keeps_no_guard_from_starting() {
    let Some(site) = site() else { return };
    let occupant = site.host.run(|| TcpListener::bind(LISTEN)).unwrap().unwrap();
    let daemon = site.start();
    assert_eq!(site.status()["stance"], "enforcing");
    daemon.logs("Address already in use");
    drop(occupant);
    scrape_until(&site, "a scrape once the port is free", |scrape| !scrape.series.is_empty());
    // Told once, not with every try.
    assert_eq!(daemon.log().matches("Address already in use").count(), 1, "{}", daemon.log());
}

#[test]
fn a_guard_that_is_gone_is_said_to_be() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    scrape_until(&site, "a scrape", |scrape| scrape.value("guard_loaded") > 0.0);
    std::fs::remove_dir_all(site.pins()).unwrap();
    let gone =
        scrape_until(&site, "not loaded", |scrape| scrape.series.get("guard_loaded") == Some(&0.0));
    assert_eq!(gone.value("guard_part_readable{part=\"status\"}"), 0.0);
    assert_eq!(gone.family("guard_stance").count(), 0, "nothing is made up");
}
