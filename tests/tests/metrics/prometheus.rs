//! A real Prometheus that scrapes the daemon in its namespace, by TLS, with the rules loaded.

use std::fs;
use std::process::{Child, Stdio};

use guard_tests::netns::Namespace;
use serde_json::Value;

use super::*;

/// Where it listens.
const API: &str = "127.0.0.1:9090";

/// A running Prometheus; killed when dropped.
struct Prometheus<'a> {
    child: Child,
    namespace: &'a Namespace,
}

impl<'a> Prometheus<'a> {
    /// Starts it on the guarded host; it believes this certificate.
    fn start(site: &'a Site, programs: &Path, certificate: &str) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\nscrape_configs:\n  - job_name: guard\n    scheme: https\n    \
             tls_config: {{ ca_file: {} }}\n    static_configs: [{{ targets: ['198.51.100.10:9911'] }}]\n",
            document("prometheus/guard.rules.yml").canonicalize().unwrap().display(),
            site.path(certificate).display(),
        );
        let file = site.path("prometheus.yml");
        fs::write(&file, config).unwrap();
        succeeds(Command::new(programs.join("promtool")).args(["check", "config"]).arg(&file));
        let log = fs::File::create(site.path("prometheus.log")).unwrap();
        let mut command = site.host.command(programs.join("prometheus"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", site.path("tsdb").display()));
        command.arg(format!("--web.listen-address={API}"));
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        Self { child, namespace: &site.host }
    }

    /// What a part of its API says; `None` as long as it does not answer.
    fn says(&self, what: &str) -> Option<Value> {
        let question = format!("GET /api/v1/{what} HTTP/1.0\r\n\r\n");
        let answer = scrape::ask(self.namespace, API, question.as_bytes()).ok()?;
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The samples that a query finds.
    fn query(&self, query: &str) -> Option<Vec<Value>> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        Some(self.says(&format!("query?query={escaped}"))?["result"].as_array()?.clone())
    }

    /// Names of the alerts that fire.
    fn firing(&self) -> Option<Vec<String>> {
        let alerts = self.says("alerts")?;
        let name = |alert: &Value| {
            let fires = alert["state"] == "firing";
            fires.then(|| alert["labels"]["alertname"].as_str().unwrap().to_owned())
        };
        Some(alerts["alerts"].as_array()?.iter().filter_map(name).collect())
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_alert_fires_when_the_guard_is_bypassed_and_the_dashboard_has_something_to_show() {
    let Some(site) = site() else { return };
    let Some(programs) = programs() else { return };
    tls::certificate(&site, "guard");
    site.configure(&config(&site, &tls::metrics(&site, "guard")));
    let daemon = site.start();
    let prometheus = Prometheus::start(&site, &programs, "guard.crt");
    let scraped =
        || prometheus.query("guard_canary{result=\"ok\"} == 1").is_some_and(|it| it.len() == 1);
    let log = || fs::read_to_string(site.path("prometheus.log")).unwrap_or_default();
    assert!(eventually(PATIENCE, scraped), "{}\n{}", daemon.log(), log());
    let quiet = || prometheus.firing() == Some(vec![]);
    assert!(eventually(PATIENCE, quiet), "all is well: {:?}", prometheus.firing());

    traffic(&site);
    let _ = site.guard(&["bypass", "on", "--reason", "test"]).done();
    let fires = || prometheus.firing().is_some_and(|names| names == ["GuardBypassed"]);
    assert!(eventually(PATIENCE, fires), "{:?}\n{}", prometheus.firing(), log());
    let _ = site.guard(&["bypass", "off"]).done();
    assert!(eventually(PATIENCE, quiet), "{}", log());

    for query in documents::queries() {
        let query = query
            .replace("$__rate_interval", "30s")
            .replace("$__range", "30s")
            .replace("$instance", ".*")
            .replace("$psap", ".*");
        let finds = || prometheus.query(&query).is_some_and(|found| !found.is_empty());
        assert!(eventually(PATIENCE, finds), "{query}: {:?}", prometheus.query(&query));
    }
}
