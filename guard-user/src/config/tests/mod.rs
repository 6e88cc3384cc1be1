//! The rules, each broken once: the error must name the place, the reason and the next step.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::io::Write;

use super::*;

mod bounds;
mod parties;

const EXAMPLE: &str = include_str!("../../../../docs/guard.example.toml");

/// A configuration that is right; tests add what is wrong.
const BASE: &str = "
[[interface]]
name = 'lan0'
role = 'trusted'
[[psap]]
id = 'MA-0001'
services = ['198.51.100.10:5060/udp']
[[site]]
id = 'hosted'
services = ['198.51.100.16/30:5060/udp']
[[element]]
id = 'gateway'
kind = 'lpg'
services = ['198.51.100.30:5060/udp']
[[peer]]
id = 'carrier'
addresses = ['203.0.113.16/29']
";

fn parse(text: &str) -> Result<Config, ConfigError> {
    let config = Config::parse("guard.toml", text, Format::Toml)?;
    config.validate()?;
    Ok(config)
}

/// The error of the base with more text, checked for its place.
fn error(added: &str) -> ConfigError {
    match parse(&format!("{BASE}{added}")) {
        Ok(_) => panic!("no error: {added}"),
        Err(error) => {
            assert!(error.position.is_some(), "no line: {error}");
            assert!(!error.reason.is_empty() && !error.next.is_empty(), "{error}");
            assert!(error.to_string().lines().count() <= 3, "{error}");
            error
        }
    }
}

/// Asserts that added text is an error about an entry, for a reason, at the line that holds `line`.
#[track_caller]
fn rejects(added: &str, entry: &str, reason: &str, line: &str) {
    let error = error(added);
    assert_eq!(error.entry.as_deref(), Some(entry), "{error}");
    assert!(error.reason.contains(reason), "{error}");
    let found = error.position.and_then(|at| {
        let text = format!("{BASE}{added}");
        text.lines().nth(at.line - 1).map(str::to_owned)
    });
    assert!(found.as_ref().is_some_and(|found| found.contains(line)), "{error} is at {found:?}");
}

#[track_caller]
fn accepts(added: &str) -> Config {
    match parse(&format!("{BASE}{added}")) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_example_is_valid_in_both_modes_and_both_formats() {
    let config = parse(EXAMPLE).unwrap();
    config.validate_as(Mode::Enforce).unwrap();
    let json = serde_json::to_string_pretty(&config).unwrap();
    let again = Config::parse("guard.json", &json, Format::Json).unwrap();
    again.validate().unwrap();
    assert_eq!(again, config);
}

#[test]
fn the_example_shows_the_defaults() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.guard, Settings::default());
    for kind in guard_common::class::Kind::ALL {
        assert!(EXAMPLE.contains(&format!("#   {} ", kind.name())), "{kind:?}");
    }
    let sip =
        Limits(config.limits.0.into_iter().filter(|(kind, _)| kind.0.name() == "sip").collect());
    let kind = guard_common::class::Kind::Sip;
    assert_eq!(sip.specs(kind), Limits::default().specs(kind));
    assert_eq!(config.pins.specs(), Pins::default().specs());
    assert_eq!(config.bursts.specs(), Bursts::default().specs());
    assert_eq!(config.pins.open_for(), Pins::default().open_for());
}

#[test]
fn the_base_is_valid() {
    let config = accepts("");
    assert_eq!(config.guard.mode, Mode::Monitor);
    config.validate_as(Mode::Enforce).unwrap();
}

#[test]
fn unknown_keys_are_errors() {
    rejects("[[psap]]\nid = 'x'\nsevices = []", "psap \"x\"", "unknown key `sevices`", "sevices");
    assert!(error("[[psap]]\nid = 'x'\nsevices = []").next.contains("`services`"));
    let error = parse("[gaurd]\nmode = 'monitor'").unwrap_err();
    assert!(error.reason.contains("unknown key `gaurd`") && error.next.contains("`guard`"));
    let error = parse("[limits.emergency]\nper-source = '1/s'").unwrap_err();
    assert!(error.reason.contains("unknown kind of traffic"), "{error}");
}

