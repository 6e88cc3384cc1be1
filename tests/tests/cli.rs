//! The command line: JSON with stable fields, tables that fit, exit codes, 6,000 PSAPs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::fmt::Write as _;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guard_tests::guard_process::{Answer, CARRIER, PSAP, STRANGERS, Site, answer, binary};
use guard_tests::privilege::require_bpf;
use serde_json::Value;

/// Widest a line may be.
const WIDTH: usize = 80;
/// PSAPs that must fit: the United States have fewer.
const MANY: usize = 6000;

const VERBS: [&str; 24] = [
    "run", "check", "diff", "apply", "confirm", "rollback", "history", "audit", "status", "psaps",
    "drops", "top", "psap", "peer", "allow", "deny", "mode", "bypass", "canary", "close", "unload",
    "suggest", "explain", "replay",
];
/// Reading verbs; each has `--json`.
const READING: [&[&str]; 11] = [
    &["history"],
    &["audit"],
    &["status"],
    &["canary"],
    &["psaps"],
    &["drops"],
    &["psap", "list"],
    &["peer", "list"],
    &["allow", "list"],
    &["deny", "list"],
    &["suggest"],
];

fn guard(arguments: &[&str]) -> Answer {
    answer(Command::new(binary()).args(arguments))
}

/// Names as long as an operator may write them, allow and deny entries of every shape.
fn crowded(site: &Site) -> String {
    let long = "A very long name of a dispatch centre that no column has the room for, ".repeat(2);
    let mut text = site.config().replace("'Springfield'", &format!("'{}'", &long[..140]));
    // Without a daemon it still enforces, however slow the disk is.
    text = text.replace("watchdog = '5s'", "watchdog = '60s'");
    let [first, second, third] = STRANGERS;
    for (list, scope) in [
        ("deny", format!("source = '{first}'")),
        (
            "deny",
            "source = '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff'\nservice = '10000-20000/udp'"
                .to_owned(),
        ),
        (
            "deny",
            format!(
                "source = '{second}'\ndestination = '{PSAP}'\nexpires = 2040-12-31T23:59:59-05:00"
            ),
        ),
        ("allow", format!("source = '{third}'\nservice = 'icmp'")),
    ] {
        let _ = write!(text, "[[{list}]]\n{scope}\nowner = '{long}'\nreason = '{long}'\n");
    }
    text + "[[site]]\nid = 'hosted-west-with-a-long-id'\nservices = ['203.0.113.64/30:5060/udp', \
         '203.0.113.64/30:5061/tls']\nmedia = ['203.0.113.64/30:20000-39999']\n\
         [[psap]]\nid = 'shares'\nsite = 'hosted-west-with-a-long-id'\nadmin = ['+14135550199']\n\
         [[peer]]\nid = 'peer-with-many-addresses-and-a-long-id'\naddresses = ['203.0.113.16/29', \
         '2001:db8:a::/64', '203.0.113.130', '2001:db8:b:c:d:e:f:1', '203.0.113.132']\n"
}

/// Runs the guard with a crowded configuration, a little traffic, and leaves its daemon dead.
fn crowd() -> Option<Site> {
    let site = Site::with(crowded)?;
    site.start().kill();
    assert!(!site.passes(STRANGERS[0]));
    assert!(site.passes(STRANGERS[2]));
    Some(site)
}

