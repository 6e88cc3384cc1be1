//! G4: `kill -9` at every step of every change, while calls and a flood go on.
//!
//! The steps are the system calls that a change makes, in their order, as strace lists them; at
//! each the process is killed before the kernel carries it out. A run takes as many of them as
//! fit into its time, those that leave something behind first, and begins elsewhere each time;
//! `GUARD_FAULTS=all` takes every one.

use std::fs;
use std::path::PathBuf;
use std::process::id;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{Answer, Daemon, Site, answer};
use guard_tests::strace::{self, Step};

use crate::scene::{holds, is_full, settles, site, text};
use crate::traffic::Traffic;

/// How long a sweep over the steps of one verb may take, unless all are asked for.
const TIME: Duration = Duration::from_secs(30);

fn traced(site: &Site, before: &[String], arguments: &[String]) -> Answer {
    let mut starter = vec!["timeout", "60"];
    starter.extend(before.iter().map(String::as_str));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    answer(&mut site.command_by(&starter, &arguments))
}

/// Those steps first that leave something behind, then the others; each beginning elsewhere in
/// every run.
fn in_turn(steps: Vec<Step>) -> Vec<Step> {
    let (mut lasting, mut others): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(Step::is_lasting);
    if !is_full() {
        for part in [&mut lasting, &mut others] {
            let by = id() as usize % part.len().max(1);
            part.rotate_left(by);
        }
    }
    // Far apart: what is left over has all of a change in it.
    let spread = |part: Vec<Step>| -> Vec<Step> {
        if is_full() {
            return part;
        }
        (0..7).flat_map(|first| part.iter().skip(first).step_by(7).cloned().collect::<Vec<_>>())
            .collect()
    };
    let mut turn = spread(lasting);
    turn.extend(spread(others));
    turn
}

/// A change as one would type it, again and again: what to type in a round, and the configuration
/// that is live if it gets to its end.
struct Verb {
    name: &'static str,
    typed: fn(&Site, u32) -> (Vec<String>, String),
}

/// Kills a verb at one step after the other.
fn sweep(verb: &Verb) {
    let Some(site) = site() else { return };
    let mut daemon = Some(site.start());
    let traffic = Traffic::start(&site);
    let list = site.path("steps");
    let (typed, mut live) = (verb.typed)(&site, 1);
    let _ = traced(&site, &strace::listing(&list), &typed).done();
    let steps = in_turn(strace::steps(&list, "\0").unwrap());
    let (all, begun, mut kills, mut whole) = (steps.len(), Instant::now(), 0, 0);
    for (round, step) in (2..).zip(steps) {
        if !is_full() && begun.elapsed() > TIME {
            break;
        }
        let when = format!("{} killed at {} {}: {}", verb.name, step.call, step.number, step.line);
        let (typed, next) = (verb.typed)(&site, round);
        let answer = traced(&site, &strace::killing(&step), &typed);
        match answer.code {
            // The tail of the list may be shorter this time.
            Some(0) => whole += 1,
            None | Some(137) => kills += 1,
            other => panic!("{when}: {other:?}: {}{}", answer.out, answer.err),
        }
        holds(&site, &when);
        assert_eq!(traffic.leaked(), 0, "{when}");
        // Every third time the daemon is gone, too, and its next start finds what there is;
        // otherwise it is the living one that sees to it.
        if kills % 3 == 0 {
            daemon.take().into_iter().for_each(Daemon::kill);
            holds(&site, &when);
            let started = site.start();
            let log = started.log();
            assert!(log.contains("adopted") || log.contains("replaced"), "{when}: {log}");
            daemon = Some(started);
        }
        live = settles(&site, [live, next], &when);
    }
    eprintln!(
        "{}: killed at {kills} of {all} steps in {:.0?}, {whole} got through; {} call frames",
        verb.name,
        begun.elapsed(),
        traffic.calls()
    );
    assert!(kills > 5, "too few to say anything: {kills}");
    counted(&site, traffic);
    drop(daemon);
}

/// Every frame arrived, and is counted once, for its own PSAP.
fn counted(site: &Site, traffic: Traffic) {
    let told = traffic.stop();
    for (id, calls) in ["P-1", "P-2"].into_iter().zip(told.calls) {
        assert_eq!(site.count(id, "protected_packets"), calls, "{id}");
    }
    assert_eq!(site.count("P-1", "dropped_packets"), told.flood);
    assert_eq!(site.count("P-2", "dropped_packets"), 0);
    for row in site.json(&["psaps"]).as_array().unwrap() {
        if row["id"] == "A-0" {
            assert_eq!(row["protected_packets"], 0, "{row}");
        }
    }
}

/// The file of a round, written.
fn file(site: &Site, round: u32) -> PathBuf {
    let path = site.path("next.toml");
    fs::write(&path, text(site, round)).unwrap();
    path
}

#[test]
fn an_apply_killed_at_any_step_is_whole_or_nothing() {
    sweep(&Verb {
        name: "apply",
        typed: |site, round| {
            let file = file(site, round).to_string_lossy().into_owned();
            (vec!["apply".to_owned(), file], text(site, round))
        },
    });
}
