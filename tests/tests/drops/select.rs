//! `--psap`, `--reason`, `--since` and `--watch` of `guard drops` and `guard psaps`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use guard_tests::guard_process::{CARRIER, STRANGERS};
use serde_json::Value;

use crate::{denied, site};

#[test]
fn rows_are_selected_by_psap_and_reason() {
    let Some(site) = site("") else { return };
    let _daemon = site.start();
    denied(&site);
    assert!(site.passes(CARRIER));
    let ids = |arguments: &[&str]| -> Vec<Value> {
        let rows = site.rows(arguments);
        rows.as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&["psaps", "--psap", "P-2"]), ["P-2"]);
    assert_eq!(ids(&["psaps", "--reason", "denied"]), ["P-1"]);
    let row = &site.rows(&["psaps", "--reason", "signalling", "--psap", "P-1"])[0];
    assert_eq!(row["passed_packets"], row["protected_packets"]);
    assert_eq!(row["dropped_packets"], 0);
    assert_eq!(ids(&["drops", "--reason", "denied"]), ["P-1"]);
    assert_eq!(ids(&["drops", "--reason", "sip_over_psap"]), [""; 0]);
    assert_eq!(ids(&["drops", "--psap", "P-2"]), [""; 0]);
    for verb in ["psaps", "drops"] {
        site.guard(&[verb, "--psap", "nobody"]).fails(2, &["nobody", "guard psaps"]);
        for wrong in [["--reason", "deneid"], ["--since", "soon"], ["--watch", "1ms"]] {
            let answer = site.guard(&[&[verb], &wrong[..]].concat());
            assert_eq!(answer.code, Some(2), "{wrong:?}: {}", answer.err);
            assert!(answer.err.contains(wrong[1]), "{}", answer.err);
        }
    }
}

#[test]
fn what_happened_since_is_told_with_the_time_it_covers() {
    let Some(site) = site("") else { return };
    let daemon = site.start();
    let known = || site.guard(&["drops", "--since", "1h"]).code == Some(0);
    assert!(guard_tests::guard_process::eventually(Duration::from_secs(20), known));
    denied(&site);
    let drops = site.json(&["drops", "--since", "1h"]);
    assert_eq!(drops["rows"][0]["dropped_packets"], 1, "all there is: {drops}");
    let from_first = drops["since"].clone();
    // Another mark; what was before it is older than three seconds.
    daemon.kill();
    sleep(Duration::from_secs(1));
    let daemon = site.start();
    sleep(Duration::from_secs(8));
    assert_eq!(site.json(&["drops", "--since", "3s"])["rows"].as_array().unwrap().len(), 0);
    denied(&site);
    let drops = site.json(&["drops", "--since", "3s"]);
    assert_eq!(drops["rows"][0]["dropped_packets"], 1, "{drops}");
    assert_ne!(drops["since"], from_first);
    let all = site.json(&["drops", "--since", "1h"]);
    assert_eq!((&all["rows"][0]["dropped_packets"], &all["since"]), (&2.into(), &from_first));
    assert_eq!(site.json(&["drops"])["rows"][0]["dropped_packets"], 2);
    let row = &site.rows(&["psaps", "--since", "3s", "--psap", "P-1"])[0];
    assert_eq!(row["dropped_packets"], 1);
    let text = site.guard(&["drops", "--since", "3s"]).done().out;
    assert!(text.starts_with("Since 20") && text.contains(" ago.\n"), "{text}");
    // With the daemon dead, too; without what it wrote, that is said.
    daemon.kill();
    assert_eq!(site.json(&["drops", "--since", "1h"])["rows"][0]["dropped_packets"], 2);
    for entry in std::fs::read_dir(site.state()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("counters-") {
            std::fs::write(path, "rubbish\n").unwrap();
        }
    }
    site.guard(&["drops", "--since", "1h"]).fails(1, &["written down"]);
    assert!(!site.passes(STRANGERS[0]) || site.status()["stance"] != "enforcing");
}

#[test]
fn it_is_printed_again_and_again() {
    let Some(site) = site("") else { return };
    let _daemon = site.start();
    let mut command = site.command(&["psaps", "--watch", "100ms"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let headings = lines.map_while(Result::ok).filter(|line| line.starts_with("PSAP"));
    assert_eq!(headings.take(3).count(), 3);
    let _ = child.kill();
    let _ = child.wait();
}
