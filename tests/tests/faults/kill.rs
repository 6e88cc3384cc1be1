//! G4: `kill -9` at every step of every change, while calls and a flood go on.
//!
//! The steps are the system calls that a change makes, in their order, as strace lists them; at
//! each the process is killed before the kernel carries it out. A run takes as many of them as
//! fit into its time, those that leave something behind first, and begins elsewhere each time;
//! `GUARD_FAULTS=all` takes every one.

use std::fs;
use std::process::id;
use std::time::{Duration, Instant};

use aya::maps::{Array, Map, MapData};
use guard_common::abi::ABI_VERSION;
use guard_common::abi::state::switch;
use guard_tests::guard_process::{Answer, Daemon, PSAP, STRANGERS, Site, answer, eventually};
use guard_tests::strace::{self, Step};
use serde_json::Value;

use crate::scene::{SOON, guards, holds, is_full, settles, site, text};
use crate::traffic::{Told, Traffic};

/// How long a sweep over the steps of one change may take, unless all are asked for.
const TIME: Duration = Duration::from_secs(15);
/// As many say something, however slow the machine is.
const LEAST: u32 = 6;
/// How long a start may go on before it gets to its step: one that does not is killed then.
const KILLED: Duration = Duration::from_secs(12);

/// The steps of a change, and which of them were taken.
struct Sweep {
    name: &'static str,
    turn: std::vec::IntoIter<Step>,
    all: usize,
    lasting: usize,
    begun: Instant,
    kills: u32,
}

impl Sweep {
    fn over(name: &'static str, steps: Vec<Step>) -> Self {
        let lasting = steps.iter().filter(|step| step.is_lasting).count();
        let (all, turn) = (steps.len(), in_turn(steps).into_iter());
        Self { name, turn, all, lasting, begun: Instant::now(), kills: 0 }
    }

    /// The next step, and a text that says what is going on.
    fn next(&mut self) -> Option<(Step, String)> {
        if !is_full() && self.kills >= LEAST && self.begun.elapsed() > TIME {
            return None;
        }
        let step = self.turn.next()?;
        let when = format!("{} killed at {} {}: {}", self.name, step.call, step.number, step.line);
        Some((step, when))
    }

    /// Says how far it came; every frame of a call arrived.
    fn end(self, traffic: Traffic) -> Told {
        let Self { name, turn, all, lasting, begun, kills } = self;
        let told = traffic.stop();
        eprintln!(
            "{name}: killed {kills} times, at {} of {all} steps, {lasting} of which last, in {:.0?}; \
             {} frames of calls, {} of a flood",
            all - turn.len(),
            begun.elapsed(),
            told.calls.iter().sum::<u64>(),
            told.flood,
        );
        assert!(kills >= LEAST, "too few to say anything: {kills}");
        told
    }
}

/// Those steps first that leave something behind, then the others; far apart, and beginning
/// elsewhere in every run, so that whatever part there is time for has all of a change in it.
fn in_turn(steps: Vec<Step>) -> Vec<Step> {
    let (lasting, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.is_lasting);
    let spread = |mut part: Vec<Step>| {
        let by = id() as usize % part.len().max(1);
        part.rotate_left(by);
        let from = |first| part.iter().skip(first).step_by(7).cloned().collect::<Vec<_>>();
        (0..7).flat_map(from).collect::<Vec<_>>()
    };
    [spread(lasting), spread(others)].concat()
}

/// A change as one would type it.
struct Change {
    typed: Vec<String>,
    /// The configuration that is live before, and the one after.
    texts: [String; 2],
}

fn traced(site: &Site, before: &[String], arguments: &[String]) -> Answer {
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    answer(&mut site.command_by(&before, &arguments))
}

/// Kills a verb at one step after the other; the daemon lives, or is killed, too. `agrees` asserts
/// what else has to hold once the rest is whole.
fn sweep_verb(
    name: &'static str,
    change: impl Fn(&Site, u32, String) -> Change,
    agrees: impl Fn(&Site, &str),
) {
    let Some(site) = site() else { return };
    let mut daemon = Some(site.start());
    let traffic = Traffic::start(&site);
    let list = site.path("steps");
    let Change { typed, texts: [_, mut live] } = change(&site, 1, text(&site, 0));
    let _ = traced(&site, &strace::listing(&list), &typed).done();
    let mut sweep = Sweep::over(name, strace::steps(&list, "\0").unwrap());
    let mut round = 1;
    while let Some((step, when)) = sweep.next() {
        round += 1;
        let Change { typed, texts } = change(&site, round, live);
        let answer = traced(&site, &strace::killing(&step), &typed);
        // The end of the list may be another this time.
        assert!(matches!(answer.code, None | Some(0)), "{when}: {}{}", answer.out, answer.err);
        sweep.kills += u32::from(answer.code.is_none());
        holds(&site, &when);
        assert_eq!(traffic.leaked(), 0, "{when}");
        // Every other time the next start finds what there is, else the living daemon does.
        if round % 2 == 0 {
            daemon.take().into_iter().for_each(Daemon::kill);
            holds(&site, &when);
            daemon = Some(starts(&site, &when));
        }
        live = settles(&site, texts, &when);
        agrees(&site, &when);
    }
    sweep.end(traffic).counted(&site);
    drop(daemon);
}

