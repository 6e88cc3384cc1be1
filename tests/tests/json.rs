//! docs/json.md says what the verbs say: neither has a field, or a type, that the other lacks.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use guard_tests::captures::{ETHERNET, Order, Pcap};
use guard_tests::guard_process::{CARRIER, PSAP, SIP, STRANGERS, Site, eventually};
use guard_tests::packet::udp;
use guard_tests::privilege::require_bpf;
use guard_user::report::SCHEMA;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/json.md");
/// The section about what is in every answer.
const EVERY: &str = "Every answer";

/// A documented field.
struct Field {
    types: Vec<String>,
    /// Whether every answer has it.
    is_usual: bool,
}

type Fields = BTreeMap<String, Field>;

/// The fields by section: a verb, or what is in every answer.
fn documented() -> BTreeMap<String, Fields> {
    let mut sections = BTreeMap::new();
    for section in DOCUMENT.split("\n## ").skip(1) {
        let (title, text) = section.split_once('\n').unwrap();
        let title = title.trim_matches('`').trim_start_matches("guard ");
        let fields = text.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
            let path = cells.next()?.trim_end_matches('`').to_owned();
            let types = cells.next()?.split(" or ").map(str::to_owned).collect();
            let is_usual = !cells.next()?.starts_with("when ");
            Some((path, Field { types, is_usual }))
        });
        let before = sections.insert(title.to_owned(), fields.collect::<Fields>());
        assert!(before.is_none(), "{title} twice");
    }
    sections
}

/// Paths and types of all that a value has.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    let kind = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{name}"), found);
            }
            return;
        }
        Value::Array(items) => {
            items.iter().for_each(|item| leaves(item, &format!("{path}[]"), found));
            return;
        }
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
    };
    found.insert((path.to_owned(), kind));
}

/// The documented field that a path is.
fn field<'a>(fields: &'a Fields, path: &str) -> Option<(&'a String, &'a Field)> {
    let is_it = |name: &String| match name.strip_suffix('*') {
        Some(begin) => path.starts_with(begin),
        None => name == path,
    };
    fields.iter().find(|(name, _)| is_it(name))
}

/// What verbs said, and what of it was documented.
struct Told {
    sections: BTreeMap<String, Fields>,
    seen: BTreeSet<(String, String)>,
}

impl Told {
    #[track_caller]
    fn holds(&mut self, section: &str, answer: &Value) {
        assert_eq!(answer.get("schema"), Some(&SCHEMA.into()), "{section}: {answer}");
        let mut found = BTreeSet::new();
        leaves(answer, "", &mut found);
        for (path, kind) in found {
            let both = [section, EVERY].map(|name| &self.sections[name]);
            let known = both.into_iter().find_map(|fields| field(fields, &path));
            let Some((name, known)) = known else {
                panic!("`{path}` of `guard {section}` is not in docs/json.md: {answer:#}");
            };
            let fits = known.types.iter().any(|known| known == kind || known == "any");
            assert!(fits, "`{path}` of `guard {section}` is documented as no {kind}");
            self.seen.insert((section.to_owned(), name.clone()));
        }
    }
}

fn configure(site: &Site) {
    let [denied, limited, allowed] = STRANGERS;
    site.configure(&format!(
        "{}\n[[psap]]\nid = 'P-2'\nservices = ['198.51.100.11:5060/udp']\n\
         [[deny]]\nsource = '{denied}'\nowner = 'noc'\nreason = 'scanner'\n\
         [[allow]]\nsource = '{allowed}'\nowner = 'noc'\nreason = 'tests'\n\
         [limits.sip]\nper-source = '1/s'\nper-source-burst = 1\n# {limited}\n",
        site.config(),
    ));
}

/// Traffic of everybody, and a change of everything that can change live.
fn live(site: &Site) {
    let service = site.listen(PSAP, SIP);
    for stranger in STRANGERS {
        for _ in 0..5 {
            site.speak(stranger).send_to(b"junk", (PSAP, SIP)).unwrap();
        }
    }
    site.speak(CARRIER).send_to(b"hello", (PSAP, SIP)).unwrap();
    drop(service);
    let _ = site.guard(&["mode", "monitor", "--reason", "a test"]).done();
    let _ = site.guard(&["mode", "enforce"]).done();
}

/// What verbs are asked about.
struct Files {
    /// A configuration that is not live.
    other: String,
    /// The live one's file.
    live: String,
    /// Frames that fare otherwise by the other configuration.
    capture: String,
    /// The registry that is shipped.
    registry: String,
    /// Addresses of some of its PSAPs, and a line that does not fit.
    addresses: String,
    /// Where entries may be written.
    out: String,
}

impl Files {
    fn write(site: &Site) -> Self {
        let example = |name| format!("{}/../docs/examples/{name}", env!("CARGO_MANIFEST_DIR"));
        let frames = [STRANGERS[0], CARRIER]
            .map(|from| udp(&format!("{from}:{SIP}"), &format!("{PSAP}:{SIP}"), "hello").frame());
        let capture = Pcap::new(Order::Little, true, ETHERNET);
        let capture = frames.iter().fold(capture, |capture, frame| capture.frame(911, frame));
        let all = fs::read_to_string(example("addresses.csv")).unwrap();
        let mut addresses: Vec<&str> = all.lines().take(5).collect();
        addresses.push("nobody,,\n");
        let write = |name: &str, bytes: &[u8]| {
            let path = site.path(name);
            fs::write(&path, bytes).unwrap();
            path.to_string_lossy().into_owned()
        };
        Self {
            other: write("other.toml", site.config().as_bytes()),
            live: site.file().to_string_lossy().into_owned(),
            capture: write("calls.pcap", &capture.bytes),
            registry: example("registry.csv"),
            addresses: write("addresses.csv", addresses.join("\n").as_bytes()),
            out: site.path("psaps.toml").to_string_lossy().into_owned(),
        }
    }

