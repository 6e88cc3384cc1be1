//! The command line: arguments, and which verb's file takes them.
//!
//! Parsing does nothing else. One file per verb, in `cli/`; exit codes are in [`exit`].

mod allow_deny;
mod apply;
mod asked;
mod audit;
mod bypass;
mod canary;
mod check;
mod close;
mod confirm;
mod diff;
mod doctor;
mod drops;
mod exit;
mod explain;
mod generate;
mod history;
mod mode;
mod peer;
mod progress;
mod psap;
mod psaps;
mod replay;
mod rollback;
mod run;
mod selection;
mod status;
mod suggest;
mod table;
mod top;
mod unload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use guard_user::live::Live;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Where things are unless told otherwise.
const PIN_DIR: &str = "/sys/fs/bpf/guard";
const STATE_DIR: &str = "/var/lib/guard";

/// The firewall that cannot stop a 911 call.
#[derive(Debug, Parser)]
#[command(name = "guard", version, max_term_width = 80, after_help = exit::HELP)]
struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    verb: Verb,
}

/// Where a guard keeps its things.
#[derive(Args, Debug)]
struct Places {
    /// Where maps and links are pinned [default: the configuration's, or /sys/fs/bpf/guard]
    #[arg(long, global = true, env = "GUARD_PIN_DIR", hide_env_values = true, value_name = "DIR")]
    pin_dir: Option<PathBuf>,
    /// Where the controller keeps its files [default: the configuration's, or /var/lib/guard]
    #[arg(
        long,
        global = true,
        env = "GUARD_STATE_DIR",
        hide_env_values = true,
        value_name = "DIR"
    )]
    state_dir: Option<PathBuf>,
}

impl Places {
    /// The guard under these directories: given, or those of the usual configuration.
    fn live(&self) -> Live {
        self.beside(Path::new(run::CONFIG))
    }

    /// The guard under these directories: given, or those that a configuration file names.
    fn beside(&self, config: &Path) -> Live {
        let said = places_in(config);
        let choose = |given: &Option<PathBuf>, key: &str, default: &str| {
            let said = said.as_ref().and_then(|guard| guard.get(key)?.as_str());
            given.clone().unwrap_or_else(|| PathBuf::from(said.unwrap_or(default)))
        };
        Live::new(
            &choose(&self.pin_dir, "pin-dir", PIN_DIR),
            &choose(&self.state_dir, "state-dir", STATE_DIR),
        )
    }
}

/// The `[guard]` section of a configuration, as far as it can be read: what else is wrong with
/// that file must not keep a verb from finding the guard.
fn places_in(config: &Path) -> Option<toml::Value> {
    let text = std::fs::read_to_string(config).ok()?;
    text.parse::<toml::Table>().ok()?.remove("guard")
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Load the guard and keep it awake: the daemon
    Run(run::Arguments),
    /// Validate a configuration; nothing is touched
    Check(check::Arguments),
    /// What applying a configuration would change
    Diff(diff::Arguments),
    /// Bring a whole configuration live, or change nothing
    Apply(apply::Arguments),
    /// Keep the change that waits to be confirmed
    Confirm(confirm::Arguments),
    /// Go back to what was live before
    Rollback(rollback::Arguments),
    /// What is wrong with this host, and the next step
    Doctor(doctor::Arguments),
    /// What was live before, and why it changed
    History(history::Arguments),
    /// Who did what
    Audit(audit::Arguments),
    /// What is happening now, on one screen
    Status(status::Arguments),
    /// What is happening, live on a terminal
    Top(top::Arguments),
    /// Counters by PSAP, those in trouble first
    Psaps(psaps::Arguments),
    /// What was dropped, or would have been, and why
    Drops(drops::Arguments),
    /// Why a packet passes or not, step by step; nothing live is touched
    Explain(explain::Arguments),
    /// What would become of a whole capture, and what a change would make of it
    Replay(replay::Arguments),
    /// Who talks to PSAPs and is in no entry, as entries to paste
    Suggest(suggest::Arguments),
    /// Add, remove or list PSAPs
    #[command(subcommand)]
    Psap(psap::Verb),
    /// Add, remove or list peers: carriers and other networks
    #[command(subcommand)]
    Peer(peer::Verb),
    /// Add, remove or list what is never limited
    #[command(subcommand)]
    Allow(allow_deny::Verb),
    /// Add, remove or list what is dropped where nothing protects it
    #[command(subcommand)]
    Deny(allow_deny::Verb),
    /// Set the mode: monitor counts, enforce drops
    Mode(mode::Arguments),
    /// Let everything pass, at once, whatever else is broken
    #[command(subcommand)]
    Bypass(bypass::Verb),
    /// Prove now that 911 passes: every form of a call, to every PSAP
    Canary(canary::Arguments),
    /// Close the guard again that the controller opened, if the proof holds
    Close(close::Arguments),
    /// Take the guard off all interfaces and out of the kernel
    Unload(unload::Arguments),
    /// Write man pages, completions and the reference of the command line
    #[command(subcommand, hide = true)]
    Generate(generate::Verb),
}