/// What is told in JSON is what is so, with the daemon dead too; that its fields are the documented
/// ones holds `json`.
#[test]
fn json_says_what_is_so() {
    let Some(site) = crowd() else { return };
    let status = site.status();
    assert_eq!(status["configured"]["psaps"], 2);
    assert_eq!(status["configured"]["deny"], 3);
    assert_eq!(status["interfaces"][0]["tag"].as_str().unwrap().len(), 16);
    assert_eq!(status["recent"]["psaps"][0]["id"], "P-1");
    assert_eq!(status["recent"]["drops"][0]["reason"], "denied");

    // The worst first, frames of none last; who shares says with whom.
    let psaps = site.rows(&["psaps"]);
    assert_eq!(psaps[0]["id"], "P-1");
    assert!(psaps.as_array().unwrap().last().unwrap()["id"].is_null());
    let shares = psaps.as_array().unwrap().iter().find(|row| row["id"] == "shares").unwrap();
    assert_eq!(shares["shared_with"], "hosted-west-with-a-long-id");

    let drops = site.rows(&["drops"]);
    assert_eq!(drops[0]["id"], "P-1");
    assert_eq!(drops[0]["reason"], "denied");
    assert_eq!(drops[0]["dropped_packets"], 1);
    assert_eq!(site.rows(&["drops", "--psap", "shares"]), Value::Array(Vec::new()));
    assert_eq!(site.rows(&["drops", "--psap", "P-1"]), drops);
}

/// G3: what `status` totals is what `psaps` lists, and both are what was sent.
#[test]
fn totals_are_the_sum_of_the_rows() {
    let Some(site) = crowd() else { return };
    let (rows, status) = (site.rows(&["psaps"]), site.status());
    for field in ["passed_packets", "dropped_packets", "protected_packets", "passed_bytes"] {
        let sum: u64 = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| if row["shared_with"].is_null() { row[field].as_u64().unwrap() } else { 0 })
            .sum();
        assert_eq!(status["totals"][field], sum, "{field}");
    }
    assert_eq!(status["totals"]["dropped_packets"], 1);
    assert_eq!(status["totals"]["protected_packets"], 2, "the carrier's: {CARRIER}");
}

/// No line of a table is wider than a terminal, whatever an operator wrote; nobody's
/// administrative number is shown.
#[test]
fn tables_fit_a_terminal() {
    let Some(site) = crowd() else { return };
    for verb in READING {
        let answer = site.guard(verb).done();
        assert!(!answer.out.contains("4135550199"), "{verb:?} shows a number");
        for line in answer.out.lines() {
            // A path is as long as it is.
            if !line.starts_with("File ") {
                assert!(line.chars().count() <= WIDTH, "{verb:?} is too wide: {line}");
            }
            assert!(!line.ends_with(' ') && !line.contains('\x1b'), "{verb:?}: {line:?}");
        }
    }
}

/// 6,000 PSAPs fit: they load within seconds, and every verb works.
#[test]
fn six_thousand_psaps_fit() {
    if !require_bpf() {
        return;
    }
    let site = Site::new();
    let mut text = site.config();
    for number in 0..MANY - 1 {
        let (high, low) = (number / 250, number % 250 + 1);
        let _ = write!(
            text,
            "[[psap]]\nid = 'US-{number:04}'\nname = 'Dispatch centre {number}'\n\
             services = ['10.0.{high}.{low}:5060/udp', '10.0.{high}.{low}:5061/tls']\n\
             media = ['10.0.{high}.{low}:16384-32767']\n"
        );
    }
    site.configure(&text);
    let started = Instant::now();
    let daemon = site.start();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(40), "loading took {took:?}");
    assert_eq!(site.status()["configured"]["psaps"], MANY);
    assert!(site.passes(STRANGERS[0]));
    assert_eq!(site.count("P-1", "protected_packets"), 1);
    for verb in READING {
        let started = Instant::now();
        let answer = site.guard(verb).done();
        assert!(started.elapsed() < Duration::from_secs(40), "{verb:?}: {:?}", started.elapsed());
        assert!(
            answer
                .out
                .lines()
                .all(|line| { line.starts_with("File ") || line.chars().count() <= WIDTH })
        );
    }
    assert_eq!(site.rows(&["psaps"]).as_array().unwrap().len(), MANY + 1);
    let add = ["psap", "add", "P-2", "--service", "198.51.100.11:5060/udp"];
    let _ = site.guard(&add).done();
    assert_eq!(site.status()["configured"]["psaps"], MANY + 1);
    assert_eq!(site.count("P-1", "protected_packets"), 1, "counted on over the swap");
    daemon.kill();
    let daemon = site.start();
    daemon.logs("adopted");

    // Whoever reads only the beginning is no error of ours.
    for verb in [&["psaps"][..], &["psaps", "--json"], &["psap", "list"]] {
        let mut command = site.command(verb);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 16]).unwrap();
        drop(output);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let _ = child.wait().unwrap();
        assert_eq!(said, "", "{verb:?} into a closed pipe");
    }
}