    /// The verb of a section with what it has to be told; `None` of what speaks in lines.
    fn words<'a>(&'a self, section: &'a str) -> Option<Vec<&'a str>> {
        let Self { other, live, capture, registry, addresses, .. } = self;
        let mut words: Vec<&str> = section.split(' ').collect();
        match section {
            "drops --follow" | "replay --frames" => return None,
            "diff" => words.push(other),
            "explain" => words.extend(["udp", "198.51.100.66:5060", "198.51.100.10:5060"]),
            "replay" => words.extend([capture.as_str(), "--config", other]),
            "psap import" => words.extend([registry, "--addresses", addresses, "--dry-run"]),
            "doctor" => words.extend(["--config", live]),
            "check" => words.push(live),
            _ => {}
        }
        Some(words)
    }
}

/// What a verb says of a file that is not live, or in lines.
fn otherwise(told: &mut Told, site: &Site, files: &Files) {
    let Files { other, capture, registry, addresses, out, .. } = files;
    let mut words = files.words("explain").unwrap();
    words.extend(["--config", other]);
    told.holds("explain", &site.json(&words));
    told.holds("explain", &site.json(&["explain", capture, "--frame", "2"]));
    told.holds("replay", &site.json(&["replay", capture]));
    for (config, code) in [(&[][..], 0), (&["--config", other], 9)] {
        let words = [&["replay", capture, "--frames", "--json"], config].concat();
        let answer = site.guard(&words);
        assert_eq!(answer.code, Some(code), "{answer:?}");
        let lines: Vec<&str> = answer.out.lines().collect();
        let [frames @ .., summary] = &*lines else { panic!("no lines") };
        assert_eq!(frames.len(), 2);
        for frame in frames {
            told.holds("replay --frames", &serde_json::from_str(frame).unwrap());
        }
        told.holds("replay", &serde_json::from_str(summary).unwrap());
    }
    let words = ["psap", "import", registry, "--addresses", addresses, "--out", out];
    told.holds("psap import", &site.json(&words));
    told.holds("doctor", &site.json(&["doctor", "--config", "/nowhere"]));
}

#[test]
fn every_reading_verb_says_what_is_documented() {
    if !require_bpf() {
        return;
    }
    let site = Site::new();
    configure(&site);
    let mut told = Told { sections: documented(), seen: BTreeSet::new() };
    let daemon = site.start();
    let mut command = site.command(&["drops", "--follow", "--json"]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    // It begins with what comes from now on, and nothing tells when.
    std::thread::sleep(Duration::from_secs(4));
    live(&site);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    told.holds("drops --follow", &serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
    let _ = following.kill();
    let _ = following.wait();
    assert!(eventually(Duration::from_secs(20), || {
        site.guard(&["psaps", "--since", "1h"]).code == Some(0)
    }));
    let files = Files::write(&site);
    let all = |told: &mut Told| {
        let sections: Vec<String> = told.sections.keys().cloned().collect();
        for section in sections.iter().filter(|section| *section != EVERY) {
            let Some(words) = files.words(section) else { continue };
            let answer = site.guard(&[&words[..], &["--json"]].concat());
            let differs = ["diff", "replay"].contains(&section.as_str());
            assert_eq!(answer.code, Some(if differs { 9 } else { 0 }), "{section}: {answer:?}");
            told.holds(section, &answer.json());
        }
    };
    all(&mut told);
    otherwise(&mut told, &site, &files);
    for verb in ["psaps", "drops"] {
        told.holds(verb, &site.json(&[verb, "--since", "1h"]));
    }
    let _ = site.guard(&["bypass", "on", "--for", "10m", "--reason", "a test"]).done();
    told.holds("status", &site.status());
    // With the daemon dead the same.
    daemon.kill();
    all(&mut told);
    for (section, fields) in &told.sections {
        for (path, _) in fields.iter().filter(|(_, field)| field.is_usual && section != EVERY) {
            let seen = told.seen.contains(&(section.clone(), path.clone()))
                // A null that is not null is an object, whose fields are documented.
                || fields.keys().any(|name| name.starts_with(&format!("{path}.")));
            assert!(seen, "`{path}` of `guard {section}` is documented, and was never said");
        }
    }
}

/// Whoever gives a verb `--json` documents it.
#[test]
fn every_verb_with_json_is_documented() {
    let help = |words: &[&str]| {
        let mut command = std::process::Command::new(guard_tests::guard_process::binary());
        let output = command.args(words).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let verbs = |text: &str| -> Vec<String> {
        let commands = text.split("Commands:\n").nth(1).unwrap_or_default();
        let commands = commands.lines().take_while(|line| !line.is_empty());
        let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
        names.filter(|name| name != "help").collect()
    };
    let documented = documented();
    let mut checked = 0;
    for verb in verbs(&help(&[])) {
        let text = help(&[&verb]);
        let mut said: Vec<(String, String)> = verbs(&text)
            .into_iter()
            .map(|sub| (format!("{verb} {sub}"), help(&[&verb, &sub])))
            .collect();
        said.push((verb, text));
        for (name, text) in said.iter().filter(|(_, text)| text.contains("--json")) {
            assert!(documented.contains_key(name), "`guard {name} --json` is not in docs/json.md");
            assert!(text.contains("Usage:"));
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked}");
}
