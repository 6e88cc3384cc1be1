//! `cargo xtask fuzz`: coverage-guided fuzzing of what reads strangers' bytes, for a while.
//!
//! libFuzzer without cargo-fuzz: what that adds are compiler flags, and these are stable. The
//! targets and their corpora are in tests/fuzz, a workspace of its own. New inputs are kept beside the
//! build, so that the next run begins where this one ended; the committed corpus is only read.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::setup::{self, Purpose};
use crate::{build, run};

/// What is fuzzed.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Target {
    /// The parser and the classifier.
    Frame,
    /// What the control socket understands.
    Control,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Control => "control",
        }
    }
}

/// Fuzzes the parser and the classifier, or the control socket.
#[derive(clap::Args)]
pub struct Args {
    /// What to fuzz.
    #[arg(value_enum, default_value = "frame")]
    target: Target,
    /// How long, building not counted.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Then options of libFuzzer, or files with inputs to run again.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// Coverage counters and comparisons, as libFuzzer reads them.
const FLAGS: &str = "--cfg=fuzzing -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the verb.
pub fn run(project: &Project, args: &Args) -> Result<()> {
    setup::programs(Purpose::Fuzz)?;
    let tools = setup::build_tools(project)?;
    build::kernel(project, &tools)?;
    let directory = project.fuzz_build();
    let host = host()?;
    let target = args.target.name();
    let mut cargo = project.cargo("build");
    cargo
        .args(["--release", "--target", &host, "--bin", target])
        // With a target named, build scripts and macros are spared the flags.
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &directory)
        .current_dir(project.root().join("tests/fuzz"));
    run::step("build the fuzz target", &mut cargo)?;

    let found = directory.join("corpus").join(target);
    let artifacts = directory.join("artifacts");
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}; is it yours?", folder.display()))?;
    }
    let mut fuzzer = Command::new(directory.join(&host).join("release").join(target));
    fuzzer
        .arg(format!("-max_total_time={}", args.seconds))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-max_len=2048", "-timeout=10", "-print_final_stats=1", "-verbosity=0"])
        .args(&args.options);
    if args.options.iter().all(|option| option.starts_with('-')) {
        fuzzer.arg(&found).arg(project.root().join("tests/fuzz/corpus").join(target));
    }
    run::become_command(&mut fuzzer)
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let version = run::answer(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
