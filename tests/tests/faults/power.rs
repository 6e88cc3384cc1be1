//! Power lost at any write: the kernel has forgotten everything, and the disk has what was
//! written so far, the last file of it by half.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{STRANGERS, Site, answer, eventually};
use guard_tests::strace::{self, Step};

use crate::scene::{SOON, is_full, settles, site, text};

/// How long it may take, unless all steps are asked for.
const TIME: Duration = Duration::from_secs(20);
/// As many say something, however slow the machine is.
const LEAST: u32 = 6;

/// Whether a step is of a file: pins and locks go with the kernel anyway.
fn is_of_a_file(step: &Step) -> bool {
    step.is_lasting && !["bpf", "flock", "mkdir", "rmdir"].contains(&step.call.as_str())
}

/// What the disk had no time for: half of every file that does not count yet, and nothing of
/// what is made to wait.
fn lose(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lose(&path);
        } else if path.extension().is_some_and(|extension| extension == "new") {
            let half = fs::metadata(&path).unwrap().len() / 2;
            // Never in place: another name may be the same file.
            let text = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, &text[..usize::try_from(half).unwrap()]).unwrap();
        }
    }
}

#[test]
fn power_lost_at_any_write_leaves_the_old_configuration_or_the_new() {
    let Some(mut site) = site() else { return };
    let list = site.path("steps");
    let file = site.path("next.toml").to_string_lossy().into_owned();
    let apply = |site: &Site, round: u32, before: &[String]| {
        fs::write(&file, text(site, round)).unwrap();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        answer(&mut site.command_by(&before, &["apply", &file]))
    };
    let mut daemon = site.start();
    let _ = apply(&site, 1, &strace::listing(&list)).done();
    let mut live = text(&site, 1);
    let steps: Vec<Step> = strace::steps(&list, "\0").unwrap();
    let mut steps: Vec<Step> = steps.into_iter().filter(is_of_a_file).collect();
    let begin = std::process::id() as usize % steps.len();
    steps.rotate_left(begin);
    let (all, begun, mut tried, mut news) = (steps.len(), Instant::now(), 0, 0);
    for (round, step) in (2..).zip(steps) {
        if !is_full() && tried >= LEAST && begun.elapsed() > TIME {
            break;
        }
        let when = format!("power lost at {} {}: {}", step.call, step.number, step.line);
        let answer = apply(&site, round, &strace::killing(&step));
        assert!(matches!(answer.code, None | Some(0)), "{when}: {}", answer.err);
        daemon.kill();
        lose(&site.state());
        site = site.reboot();
        daemon = site.start();
        let next = text(&site, round);
        let before = live.clone();
        live = settles(&site, [live, next], &when);
        assert!(!site.passes(STRANGERS[0]), "{when}: {}", daemon.log());
        (tried, news) = (tried + 1, news + u32::from(live != before));
    }
    eprintln!("power lost at {tried} of {all} writes, {news} with the new configuration");
    assert!(tried >= LEAST, "too few to say anything: {tried}");
}

/// What the disk is not made to hurry with may be empty after a loss of power, and anything else
/// that is not the configuration gone: the guard starts, and guards.
#[test]
fn what_else_is_lost_with_the_power_is_of_no_consequence() {
    let Some(mut site) = site() else { return };
    site.start().kill();
    let _ = site.apply(&text(&site, 1)).done();
    let kept = ["slots.json", "generation.json"].map(|name| site.state().join(name));
    for gone in [false, true] {
        let mut lost = Vec::new();
        for entry in fs::read_dir(site.state()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !kept.contains(&path) {
                lost.push(path.clone());
                if gone { fs::remove_file(&path).unwrap() } else { fs::write(&path, "").unwrap() }
            }
        }
        if gone {
            fs::remove_dir_all(site.state().join("history")).unwrap();
        }
        assert!(!lost.is_empty());
        site = site.reboot();
        let daemon = site.start();
        assert!(eventually(SOON, || site.status()["stance"] == "enforcing"), "{}", daemon.log());
        assert!(!site.passes(STRANGERS[0]), "{lost:?}: {}", daemon.log());
        let _ = settles(&site, [text(&site, 1)], "after a loss of power");
        daemon.kill();
    }
}
