//! A wrong configuration: one error that names the place, the reason and the next step, exit code
//! 3, nothing pinned, nothing attached. `guard check` and `guard run` say the same.
//!
//! `check` needs no privilege, so most of this runs everywhere.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use guard_tests::guard_process::{Answer, Site, answer, binary};
use guard_tests::privilege::require_bpf;

/// A configuration that is right; cases add what is wrong.
const BASE: &str = "\
[[interface]]
name = 'wan0'
role = 'trusted'
[[psap]]
id = 'P-1'
services = ['198.51.100.10:5060/udp']
[[peer]]
id = 'carrier'
addresses = ['198.51.100.20']
";

/// What is added to [`BASE`], the line of it that the error must point to, and words of the error.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Every class of error that the issue names, and some more.
const CASES: &[Case<'_>] = &[
    // Unknown and misspelled keys, in every kind of place.
    (
        "[[psap]]\nid = 'P-2'\nsevices = []\n",
        "sevices = []",
        &["unknown key", "sevices", "services"],
    ),
    ("[colours]\n", "[colours]", &["unknown key", "colours"]),
    ("[guard]\nmood = 'enforce'\n", "mood = 'enforce'", &["unknown key", "mood", "mode"]),
    ("[limits.sipp]\nper-source = '1/s'\n", "[limits.sipp]", &["sipp"]),
    // Labels that would label nothing, or nothing in particular.
    ("[labels]\nmark = 0\n", "mark = 0", &["mark of 0", "another number"]),
    ("[labels]\nmark = 911\npriority = 0\n", "priority = 0", &["priority of 0"]),
    ("[samples]\nkeep = '25h'\n", "keep = '25h'", &["kept for 1day 1h", "1h to 24h"]),
    ("[labels]\ncolour = 1\n", "colour = 1", &["unknown key", "colour", "priority"]),
    // Duplicates that contradict each other.
    (
        "[[psap]]\nid = 'P-1'\nservices = ['198.51.100.11:5060/udp']\n",
        "id = 'P-1'",
        &["P-1", "more than one psap"],
    ),
    (
        "[[psap]]\nid = 'P-2'\nservices = ['198.51.100.10:5060/udp']\n",
        "services = ['198.51.100.10:5060/udp']",
        &["P-2", "P-1"],
    ),
    (
        "[[peer]]\nid = 'P-1'\naddresses = ['203.0.113.1']\n",
        "id = 'P-1'",
        &["P-1", "psap with this id"],
    ),
    ("[[interface]]\nname = 'wan0'\nrole = 'untrusted'\n", "[[interface]]", &["wan0", "twice"]),
    (
        "[[allow]]\nsource = '192.0.2.1'\nowner = 'o'\nreason = 'r'\n\
         [[deny]]\nsource = '192.0.2.1'\nowner = 'o'\nreason = 'r'\n",
        "[[deny]]",
        &["192.0.2.1", "allowed and denied"],
    ),
    // Empty entries.
    ("[[peer]]\nid = 'x'\naddresses = []\n", "[[peer]]", &["x", "empty"]),
    (
        "[[support]]\nid = 'x'\naddresses = ['192.0.2.1']\nports = []\n",
        "[[support]]",
        &["x", "empty"],
    ),
    ("[[tunnel]]\nid = 'x'\naddresses = []\nkinds = ['esp']\n", "[[tunnel]]", &["x", "empty"]),
    ("[[management]]\nid = 'x'\naddresses = []\n", "[[management]]", &["x", "empty"]),
    ("[[deny]]\nsource = ''\nowner = 'o'\nreason = 'r'\n", "source = ''", &["next"]),
    ("[[allow]]\n", "[[allow]]", &["source", "missing"]),
    // Entries that match everybody.
    (
        "[[peer]]\nid = 'x'\naddresses = ['0.0.0.0/0']\n",
        "addresses = ['0.0.0.0/0']",
        &["0.0.0.0/0", "everybody"],
    ),
    ("[[peer]]\nid = 'x'\naddresses = ['::/0']\n", "addresses = ['::/0']", &["::/0", "everybody"]),
    (
        "[[deny]]\nsource = '0.0.0.0/0'\nowner = 'o'\nreason = 'r'\n",
        "source = '0.0.0.0/0'",
        &["everybody"],
    ),
    ("[[allow]]\nsource = '::/0'\nowner = 'o'\nreason = 'r'\n", "source = '::/0'", &["everybody"]),
    (
        "[[management]]\nid = 'x'\naddresses = ['0.0.0.0/0']\n",
        "addresses = ['0.0.0.0/0']",
        &["everybody"],
    ),
    // A PSAP that nothing reaches.
    ("[[psap]]\nid = 'P-2'\n", "[[psap]]", &["P-2", "nothing reaches"]),
    (
        "[[psap]]\nid = 'P-2'\nsite = 'nowhere'\n",
        "site = 'nowhere'",
        &["P-2", "no site", "nowhere"],
    ),
    (
        "[[psap]]\nid = 'P-2'\nvia = 'nowhere'\n",
        "via = 'nowhere'",
        &["P-2", "no element", "nowhere"],
    ),
    // The fail-safe set, bindings, ranges, values.
    (
        "[[deny]]\nsource = '198.51.100.0/24'\nowner = 'o'\nreason = 'r'\n",
        "[[deny]]",
        &["fail-safe"],
    ),
    (
        "[[interface]]\nname = 'lan0'\nrole = 'untrusted'\n",
        "[[psap]]",
        &["P-1", "untrusted", "bind"],
    ),
    (
        "[[peer]]\nid = 'x'\naddresses = ['203.0.113.1']\nbind = ['lan9']\n",
        "bind = ['lan9']",
        &["lan9"],
    ),
    ("[guard]\nwatchdog = '1s'\n", "watchdog = '1s'", &["5s"]),
    ("[guard]\nmode = 'drop'\n", "mode = 'drop'", &["monitor", "enforce"]),
    (
        "[[peer]]\nid = 'x'\naddresses = ['203.0.113.300']\n",
        "addresses = ['203.0.113.300']",
        &["203.0.113.300"],
    ),
    (
        "[[peer]]\nid = 'x'\naddresses = ['203.0.113.1/24']\n",
        "addresses = ['203.0.113.1/24']",
        &["203.0.113.0/24"],
    ),
    (
        "[[psap]]\nid = 'P-2'\nservices = ['198.51.100.11:0/udp']\n",
        "services = ['198.51.100.11:0/udp']",
        &["port"],
    ),
    // No TOML at all.
    ("[[psap\n", "[[psap", &["next"]),
    ("= = =\n", "= = =", &["next"]),
];

