//! Runs commands: a step whose output matters only when it fails, a question answered on
//! stdout, a program that takes over.
//!
//! Every error names the step, the reason and the command to repeat by hand. Knows
//! nothing of what the commands do.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::progress::{self, Progress};

/// How often a silent step looks at the clock.
const POLL: Duration = Duration::from_millis(500);

/// Runs a command as a named step.
///
/// Its output is held back: all of it is shown when the command fails or warns, none
/// otherwise. Fails when the command cannot start or does not succeed.
pub fn step(name: &str, command: &mut Command) -> Result<()> {
    let line = describe(command);
    if progress::terminal() {
        // Cargo sees a pipe, but what it writes ends up before a person.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name}: cannot start `{line}`; is it installed?"))?;
    let mut progress = Progress::start(name);
    let output = follow(&mut child, &mut progress);
    let status = child.wait().with_context(|| format!("{name}: lost track of `{line}`"))?;
    progress.finish(status.success());
    if !status.success() || output.iter().any(|line| warns(line)) {
        for line in &output {
            eprintln!("{line}");
        }
    }
    if !status.success() {
        bail!("{name}: {}; to repeat it: `{line}`", reason(status));
    }
    Ok(())
}

/// What a command writes to stdout.
///
/// Fails when it cannot start or does not succeed; stderr then is the reason.
pub fn answer(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`; is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // Some programs add a stack trace, which explains nothing here.
        let said: Vec<&str> = said.lines().take_while(|line| !line.is_empty()).collect();
        bail!("`{line}`: {}: {}", reason(output.status), said.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Becomes the command: its output, signals and exit code are this process's from here on.
///
/// Returns only to say why it could not start.
pub fn become_command(command: &mut Command) -> Result<()> {
    let line = describe(command);
    Err(command.exec()).with_context(|| format!("cannot start `{line}`"))
}

/// Collects stdout and stderr, as they come, until both are closed.
fn follow(child: &mut Child, progress: &mut Progress) -> Vec<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender.clone());
    }
    drop(sender);
    collect(&receiver, progress)
}

fn collect(receiver: &Receiver<String>, progress: &mut Progress) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(line) => {
                progress.note(&line);
                lines.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return lines,
        }
        progress.tick();
    }
}

/// Sends on each line of a stream as it comes, at the end what is left of one.
pub fn forward(stream: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for bytes in BufReader::new(stream).split(b'\n') {
            let Ok(bytes) = bytes else { return };
            // The receiver lives until every sender is gone, so this cannot fail early.
            let _ = lines.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
}

/// Whether a line, bare of colours, opens a warning.
fn warns(line: &str) -> bool {
    let mut rest = line;
    while let Some((_, after)) = rest.strip_prefix('\u{1b}').and_then(|code| code.split_once('m')) {
        rest = after;
    }
    // `cargo install` always asks to extend PATH; nothing here is found that way.
    rest.starts_with("warning") && !rest.contains("to your PATH")
}

fn reason(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("was ended by a signal ({status})"),
    }
}

/// The command as one would type it, with the variables it sets.
fn describe(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let value = value.to_string_lossy();
            words.push(format!("{}={}", name.to_string_lossy(), quote(&value)));
        }
    }
    words.push(quote(&command.get_program().to_string_lossy()));
    words.extend(command.get_args().map(|arg| quote(&arg.to_string_lossy())));
    words.join(" ")
}

/// Quotes a word for a POSIX shell where it needs that; `$'..'` where it holds control bytes.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped: String = word
            .chars()
            .map(|c| match c {
                '\'' | '\\' => format!("\\{c}"),
                c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
                c => c.to_string(),
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_a_shell_would_read_them() {
        assert_eq!(quote("--release"), "--release");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("--cfg=a=\"b\"\u{1f}-Cx"), "$'--cfg=a=\"b\"\\x1f-Cx'");
    }

    #[test]
    fn a_warning_is_seen_through_its_colours() {
        assert!(warns("warning: unused import"));
        assert!(warns("\u{1b}[1m\u{1b}[33mwarning\u{1b}[0m: unused import"));
        assert!(!warns("test warning_is_given ... ok"));
    }

    #[test]
    fn a_failing_step_names_itself_the_code_and_the_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 7"]);
        let text = step("the step", &mut command).map_err(|error| error.to_string());
        assert_eq!(
            text,
            Err("the step: failed with exit code 7; to repeat it: `sh -c 'exit 7'`".to_owned())
        );
    }
}
