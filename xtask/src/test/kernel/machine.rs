//! Runs the emulated machine: shows its console as it comes, and ends it when it hangs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::console::Report;
use crate::run;
use crate::setup::Machine;

/// All of it takes two minutes on two idle cores.
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// The slowest test takes half a minute on two idle cores; the machine starts up in three seconds.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// Two, as some tests need several.
const CPUS: &str = "2";
/// The initramfs twice, and full tables in each of several guards.
const MEMORY: &str = "2048M";
/// Errors of the kernel only; whatever goes wrong in it ends the machine.
const COMMAND_LINE: &str = "console=ttyS0 quiet oops=panic panic=-1";

/// Starts the machine and listens to it until it ends.
///
/// Fails when it cannot start, and when it hangs; what the tests came to is in the report.
pub fn boot(machine: &Machine, initramfs: &Path) -> Result<Report> {
    let mut command = machine.emulator();
    arrange(&mut command, &machine.kernel, initramfs);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut running = Running(child);
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = running.0.stdout.take() {
        run::forward(stdout, sender);
    }
    let mut report = Report::default();
    if let Err(hung) = listen(&mut report, &lines, LONGEST, SILENCE) {
        drop(running);
        // The line it was in the middle of, which names the test.
        lines.iter().for_each(|line| show(&mut report, &line));
        return Err(hung.context(format!("the machine was ended {}", report.whereabouts())));
    }
    let status = running.0.wait().context("lost track of the emulator")?;
    ensure!(status.success(), "the emulator failed ({status}) {}", report.whereabouts());
    Ok(report)
}

fn arrange(command: &mut Command, kernel: &Path, initramfs: &Path) {
    command
        // Hardware acceleration is not there everywhere, and hangs in some virtual machines.
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", CPUS, "-m", MEMORY])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-serial", "stdio", "-append", COMMAND_LINE])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs);
}

/// Takes lines until there are no more.
fn listen(
    report: &mut Report,
    lines: &Receiver<String>,
    longest: Duration,
    silence: Duration,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let left = longest.saturating_sub(start.elapsed());
        match lines.recv_timeout(left.min(silence)) {
            Ok(line) => show(report, &line),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) if left <= silence => {
                bail!("not done after {} s", longest.as_secs());
            }
            Err(RecvTimeoutError::Timeout) => bail!("silent for {} s", silence.as_secs()),
        }
    }
}

fn show(report: &mut Report, line: &str) {
    if let Some(text) = report.hear(line) {
        println!("{text}");
    }
}

/// An emulator that does not outlive whoever listens to it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    fn complaint(longest: Duration, silence: Duration, hear: &[&str]) -> Option<String> {
        let (sender, lines) = mpsc::channel();
        for line in hear {
            assert_eq!(sender.send((*line).to_owned()), Ok(()));
        }
        let mut report = Report::default();
        let outcome = listen(&mut report, &lines, longest, silence);
        outcome.err().map(|error| format!("{error} {}", report.whereabouts()))
    }

    #[test]
    fn a_machine_that_hangs_is_ended() {
        let hung =
            complaint(MOMENT * 10, MOMENT, &["guard-machine begins edges", "test one ... ok"]);
        let place = "silent for 0 s while edges ran; its last line: \"test one ... ok\"";
        assert_eq!(hung.as_deref(), Some(place));
        let late = complaint(MOMENT, MOMENT * 10, &[]);
        let place = "not done after 0 s while it started up; its last line: \"\"";
        assert_eq!(late.as_deref(), Some(place));
    }
}
