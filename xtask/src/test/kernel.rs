//! `cargo xtask test --kernel 6.1`: what depends on the kernel, on another one, emulated.
//!
//! Owns which test binaries run there, and why the others do not. Emulation alone (TCG) works
//! wherever the project builds, in virtual machines, too, and costs a factor of ten; so the
//! binaries are the optimised ones, and what the kernel has no part in stays out.

mod console;
mod image;
mod initramfs;
mod machine;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::project::{Profile, Project};
use crate::setup::{self, Release};
use crate::{build, run};

/// A file of tests/tests that runs there.
struct Suite {
    file: &'static str,
    /// Beginnings of the names of its tests that run there; none means all.
    tests: &'static [&'static str],
    /// Whether its tests disturb each other: .config/nextest.toml says the same.
    one_at_a_time: bool,
}

const fn all_of(file: &'static str) -> Suite {
    Suite { file, tests: &[], one_at_a_time: false }
}

/// The verifier first: where it refuses the program, nothing else matters.
const SUITES: &[Suite] = &[
    all_of("verifier"),
    all_of("agreement"),
    all_of("always_pass"),
    all_of("fail_open"),
    all_of("edges"),
    all_of("counters"),
    all_of("limits"),
    all_of("exhaustion"),
    all_of("tunnels"),
    // All but what asks nftables.
    Suite {
        file: "outgoing",
        tests: &["attach::", "swap::", "calls::", "mark::", "tunnels::"],
        one_at_a_time: true,
    },
    // What reaches the ring; the rest is files.
    Suite { file: "recorded", tests: &["ring::"], one_at_a_time: true },
    // Attaching and swapping is the kernel's work. The rest of the file is files, processes and
    // texts, and takes three minutes there.
    Suite { file: "lifecycle", tests: &["attach::", "swap::"], one_at_a_time: true },
];

/// What does not run there, and why.
const NOT_THERE: &[(&str, &str)] = &[
    ("lifecycle", "all but attach:: and swap::, which are less about the kernel than about files"),
    ("recorded", "all but ring::, which are about files"),
    ("outgoing", "priority::, which asks nftables"),
    ("canary", "five-second waits; agreement and lifecycle ask the kernel the same"),
    (
        "survival",
        "faults of processes, disks and people, in real time, which emulation does not keep",
    ),
    ("faults", "hundreds of processes killed, in real time; lifecycle asks the kernel about swaps"),
    ("faults_table", "the kernel has no part in it"),
    ("outages", "what is refused is refused before the kernel sees it; lifecycle asks it the rest"),
    ("cli_reference", "texts; the kernel has no part in it"),
    ("package", "dpkg and systemd of this machine; lifecycle asks the kernel about swaps"),
    ("docs", "what is shown does not depend on the kernel"),
    ("registry", "files and texts; lifecycle asks the kernel about swaps"),
    ("explain", "agreement asks the kernel the same, and lifecycle the rest"),
    ("replay", "agreement asks the kernel the same, and large files take long there"),
    ("drops", "files and processes; recorded::ring asks the kernel about samples of drops"),
    ("top", "what is on a terminal does not depend on the kernel"),
    ("json", "what the verbs say does not depend on the kernel"),
    ("cli", "what the verbs say does not depend on the kernel"),
    ("captures", "the kernel has no part in it"),
    ("config_errors", "the kernel has no part in it"),
    ("corpus", "captures made by others; agreement and edges ask the kernel the same"),
    ("oracle", "millions of frames; agreement and edges ask the kernel the same"),
    ("transaction", "files, processes and texts; lifecycle asks the kernel about swaps"),
    ("watching", "traffic in real time, which emulation does not keep"),
    ("metrics", "what Prometheus gets does not depend on the kernel"),
    ("logs", "files, sockets and pipes"),
    ("doctor", "it is the kernel's surroundings that it looks at"),
    ("media", "what the controller reads does not depend on the kernel"),
    ("calls", "real SIP in real time, which emulation does not keep"),
    ("scenarios", "real SIP in real time, which emulation does not keep"),
];

/// A test binary and what to tell it.
struct Job {
    name: &'static str,
    binary: PathBuf,
    arguments: Vec<String>,
    /// How many tests that selects.
    tests: usize,
}