/// Parses, runs, and turns what went wrong into text and an exit code.
pub fn main() -> ExitCode {
    let Arguments { places, verb } = Arguments::parse();
    if !matches!(verb, Verb::Run(_)) {
        end_quietly_when_nobody_reads();
    }
    match carry_out(&places, verb) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("guard: {error:#}");
            exit::code(&error)
        }
    }
}

/// Runs a verb; the exit code of one that did what it was asked for.
fn carry_out(places: &Places, verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Run(arguments) => run::run(places, &arguments)?,
        Verb::Check(arguments) => check::run(&arguments)?,
        Verb::Diff(arguments) => return diff::run(&places.live(), &arguments),
        Verb::Doctor(arguments) => return doctor::run(places, &arguments),
        Verb::Apply(arguments) => apply::run(&places.live(), &arguments)?,
        Verb::Confirm(arguments) => confirm::run(&places.live(), &arguments)?,
        Verb::Rollback(arguments) => rollback::run(&places.live(), &arguments)?,
        Verb::History(arguments) => history::run(&places.live(), &arguments)?,
        Verb::Audit(arguments) => audit::run(&places.live(), &arguments)?,
        Verb::Status(arguments) => status::run(&places.live(), &arguments)?,
        Verb::Top(arguments) => top::run(&places.live(), &arguments)?,
        Verb::Psaps(arguments) => psaps::run(&places.live(), &arguments)?,
        Verb::Drops(arguments) => drops::run(&places.live(), &arguments)?,
        Verb::Explain(arguments) => explain::run(&places.live(), &arguments)?,
        Verb::Replay(arguments) => return replay::run(&places.live(), &arguments),
        Verb::Suggest(arguments) => suggest::run(&places.live(), &arguments)?,
        Verb::Psap(verb) => psap::run(&places.live(), verb)?,
        Verb::Peer(verb) => peer::run(&places.live(), verb)?,
        Verb::Allow(verb) => allow_deny::run(&places.live(), allow_deny::List::Allow, verb)?,
        Verb::Deny(verb) => allow_deny::run(&places.live(), allow_deny::List::Deny, verb)?,
        Verb::Mode(arguments) => mode::run(&places.live(), &arguments)?,
        Verb::Bypass(verb) => bypass::run(&places.live(), verb)?,
        Verb::Canary(arguments) => canary::run(&places.live(), &arguments)?,
        Verb::Close(arguments) => close::run(&places.live(), &arguments)?,
        Verb::Unload(arguments) => unload::run(&places.live(), &arguments)?,
        Verb::Generate(verb) => generate::run(Arguments::command(), &verb)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `guard psaps | head` is no failure: the default of other tools instead of Rust's.
fn end_quietly_when_nobody_reads() {
    // SAFETY: the default action runs no code of this process. An error leaves things as they are.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