fn check(file: &Path) -> Answer {
    answer(Command::new(binary()).arg("check").arg(file))
}

/// The line and column that an error names.
fn position(error: &str, file: &Path) -> Option<usize> {
    let rest = error.split_once(&format!("{}:", file.display()))?.1;
    rest.split_once(':')?.0.parse().ok()
}

/// Each class of error by `guard check`: place, reason, next step, exit code 3.
#[test]
fn check_names_place_reason_and_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guard.toml");
    let mut wrong = Vec::new();
    for (added, line, words) in CASES {
        let text = format!("{BASE}{added}");
        fs::write(&file, &text).unwrap();
        let error = check(&file).fails(3, words);
        let place = position(&error, &file);
        let named = place.and_then(|place| text.lines().nth(place.checked_sub(1)?));
        if named != Some(line) || error.lines().count() > 3 {
            wrong.push(format!("{line:?} is not where it says: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    fs::write(&file, BASE).unwrap();
    assert!(check(&file).done().out.contains("right; mode monitor"));
}

/// The same by `guard run`: refused before anything is pinned or attached.
#[test]
fn run_says_the_same_and_pins_nothing() {
    if !require_bpf() {
        return;
    }
    let site = Site::new();
    let path = site.file();
    for (added, _, words) in CASES {
        site.configure(&format!("{BASE}{added}"));
        let error = site.guard(&["run", "-c", &path.to_string_lossy()]).fails(3, words);
        assert_eq!(error, check(&path).err, "check and run disagree");
    }
    site.is_bare();
    assert!(!site.state().exists(), "nothing is written, either");
}

/// Files that are no configurations at all.
#[test]
fn files_that_are_no_configurations() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let binary: Vec<u8> = (0..=255u8).cycle().take(100_000).collect();
    for (name, bytes) in [
        ("empty.toml", Vec::new()),
        ("empty.json", Vec::new()),
        ("binary.toml", binary.clone()),
        ("binary.json", binary),
        ("nul.toml", vec![0; 4096]),
        ("brackets.json", b"[".repeat(1 << 20)),
        ("brackets.toml", [b"a = ".as_slice(), &b"[".repeat(1 << 20)].concat()),
        ("list.json", b"[1, 2, 3]".to_vec()),
        ("line.toml", b"x".repeat(1 << 20)),
        ("huge.toml", b"# padding\n".repeat(7 << 20)),
    ] {
        fs::write(path(name), bytes).unwrap();
        let error = check(&path(name)).fails(3, &[name]);
        assert!(error.len() < 1000, "{name}: an error of {} bytes", error.len());
    }
    check(&path("missing.toml")).fails(3, &["missing.toml", "No such file"]);
    check(directory.path()).fails(3, &["directory"]);
    check(Path::new("/dev/zero")).fails(3, &["/dev/zero", "64 MiB"]);
}

/// JSON with the same keys is read, and its errors are as good.
#[test]
fn json_is_read_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guard.json");
    let right = r#"{"interface": [{"name": "wan0", "role": "trusted"}],
        "psap": [{"id": "P-1", "services": ["198.51.100.10:5060/udp"]}]}"#;
    fs::write(&file, right).unwrap();
    let _ = check(&file).done();
    fs::write(&file, right.replace("services", "sevices")).unwrap();
    check(&file).fails(3, &["guard.json:2:", "sevices", "services"]);
}

/// The example in docs/ is right.
#[test]
fn the_example_is_right() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guard.example.toml");
    let _ = check(&example).done();
}
