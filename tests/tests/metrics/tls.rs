//! TLS, with certificates of `openssl`'s, asked by `openssl`'s client.

use std::fs;

use guard_tests::guard_process::answer;

use super::*;

/// Where others reach it.
const REACHED: &str = "198.51.100.10:9911";

/// Makes a certificate and its key.
pub fn certificate(site: &Site, name: &str) {
    let path = |end: &str| site.path(&format!("{name}.{end}")).display().to_string();
    let (key, chain) = (path("key"), path("crt"));
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        &format!("/CN={name}"),
        "-addext",
        "subjectAltName=IP:198.51.100.10,IP:127.0.0.1",
        "-keyout",
        &key,
        "-out",
        &chain,
    ];
    succeeds(Command::new("openssl").args(arguments));
}

/// What `[metrics]` says to use it.
pub fn metrics(site: &Site, name: &str) -> String {
    format!(
        "listen = '{REACHED}'\ncertificate = '{0}.crt'\nkey = '{0}.key'",
        site.path(name).display()
    )
}

/// Asks from outside, and believes this certificate alone.
fn ask(site: &Site, name: &str) -> String {
    let chain = site.path(&format!("{name}.crt")).display().to_string();
    let mut client = site.outside.command("timeout");
    client.args(["10", "openssl", "s_client", "-quiet", "-verify_return_error"]);
    client.args(["-verify_ip", "198.51.100.10", "-CAfile", &chain, "-connect", REACHED]);
    let question = site.path("question");
    fs::write(&question, "GET /metrics HTTP/1.1\r\nHost: guard\r\n\r\n").unwrap();
    client.stdin(fs::File::open(question).unwrap());
    answer(&mut client).out
}

#[test]
fn other_hosts_ask_by_tls_and_see_a_renewed_certificate() {
    let Some(site) = site() else { return };
    certificate(&site, "first");
    certificate(&site, "second");
    site.configure(&config(&site, &metrics(&site, "first")));
    let daemon = site.start();
    let answers = |name: &str| ask(&site, name).contains("guard_loaded 1");
    assert!(eventually(PATIENCE, || answers("first")), "{}", daemon.log());
    assert!(!answers("second"), "whoever trusts another certificate gets nothing");
    // In the clear there is nothing to be had.
    let clear = scrape::ask(&site.outside, REACHED, b"GET /metrics HTTP/1.1\r\n\r\n");
    assert!(!clear.unwrap_or_default().contains("guard_"));
    for end in ["key", "crt"] {
        let (new, old) = (site.path(&format!("second.{end}")), site.path(&format!("first.{end}")));
        fs::copy(&old, site.path(&format!("kept.{end}"))).unwrap();
        fs::copy(new, old).unwrap();
    }
    assert!(eventually(PATIENCE, || answers("second")), "{}", daemon.log());
    // A broken one is told, and the one before goes on.
    fs::write(site.path("first.crt"), "no certificate").unwrap();
    assert!(eventually(PATIENCE, || answers("second")), "{}", daemon.log());
    daemon.logs("the certificate before goes on");
}

#[test]
fn a_missing_certificate_keeps_no_guard_from_starting() {
    let Some(site) = site() else { return };
    site.configure(&config(&site, &metrics(&site, "late")));
    let daemon = site.start();
    assert_eq!(site.status()["stance"], "enforcing");
    daemon.logs("late.crt");
    certificate(&site, "late");
    let answers = || ask(&site, "late").contains("guard_loaded 1");
    assert!(eventually(PATIENCE, answers), "{}", daemon.log());
}
