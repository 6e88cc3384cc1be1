#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::net::IpAddr;
use std::time::SystemTime;

use super::fail_safe::own_way_in;
use super::operator::Origin;
use super::*;
use crate::config::Format;
use crate::diff;

const BASE: &str = "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n\
    [[management]]\nid = 'noc'\naddresses = ['192.0.2.128/26']\n";

fn config(psaps: std::ops::Range<u8>, peers: std::ops::Range<u8>) -> Config {
    let mut text = BASE.to_owned();
    for number in psaps {
        text += &format!("[[psap]]\nid = 'P-{number}'\nservices = ['10.0.0.{number}:5060/udp']\n");
    }
    for number in peers {
        text += &format!("[[peer]]\nid = 'C-{number}'\naddresses = ['10.0.1.{number}']\n");
    }
    Config::parse("t", &text, Format::Toml).unwrap()
}

fn passed(cause: Cause, before: &Config, after: &Config, force: bool) -> Result<(), Vec<String>> {
    let differences = diff::of(before, after, SystemTime::now().into());
    let trial = Trial {
        cause,
        differences: &differences,
        before: Some(before),
        after,
        mode: Mode::Monitor,
        force,
    };
    match pass(&trial) {
        Ok(_) => Ok(()),
        Err(GateError::Refused(Refused { findings })) => {
            Err(findings.into_iter().map(|finding| finding.text).collect())
        }
        Err(GateError::Config(error)) => Err(vec![error.to_string()]),
    }
}

/// An empty file is no configuration, whoever forces it; nothing on top of nothing is.
#[test]
fn a_file_that_says_nothing_takes_nothing_away() {
    let (mut all, nothing) = (config(1..9, 1..4), Config::default());
    for cause in [Cause::Apply, Cause::RollBack] {
        let reasons = passed(cause, &all, &nothing, true).unwrap_err();
        assert!(reasons[0].contains("off everywhere"), "{reasons:?}");
    }
    assert_eq!(passed(Cause::Renewal, &nothing, &nothing, false), Ok(()));
    assert_eq!(passed(Cause::Apply, &nothing, &all, false), Ok(()));
    nothing.validate_as(Mode::Enforce).unwrap_err();
    all.interface.clear();
    all.validate().unwrap_err();
}

#[test]
fn many_that_go_at_once_need_a_persons_word() {
    let all = config(1..9, 1..4);
    for (after, reason) in [
        (config(1..2, 1..4), "7 of 8 psap"),
        (config(1..7, 1..4), "2 of 8 psap"),
        (config(1..9, 1..2), "2 of 3 peer"),
        (config(1..9, 1..1), "no peer at all"),
    ] {
        let reasons = passed(Cause::Apply, &all, &after, false).unwrap_err();
        assert!(reasons.iter().any(|text| text.contains(reason)), "{reasons:?}");
        assert_eq!(passed(Cause::Apply, &all, &after, true), Ok(()));
        assert_eq!(passed(Cause::RollBack, &all, &after, false), Ok(()));
    }
    for after in [config(1..8, 1..4), config(1..9, 1..3), config(1..20, 1..9)] {
        assert_eq!(passed(Cause::Apply, &all, &after, false), Ok(()));
    }
}

#[test]
fn no_force_overrides_what_is_wrong() {
    let mut wrong = config(1..3, 1..2);
    wrong.psap[1].id = wrong.psap[0].id.clone();
    assert!(passed(Cause::Apply, &config(1..3, 1..2), &wrong, true).is_err());
    let finding = Finding {
        gate: Gate::FailSafe,
        severity: Severity::Final,
        text: "t".to_owned(),
        next: "n".to_owned(),
    };
    let mut passed = Passed::new(Cause::Apply, true);
    let error = passed.judge(|| Ok::<_, Refused>(vec![finding])).unwrap_err().to_string();
    assert!(error.contains("\n  next: n") && !error.contains("--force"), "{error}");
}

/// What is live goes on, whatever a younger guard thinks of it.
#[test]
fn what_is_live_is_told_and_not_refused() {
    let mut wrong = config(1..3, 1..2);
    wrong.psap[1].id = wrong.psap[0].id.clone();
    let trial = Trial {
        cause: Cause::Renewal,
        differences: &[],
        before: Some(&wrong),
        after: &wrong,
        mode: Mode::Enforce,
        force: false,
    };
    let findings = pass(&trial).unwrap().findings();
    assert_eq!(findings[0].severity, Severity::Note);
    assert!(findings[0].text.contains("would be refused"), "{findings:?}");
    assert!(pass(&Trial { cause: Cause::Apply, ..trial }).is_err());
}

#[test]
fn enforcing_must_not_limit_who_switches_it_on() {
    let after = config(1..3, 1..2);
    let found = |cause, mode, origin| {
        let trial =
            Trial { cause, differences: &[], before: None, after: &after, mode, force: false };
        own_way_in(&trial, origin).map(|finding| finding.severity)
    };
    let remote = |text: &str| Origin::Remote(text.parse::<IpAddr>().unwrap());
    let (inside, outside) = (remote("192.0.2.130"), remote("192.0.2.9"));
    for cause in [Cause::Start, Cause::Apply, Cause::Enforce] {
        assert_eq!(found(cause, Mode::Enforce, outside), Some(Severity::Final), "{cause:?}");
        assert_eq!(found(cause, Mode::Enforce, inside), None);
        assert_eq!(found(cause, Mode::Enforce, Origin::Here), None);
        assert_eq!(found(cause, Mode::Enforce, Origin::Unknown), Some(Severity::Note));
        assert_eq!(found(cause, Mode::Monitor, outside), None);
    }
    assert_eq!(found(Cause::RollBack, Mode::Enforce, outside), Some(Severity::Note));
    for cause in [Cause::Renewal, Cause::Entry] {
        assert_eq!(found(cause, Mode::Enforce, outside), None, "{cause:?}");
    }
    // Not now, but after the next reboot.
    let mut enforcing = after.clone();
    enforcing.guard.mode = Mode::Enforce;
    let trial = Trial {
        cause: Cause::Apply,
        differences: &[],
        before: Some(&after),
        after: &enforcing,
        mode: Mode::Monitor,
        force: false,
    };
    let severity = |trial: &Trial<'_>| own_way_in(trial, outside).map(|finding| finding.severity);
    assert_eq!(severity(&trial), Some(Severity::Final));
    assert_eq!(severity(&Trial { before: Some(&enforcing), ..trial }), Some(Severity::Note));
    // Limited already: a change that may help must not be refused for it.
    let trial = Trial {
        cause: Cause::Apply,
        differences: &[],
        before: Some(&config(1..3, 1..1)),
        after: &after,
        mode: Mode::Enforce,
        force: false,
    };
    let mut before = trial.before.unwrap().clone();
    assert_eq!(severity(&trial), Some(Severity::Note));
    before.management[0].addresses.push("192.0.2.9".parse().unwrap());
    assert_eq!(severity(&Trial { before: Some(&before), ..trial }), Some(Severity::Final));
}
