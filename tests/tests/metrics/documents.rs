//! Rules, dashboard and docs/metrics.md name what there is, and promtool takes it.

use std::collections::BTreeSet;
use std::fs;

use guard_user::metrics::catalogue;
use serde_json::Value;

use super::*;

/// Names of metrics in a text.
pub fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("guard_")).map(str::to_owned).collect()
}

/// The queries of the dashboard.
pub fn queries() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str() {
                        Some(query) if name == "expr" => found.push(query.to_owned()),
                        _ => collect(field, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let text = fs::read_to_string(document("prometheus/guard-dashboard.json")).unwrap();
    let mut found = Vec::new();
    collect(&serde_json::from_str(&text).expect("the dashboard is JSON"), &mut found);
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn promtool_takes_the_rules_and_their_tests() {
    let Some(programs) = programs() else { return };
    let promtool = || {
        let mut command = Command::new(programs.join("promtool"));
        command.current_dir(document("prometheus"));
        command
    };
    let checked = succeeds(promtool().args(["check", "rules", "guard.rules.yml"]));
    assert!(checked.contains("SUCCESS"), "{checked}");
    succeeds(promtool().args(["test", "rules", "guard.rules.test.yml"]));
}

#[test]
fn every_alert_is_seen_to_fire_by_its_test() {
    let rules = fs::read_to_string(document("prometheus/guard.rules.yml")).unwrap();
    let tests = fs::read_to_string(document("prometheus/guard.rules.test.yml")).unwrap();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    // What a test says of an alert ends where the next one begins.
    let fires = |said: &str| said.contains("exp_labels");
    let seen: BTreeSet<&str> = tests
        .split("alertname: ")
        .skip(1)
        .filter(|said| fires(said))
        .filter_map(|said| said.split([',', '\n']).next())
        .collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    assert_eq!(alerts.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn every_metric_is_described() {
    let text = fs::read_to_string(document("metrics.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `guard_")).collect();
    let expected: Vec<String> = catalogue::ALL
        .iter()
        .map(|family| {
            let labels: Vec<String> =
                family.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = if family.is_counter { "counter" } else { "gauge" };
            format!("| `{}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help)
        })
        .collect();
    assert_eq!(rows, expected, "docs/metrics.md should have these rows:\n{}", expected.join("\n"));
}

#[test]
fn rules_and_dashboard_name_what_a_scrape_has() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    traffic(&site);
    let _ = site.guard(&["bypass", "on", "--reason", "test", "--for", "10m"]).done();
    let scrape = scrape_until(&site, "everything", |scrape| {
        scrape.value("guard_bypass_active") == 1.0
            && scrape.family("guard_calls_total").count() > 0
            && scrape.family("guard_psap_limited_frames_total").count() > 0
            && scrape.family("guard_canary_age_seconds").count() > 0
    });
    let there = names(&scrape.text);
    let known: BTreeSet<_> = catalogue::ALL.iter().map(|family| family.name.to_owned()).collect();
    assert_eq!(there.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    let rules = fs::read_to_string(document("prometheus/guard.rules.yml")).unwrap();
    // In rules, names of groups and files have dashes and dots.
    let wanted: BTreeSet<_> =
        queries().iter().map(String::as_str).chain([rules.as_str()]).flat_map(names).collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    assert_eq!(wanted.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new());

    let Some(programs) = programs() else { return };
    let text = site.path("scrape");
    fs::write(&text, &scrape.text).unwrap();
    let mut promtool = Command::new(programs.join("promtool"));
    promtool.args(["check", "metrics"]).stdin(fs::File::open(text).unwrap());
    assert_eq!(succeeds(&mut promtool), "", "promtool finds nothing to say");
}