#[test]
fn every_verb_has_help() {
    let help = guard(&["--help"]).done().out;
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "no {verb} in: {help}");
        for flag in ["--help", "-h"] {
            let own = guard(&[verb, flag]).done().out;
            assert!(own.contains("Usage:"), "{own}");
            assert!(own.lines().all(|line| line.chars().count() <= WIDTH), "{verb}: {own}");
        }
    }
    for (code, meaning) in [
        (0, "done"),
        (2, "wrong arguments"),
        (3, "wrong configuration"),
        (4, "no guard loaded"),
        (5, "not permitted"),
        (6, "held by somebody else"),
        (7, "refused"),
        (8, "refused by a gate"),
        (9, "differences"),
    ] {
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&code.to_string()) && words.contains(meaning), "{words}");
    }
    assert!(guard(&["--version"]).done().out.starts_with("guard "));
}

/// Wrong arguments are exit code 2, name what is wrong and touch nothing.
#[test]
fn wrong_arguments_are_exit_code_2() {
    for (arguments, word) in [
        (&[][..], "Usage"),
        (&["launch"], "launch"),
        (&["status", "--jsno"], "--jsno"),
        (&["mode"], "Usage"),
        (&["mode", "drop"], "drop"),
        (&["bypass"], "Usage"),
        (&["bypass", "maybe"], "maybe"),
        (&["deny", "add", "192.0.2.1"], "--reason"),
        (&["deny", "add", "--reason", "r"], "<SOURCE>"),
        (&["deny", "add", "not-an-address", "--reason", "r"], "not-an-address"),
        (&["deny", "add", "0.0.0.0/0", "--reason", "r"], "0.0.0.0/0"),
        (&["deny", "add", "192.0.2.1/24", "--reason", "r"], "192.0.2.0/24"),
        (&["deny", "add", "192.0.2.1", "--reason", "r", "--for", "soon"], "soon"),
        (&["deny", "add", "192.0.2.1", "--reason", "r", "--service", "5060/xyz"], "5060/xyz"),
        (&["deny", "add", "192.0.2.1", "--reason", "r", "--service", "99999/udp"], "99999"),
        (&["psap", "add", "P-1", "--service", "198.51.100.10"], "198.51.100.10"),
        (&["peer", "add", "x"], "--address"),
        (&["status", "extra"], "extra"),
        (&["apply", "f", "--confirm-within", "0s"], "such as 5m"),
        (&["apply", "f", "--confirm-within", "99999999y"], "such as 5m"),
        (&["apply", "f", "--force"], "--reason"),
        (&["rollback", "0"], "0"),
    ] {
        let Answer { code, out, err } = guard(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{err}");
        assert!(err.contains(word), "{arguments:?}: no {word:?} in {err}");
        assert!(out.is_empty(), "{arguments:?}: {out}");
    }
}

/// A time that has no end in any calendar is a wrong argument, not a panic.
#[test]
fn absurd_times_are_refused() {
    let Some(site) = crowd() else { return };
    for time in ["584000000000y", "99999999y", "8000y", "0s"] {
        let deny = ["deny", "add", "192.0.2.1", "--reason", "r", "--for", time];
        let Answer { code, err, .. } = site.guard(&deny);
        assert_eq!(code, Some(2), "{time}: {err}");
    }
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 3);
    let long = ["deny", "add", "192.0.2.1", "--reason", "r", "--for", "100y"];
    let _ = site.guard(&long).done();
    assert_eq!(site.rows(&["deny", "list"]).as_array().unwrap().len(), 4);
}
