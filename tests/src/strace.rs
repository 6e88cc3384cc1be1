//! Ending a process at one of its system calls, with strace: what a crash, a `kill -9` or a loss
//! of power does at the worst moment, at every moment there is.
//!
//! A first run lists the system calls that leave traces outside of the process; another is killed
//! when it is about to make one of them. Knows nothing about what is traced.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// System calls that others can see the effect of: BPF, files, locks, netlink.
const LASTING: &str = "bpf,openat,write,fsync,ftruncate,flock,mkdir,mkdirat,link,linkat,rename,\
                       renameat,renameat2,unlink,unlinkat,rmdir,fchmod,fchmodat,chmod,fchown,\
                       fchownat,sendto,sendmsg";

/// A system call of the first thread of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub call: String,
    /// The how-many-th of its name it is, from 1.
    pub number: u32,
    /// The line that strace wrote about it.
    pub line: String,
    /// Whether it changes what outlives the process.
    pub is_lasting: bool,
}

/// Whether a call changes what outlives the process: pins, links, files. The rest looks, or fills
/// what is not in use yet; killed there, it leaves what it would have left one step before.
fn is_lasting(call: &str, line: &str, is_placed: bool) -> bool {
    let has = |word: &&str| line.contains(*word);
    match call {
        "bpf" if is_placed && has(&"BPF_MAP_UPDATE_ELEM") => true,
        "bpf" => ["BPF_OBJ_PIN", "BPF_LINK", "BPF_PROG_ATTACH"].iter().any(has),
        "openat" => line.contains("O_CREAT"),
        // Not what it prints.
        "write" => !["write(1,", "write(2,"].iter().any(has),
        "sendto" | "sendmsg" => false,
        _ => true,
    }
}

/// What to put before a command so that its steps are listed in a file. It is started by the
/// caller itself and traced from aside (`-D`), so that its end and its signals are its own.
#[must_use]
pub fn listing(file: &Path) -> Vec<String> {
    let trace = format!("trace={LASTING}");
    let file = file.to_string_lossy().into_owned();
    ["strace", "-D", "-f", "-qq", "-s", "16", "-e", &trace, "-e", "signal=none", "-o", &file]
        .map(str::to_owned)
        .to_vec()
}

/// What to put before a command so that it is killed when it is about to take a step.
#[must_use]
pub fn killing(step: &Step) -> Vec<String> {
    let trace = format!("trace={}", step.call);
    let inject = format!("inject={}:signal=SIGKILL:when={}", step.call, step.number);
    [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-e",
        &trace,
        "-e",
        "signal=none",
        "-e",
        &inject,
        "-o",
        "/dev/null",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The steps of the first thread in such a file, up to a line that contains `end` if there is one.
///
/// # Errors
///
/// The file cannot be read, or holds none.
pub fn steps(file: &Path, end: &str) -> Result<Vec<Step>> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let first = text.split_whitespace().next().context("strace listed nothing")?;
    let (mut counts, mut steps, mut is_placed) = (HashMap::new(), Vec::new(), false);
    for line in text.lines() {
        // 4711  openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3
        let Some((process, line)) = line.split_once(char::is_whitespace) else { continue };
        let Some((call, _)) = line.trim_start().split_once('(') else { continue };
        if process != first || call.contains(' ') {
            continue;
        }
        let number = counts.entry(call.to_owned()).and_modify(|it| *it += 1).or_insert(1);
        let is_lasting = is_lasting(call, line, is_placed);
        // From now on what is written to maps is seen by frames.
        is_placed |= line.contains("BPF_LINK");
        let (call, line) = (call.to_owned(), line.trim().to_owned());
        steps.push(Step { call, number: *number, line, is_lasting });
        let Some(Step { line, .. }) = steps.last() else { continue };
        if line.contains(end) {
            break;
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strace_writes_is_understood() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("strace");
        fs::write(
            &file,
            "12 openat(AT_FDCWD, \"a\", O_RDONLY) = 3\n\
             13 openat(AT_FDCWD, \"b\", O_RDONLY) = 4\n\
             12 bpf(BPF_OBJ_GET, {pathname=\"x\"}, 16 <unfinished ...>\n\
             12 <... bpf resumed>) = 5\n\
             12 openat(AT_FDCWD, \"c\", O_WRONLY|O_CREAT) = 4\n\
             12 fsync(4) = 0\n\
             12 rename(\"c\", \"d\") = 0\n",
        )?;
        let steps = steps(&file, "fsync")?;
        let found: Vec<_> = steps.iter().map(|it| (it.call.as_str(), it.number)).collect();
        assert_eq!(found, [("openat", 1), ("bpf", 1), ("openat", 2), ("fsync", 1)]);
        let lasting: Vec<bool> = steps.iter().map(|step| step.is_lasting).collect();
        assert_eq!(lasting, [false, false, true, true]);
        Ok(())
    }
}
