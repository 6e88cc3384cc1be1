//! `cargo xtask test`: builds both halves and runs every test.
//!
//! With `--kernel`, runs those of the kernel half on another kernel instead ([`kernel`]). Else it
//! hands over to the test runner, so that its summary is the last thing written and its
//! exit code the result. Which tests can run is theirs to find out; this only warns.

mod kernel;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::project::{Profile, Project};
use crate::setup::{self, Purpose, Release};
use crate::{build, package, run};

/// Makes a kernel test that cannot run fail instead of skip.
const REQUIRE: &str = "GUARD_REQUIRE_BPF";
/// Where `prometheus` and `promtool` are.
const PROMETHEUS: &str = "GUARD_PROMETHEUS";
/// Where test material made by others is.
const CORPUS: &str = "GUARD_CORPUS";

/// Builds and runs the tests (as root, or those of the kernel half are skipped).
#[derive(clap::Args)]
pub struct Args {
    /// Run what depends on the kernel on this one, emulated; needs no root.
    #[arg(long, value_enum, value_name = "VERSION")]
    kernel: Option<Release>,
    /// Parts of test names or names of files in tests/tests, then options of `cargo nextest run`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FILTER")]
    filter: Vec<String>,
}

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    if let Some(release) = args.kernel {
        return kernel::run(project, release, &args.filter);
    }
    let strict = strict();
    programs(strict)?;
    let nextest = setup::nextest(project)?;
    let prometheus = prometheus(project, strict)?;
    build::both(project, Profile::Release)?;
    if args.filter.is_empty() {
        documentation(project)?;
    }
    if args.filter.is_empty() || args.filter.iter().any(|word| word == "package") {
        package::all(project)?;
    }
    if !setup::root() {
        warn(strict);
    }
    if env::var_os(CORPUS).is_none() && !project.root().join("../shared/data").is_dir() {
        eprintln!(
            "SKIPPED  the tests in tests/tests/corpus.rs: captures and messages made by others are \
             not part of the project; {CORPUS} names a folder that has them"
        );
    }
    let mut runner = Command::new(nextest);
    project.dress(&mut runner);
    runner
        .current_dir(project.root())
        .args(["nextest", "run", "--workspace", "--exclude", "guard-ebpf"])
        .args(selection(&args.filter, |word| project.is_test_file(word)))
        .env("GUARD_PACKAGES", project.packages())
        .env("GUARD_BIN", project.binary(Profile::Release, "guard"));
    if let Some(folder) = prometheus {
        runner.env(PROMETHEUS, folder);
    }
    if strict {
        runner.env(REQUIRE, "1");
    }
    run::become_command(&mut runner)
}

/// Whether a skipped kernel test is a failure: on request, and always in CI.
fn strict() -> bool {
    match env::var(REQUIRE) {
        Ok(value) => value == "1",
        Err(_) => env::var("CI").is_ok_and(|value| value == "true"),
    }
}

/// Words up to the first option name tests or files of the test crate. Nextest by itself
/// knows tests only, and takes a file that is not there for a mistake.
fn selection(arguments: &[String], is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let words = arguments.iter().take_while(|word| !word.starts_with('-'));
    let mut selection: Vec<String> = words
        .map(|word| match is_file(word) {
            true => format!("--filterset=test(~{word}) | binary(={word})"),
            false => format!("--filterset=test(~{word})"),
        })
        .collect();
    let options = arguments.iter().skip(selection.len()).cloned();
    selection.extend(options);
    selection
}

/// Without root the tests that need these programs are skipped anyway, so their absence
/// is no reason to stop.
fn programs(strict: bool) -> Result<()> {
    match setup::programs(Purpose::Test) {
        Err(error) if !setup::root() && !strict => {
            eprintln!("warning: {error:#}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Where Prometheus is. Without it, the tests that need it are skipped and say so.
fn prometheus(project: &Project, strict: bool) -> Result<Option<PathBuf>> {
    match setup::prometheus(project) {
        Err(error) if !strict => {
            eprintln!("warning: {error:#}");
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

fn documentation(project: &Project) -> Result<()> {
    let mut cargo = project.cargo("test");
    cargo.args(["--doc", "--workspace", "--exclude", "guard-ebpf", "--exclude", "xtask"]);
    run::step("documentation tests", &mut cargo)
}

fn warn(strict: bool) {
    let outcome = if strict { "FAIL" } else { "be SKIPPED" };
    eprintln!();
    eprintln!("WARNING: not root. Every test that loads the kernel half will {outcome}.");
    eprintln!("         To run them: sudo -E env PATH=\"$PATH\" cargo xtask test");
    eprintln!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_tests_and_files_and_options_pass() {
        let arguments = ["limits", "bucket", "--no-capture", "-j", "1"].map(str::to_owned);
        let expected = [
            "--filterset=test(~limits) | binary(=limits)",
            "--filterset=test(~bucket)",
            "--no-capture",
            "-j",
            "1",
        ];
        assert_eq!(selection(&arguments, |word| word == "limits"), expected);
    }
}