/// Runs the tests on another kernel; `words` select as they do elsewhere.
pub fn run(project: &Project, release: Release, words: &[String]) -> Result<()> {
    if let Some(option) = words.iter().find(|word| word.starts_with('-')) {
        bail!("{option}: --kernel takes parts of test names and names of files, not options");
    }
    let parts = setup::machine(project, release)?;
    build::both(project, Profile::Release)?;
    let asked = |file: &str| words.is_empty() || words.iter().any(|word| word == file);
    for (file, why) in NOT_THERE.iter().filter(|(file, _)| asked(file)) {
        eprintln!("NOT RUN on Linux {}  {file}: {why}", release.name());
    }
    let jobs = jobs(project, words)?;
    let initramfs = image::build(project, &parts, &jobs)?;
    let total: usize = jobs.iter().map(|job| job.tests).sum();
    eprintln!(
        "... Linux {}, emulated; tests: {total}, binaries: {}; takes some minutes",
        release.name(),
        jobs.len()
    );
    let report = machine::boot(&parts, &initramfs)?;
    let planned: Vec<&str> = jobs.iter().map(|job| job.name).collect();
    report.verdict(&planned).with_context(|| format!("on Linux {}", release.name()))
}

/// Builds the test binaries and asks each which tests it would run.
fn jobs(project: &Project, words: &[String]) -> Result<Vec<Job>> {
    let cargo = || {
        let mut cargo = project.cargo("test");
        cargo.args(["--release", "--no-run", "--package", "guard-tests"]);
        cargo.args(SUITES.iter().flat_map(|suite| ["--test", suite.file]));
        cargo
    };
    run::step("build the tests", &mut cargo())?;
    let messages = run::answer(cargo().args(["--quiet", "--message-format=json"]))?;
    let mut jobs = Vec::new();
    for suite in SUITES {
        let Some(filters) = filters(suite, words) else { continue };
        let binary = executable(&messages, suite.file)
            .with_context(|| format!("cargo built no test binary {}", suite.file))?;
        let listed =
            run::answer(Command::new(&binary).args(["--list", "--format=terse"]).args(&filters))?;
        let tests = listed.lines().filter(|line| line.ends_with(": test")).count();
        if tests == 0 {
            ensure!(!words.is_empty(), "{} has no test {}", suite.file, filters.join(" "));
            continue;
        }
        let mut arguments = vec!["--nocapture".to_owned()];
        if suite.one_at_a_time {
            arguments.push("--test-threads=1".to_owned());
        }
        arguments.extend(filters);
        jobs.push(Job { name: suite.file, binary, arguments, tests });
    }
    ensure!(
        !jobs.is_empty(),
        "no test that runs on another kernel is called {}; these files have some: {}",
        words.join(" or "),
        SUITES.iter().map(|suite| suite.file).collect::<Vec<_>>().join(", ")
    );
    Ok(jobs)
}

/// What to tell a suite's binary so that it runs what the words select; `None` is nothing.
fn filters(suite: &Suite, words: &[String]) -> Option<Vec<String>> {
    let whole = words.is_empty() || words.iter().any(|word| word == suite.file);
    if whole {
        return Some(suite.tests.iter().map(|test| (*test).to_owned()).collect());
    }
    // Names of other files are not parts of test names.
    let files =
        || SUITES.iter().map(|suite| suite.file).chain(NOT_THERE.iter().map(|(file, _)| *file));
    let names = |word: &&String| files().all(|file| file != word.as_str());
    let filters: Vec<String> = words.iter().filter(names).cloned().collect();
    (!filters.is_empty()).then_some(filters)
}

/// The test binary of a target, in what cargo says in JSON.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message.pointer("/target/name").is_some_and(|name| name == target)
                && message.pointer("/profile/test").is_some_and(|test| test == true)
        })
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(words: &[&str]) -> Vec<(&'static str, Vec<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let one = |suite: &Suite| filters(suite, &words).map(|filters| (suite.file, filters));
        SUITES.iter().filter_map(one).collect()
    }

    #[test]
    fn words_select_files_and_tests() {
        assert_eq!(selected(&[]).len(), SUITES.len());
        assert_eq!(selected(&["limits"]), [("limits", vec![])]);
        let attach = vec!["attach::".to_owned(), "swap::".to_owned()];
        assert_eq!(selected(&["lifecycle"]), [("lifecycle", attach)]);
        let both = selected(&["limits", "million"]);
        assert_eq!(both.len(), SUITES.len());
        assert!(both.contains(&("limits", vec![])));
        assert!(both.contains(&("edges", vec!["million".to_owned()])));
    }

    #[test]
    fn every_file_runs_there_or_has_a_reason_not_to() -> Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests");
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let known = SUITES.iter().any(|suite| suite.file == name)
                    || NOT_THERE.iter().any(|(file, _)| *file == name);
                assert!(known, "{name}: to SUITES or to NOT_THERE?");
            }
        }
        Ok(())
    }

    #[test]
    fn cargos_own_words_are_understood() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"edges"},"profile":{"test":false},"executable":"/a/edges"}
{"reason":"compiler-artifact","target":{"name":"edges"},"profile":{"test":true},"executable":"/b/edges-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "edges"), Some(PathBuf::from("/b/edges-1")));
        assert_eq!(executable(messages, "limits"), None);
    }
}