fn starts(site: &Site, when: &str) -> Daemon {
    let daemon = site.start();
    let log = daemon.log();
    assert!(log.contains("adopted") || log.contains("replaced"), "{when}: {log}");
    daemon
}

/// Kills a start at one step after the other; `is_readable` says whether verbs can tell what there
/// is, and counters go on, when one was killed.
fn sweep_start(name: &'static str, is_readable: bool, before: impl Fn(&Site)) {
    let Some(site) = site() else { return };
    site.start().kill();
    let traffic = Traffic::start(&site);
    let (list, file) = (site.path("steps"), site.file().to_string_lossy().into_owned());
    let run = ["run", "--config", &file];
    let started = |options: Vec<String>| {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        site.command_by(&options, &run)
    };
    before(&site);
    site.ready(started(strace::listing(&list))).kill();
    let is_listed = || fs::read_to_string(&list).is_ok_and(|text| text.contains("READY=1"));
    assert!(eventually(SOON, is_listed), "strace wrote nothing");
    let mut sweep = Sweep::over(name, strace::steps(&list, "READY=1").unwrap());
    while let Some((step, when)) = sweep.next() {
        before(&site);
        let mut child = started(strace::killing(&step)).spawn().unwrap();
        let ended = || child.try_wait().is_ok_and(|status| status.is_some());
        if !eventually(KILLED, ended) {
            // Its list was shorter this time; that is a step, too.
            child.kill().unwrap();
            let _ = child.wait();
        }
        sweep.kills += 1;
        if is_readable {
            holds(&site, &when);
        } else {
            guards(&site, &when);
        }
        assert_eq!(traffic.leaked(), 0, "{when}");
        let daemon = starts(&site, &when);
        let _ = settles(&site, [text(&site, 0)], &when);
        daemon.kill();
    }
    let daemon = site.start();
    let told = sweep.end(traffic);
    if is_readable {
        told.counted(&site);
    }
    drop(daemon);
}

#[test]
fn an_apply_killed_at_any_step_is_whole_or_nothing() {
    let change = |site: &Site, round, live| {
        let (file, next) = (site.path("next.toml"), text(site, round));
        fs::write(&file, &next).unwrap();
        let typed = vec!["apply".to_owned(), file.to_string_lossy().into_owned()];
        Change { typed, texts: [live, next] }
    };
    sweep_verb("apply", change, |_, _| {});
}

#[test]
fn a_roll_back_killed_at_any_step_is_whole_or_nothing() {
    let change = |site: &Site, round, live| {
        let next = text(site, round);
        let _ = site.apply(&next).done();
        Change { typed: vec!["rollback".to_owned()], texts: [next, live] }
    };
    sweep_verb("rollback", change, |_, _| {});
}

/// Entries of the lists are written into the live generation: by half, they are built anew.
#[test]
fn a_denial_killed_at_any_step_is_whole_or_nothing() {
    let source = STRANGERS[1].to_string();
    let change = |site: &Site, _, live: String| {
        let _ = site.guard(&["deny", "remove", &source]);
        let typed = ["deny", "add", &source, "--reason", "scanner"];
        Change { typed: typed.map(str::to_owned).to_vec(), texts: [live.clone(), live] }
    };
    sweep_verb("deny", change, |site, when| {
        let is_listed = || site.rows(&["deny", "list"]).to_string().contains(&source);
        // By the live maps: the port of the PSAP is taken by the traffic.
        let asked = [format!("{source}:1"), format!("{PSAP}:5060")];
        let asked = ["explain", "udp", &asked[0], &asked[1], "--json"];
        // Until they are built anew it says that they are not what is written down.
        let agrees = || is_listed() == (site.guard(&asked).json()["verdict"] == "drop");
        assert!(eventually(SOON, agrees), "{when}: listed {}, and not so", is_listed());
    });
}

#[test]
fn a_restart_killed_at_any_step_is_of_no_consequence() {
    sweep_start("restart", true, |_| {});
}

/// An upgrade of the binary brings another program: what is pinned is replaced, without a gap.
#[test]
fn an_upgrade_killed_at_any_step_is_whole_or_nothing() {
    sweep_start("upgrade", true, |site| {
        let path = site.state().join("generation.json");
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["program"] = "an older one".into();
        fs::write(&path, record.to_string()).unwrap();
    });
}

/// An upgrade whose state maps are laid out otherwise: they are replaced as a whole, never mixed.
#[test]
fn a_new_layout_killed_at_any_step_is_whole_or_nothing() {
    sweep_start("layout", false, |site| {
        let pin = site.pins().join("state/SWITCHES");
        let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
        let mut switches = Array::<_, u64>::try_from(map).unwrap();
        switches.set(switch::ABI, u64::from(ABI_VERSION) + 1, 0).unwrap();
    });
}
