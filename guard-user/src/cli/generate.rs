//! `guard generate`: man pages, completions and the reference, from the same definitions that
//! parse the command line. For packaging; people have no use for it, so `--help` does not show it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Administrators' commands.
const SECTION: &str = "8";
/// The shells that Debian's packages bring completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];
/// How wide the reference is, whoever makes it.
const WIDTH: usize = 80;

#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Write a man page for each verb into a directory
    Man {
        /// The directory; made if it is not there
        directory: PathBuf,
    },
    /// Write completions for bash, zsh and fish into a directory
    Completions {
        /// The directory; made if it is not there
        directory: PathBuf,
    },
    /// Print the reference of the command line, docs/cli.md
    Reference,
}

pub fn run(mut guard: Command, verb: &Verb) -> Result<()> {
    // Gives each verb its whole name and the arguments that all have.
    guard.build();
    match verb {
        Verb::Man { directory } => {
            make(directory)?;
            man(&guard, directory)
        }
        Verb::Completions { directory } => {
            make(directory)?;
            for shell in SHELLS {
                clap_complete::generate_to(shell, &mut guard, "guard", directory)
                    .with_context(|| cannot(directory))?;
            }
            Ok(())
        }
        Verb::Reference => {
            print!("{}", reference(&guard)?);
            Ok(())
        }
    }
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| cannot(directory))
}

fn cannot(path: &Path) -> String {
    format!("{} cannot be written; is it yours?", path.display())
}

/// The verbs below a command that people are told about.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// The whole name of a command, joined by `-` as in `guard-psap-add`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// A page for a command and for all below it.
fn man(command: &Command, directory: &Path) -> Result<()> {
    let title = name(command).to_owned();
    let path = directory.join(format!("{title}.{SECTION}"));
    let page = Man::new(command.clone()).title(title).section(SECTION).manual("guard");
    let written = File::create(&path).and_then(|file| page.render(&mut io::BufWriter::new(file)));
    written.with_context(|| cannot(&path))?;
    verbs(command).try_for_each(|verb| man(verb, directory))
}

/// Every command with what its `--help` says.
fn reference(guard: &Command) -> Result<String> {
    let mut text = String::from(
        "# The command line\n\n\
         What `--help` says of each verb, in one place; the man pages (`man guard`, `man \
         guard-apply`, ...)\nsay the same. Every verb takes `--pin-dir` and `--state-dir`, too. All \
         comes from the definitions\nthat parse the command line: `GUARD_WRITE_DOCS=1 cargo xtask \
         test cli_reference` writes this page.\n",
    );
    chapter(&mut text, guard.clone())?;
    for verb in verbs(guard) {
        below(&mut text, verb)?;
    }
    Ok(text)
}

/// A verb and those below it, without the options that all have.
fn below(text: &mut String, verb: &Command) -> Result<()> {
    let mut own = verb.clone();
    for global in verb.get_arguments().filter(|argument| argument.is_global_set()) {
        own = own.mut_arg(global.get_id(), |argument| argument.hide(true));
    }
    chapter(text, own)?;
    verbs(verb).try_for_each(|verb| below(text, verb))
}

fn chapter(text: &mut String, command: Command) -> Result<()> {
    let title = name(&command).replace('-', " ");
    // Trailing spaces are clap's, where a line is empty.
    let help = command.term_width(WIDTH).render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(text, "\n## {title}\n\n```text\n{}\n```\n", help.join("\n").trim())?;
    Ok(())
}