#[test]
fn wrong_values_name_their_entry_and_line() {
    let psap = |key: &str| format!("[[psap]]\nid = 'x'\n{key}");
    rejects(&psap("services = ['198.51.100.99:5060']"), "psap \"x\"", "no transport", "services");
    rejects(
        &psap("services = ['a.example:5060/udp']"),
        "psap \"x\"",
        "not an IP address",
        "services",
    );
    rejects(&psap("services = ['198.51.100.99:0/udp']"), "psap \"x\"", "port 0", "services");
    rejects(&psap("admin = ['0800-CALL']"), "psap \"x\"", "telephone", "admin");
    rejects("[[psap]]\nid = 'two words'", "psap \"two words\"", "contains ' '", "two words");
    rejects("[[peer]]\nid = 'x'\naddresses = 5", "peer \"x\"", "invalid type", "addresses");
    rejects("[[peer]]\nid = 'x'", "peer \"x\"", "`addresses` is missing", "[[peer]]");
    rejects(
        "[[element]]\nid = 'x'\nkind = 'pbx'\nservices = []",
        "element \"x\"",
        "unknown variant",
        "kind",
    );
    let error = parse("[guard]\nmode = 'block'").unwrap_err();
    assert_eq!(error.position, Some(Position { line: 2, column: 8 }));
    assert!(error.next.contains("`enforce`") && error.entry.is_none(), "{error}");
}

#[test]
fn match_all_and_host_bits_are_errors_everywhere() {
    for (section, rest) in [
        ("peer", "id = 'x'\naddresses = ['{}']"),
        ("support", "id = 'x'\nports = ['53/udp']\naddresses = ['{}']"),
        ("tunnel", "id = 'x'\nkinds = ['esp']\naddresses = ['{}']"),
        ("management", "id = 'x'\naddresses = ['{}']"),
        ("neighbour", "id = 'x'\naddresses = ['{}']"),
        ("allow", "owner = 'o'\nreason = 'r'\nsource = '{}'"),
        ("deny", "owner = 'o'\nreason = 'r'\nsource = '{}'"),
        ("deny", "owner = 'o'\nreason = 'r'\nsource = '10.0.0.1'\ndestination = '{}'"),
    ] {
        for (value, reason) in [
            ("0.0.0.0/0", "matches every address"),
            ("::/0", "matches every address"),
            ("128.0.0.0/1", "matches"),
            ("", "empty"),
            ("192.0.2.1/24", "beyond its length"),
        ] {
            let error = error(&format!("[[{section}]]\n{}", rest.replace("{}", value)));
            assert!(error.reason.contains(reason), "{error}");
            assert!(error.entry.is_some_and(|entry| entry.starts_with(section)));
        }
        if !matches!(section, "allow" | "deny") {
            let error = error(&format!("[[{section}]]\n{}", rest.replace("'{}'", "")));
            assert!(error.reason.contains("empty"), "{error}");
        }
    }
    let next = error("[[peer]]\nid = 'x'\naddresses = ['192.0.2.1/24']").next;
    assert!(next.contains("192.0.2.0/24") && next.contains("192.0.2.1 "), "{next}");
}

#[test]
fn files_are_read_by_their_ending_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    };
    Config::load(&write("a.toml", BASE)).unwrap();
    let json = serde_json::to_string(&parse(BASE).unwrap()).unwrap();
    Config::load(&write("a.json", &json)).unwrap();
    let wrong = json.replace("198.51.100.10:5060/udp", "198.51.100.10:5060");
    let error = Config::load(&write("b.json", &wrong)).unwrap_err();
    assert!(error.reason.contains("no transport") && error.position.is_some(), "{error}");
    let error = Config::load(&directory.path().join("missing.toml")).unwrap_err();
    assert!(error.reason.contains("cannot be read"), "{error}");
    let path = write("large.toml", "");
    std::fs::File::create(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert!(Config::load(&path).unwrap_err().reason.contains("larger than 64 MiB"));
}

#[test]
fn a_contradiction_in_json_has_a_line() {
    let mut config = parse(BASE).unwrap();
    config.psap.push(PsapEntry::new("lonely".parse().unwrap()));
    let json = serde_json::to_string_pretty(&config).unwrap();
    let config = Config::parse("guard.json", &json, Format::Json).unwrap();
    let error = config.validate().unwrap_err();
    let line = json.lines().nth(error.position.unwrap().line - 1).unwrap();
    assert!(line.contains("lonely"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<MediaSpec>();
        let _ = text.parse::<AclService>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Rate>();
    }

    #[test]
    fn no_damage_to_the_example_panics(at in 0..EXAMPLE.len(), length in 0usize..40, with in "[\\PC]{0,3}") {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
        if let Ok(text) = String::from_utf8(bytes)
            && let Err(error) = parse(&text)
        {
            proptest::prop_assert!(error.to_string().lines().count() <= 3);
        }
    }
}
