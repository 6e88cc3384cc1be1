//! Configuration, pins and state: right, there, writable, and nobody else's.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use guard_common::abi::state::switch;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::{Finding, rights};
use crate::config::{Config, ConfigError, Failsafe};
use crate::kernel::KernelError;
use crate::live::Live;

const TOPIC: &str = "places";
const CONFIGURATION: &str = "configuration";
/// Room for samples (150 MB at most), history, audit and evidence.
const ENOUGH: u64 = 256 << 20;
/// Less, and changes are refused soon.
const SCARCE: u64 = 16 << 20;
/// Files that may still be made.
const FILES: u64 = 1_000;
/// Writing bits of group and others.
const OTHERS_WRITE: u32 = 0o022;

pub fn look(live: &Live, file: &Path, config: Result<&Config, &ConfigError>) -> Vec<Finding> {
    let mut found = vec![configuration(file, config)];
    found.extend(config.ok().and_then(certificate));
    found.extend(pins(live));
    found.extend(state(live));
    found
}

fn configuration(file: &Path, config: Result<&Config, &ConfigError>) -> Finding {
    let subject = file.display().to_string();
    match config {
        Ok(config) if config.guard.failsafe == Failsafe::Hold => Finding::warn(
            CONFIGURATION,
            &subject,
            "right, but failsafe is hold: with the controller dead the guard drops on",
            "`failsafe = \"open\"`, unless that is what you want",
        ),
        Ok(_) => Finding::ok(CONFIGURATION, &subject, "right"),
        Err(_) if is_missing(file) => Finding::warn(
            CONFIGURATION,
            &subject,
            "there is no such file",
            "copy docs/guard.example.toml and edit it, or name yours with --config",
        ),
        Err(ConfigError { position, entry, reason, next, .. }) => {
            let line = position.map_or(String::new(), |at| format!("line {}: ", at.line));
            let entry = entry.as_ref().map_or(String::new(), |entry| format!("{entry}: "));
            Finding::fail(CONFIGURATION, &subject, format!("{line}{entry}{reason}"), next)
        }
    }
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The endpoint of metrics goes on without, and nobody sees it.
fn certificate(config: &Config) -> Option<Finding> {
    let files = [config.metrics.certificate.as_ref()?, config.metrics.key.as_ref()?];
    let unreadable = files.into_iter().find_map(|path| Some((path, fs::File::open(path).err()?)));
    Some(match unreadable {
        None => Finding::ok(CONFIGURATION, "metrics", "certificate and key can be read"),
        Some((path, error)) if error.kind() == ErrorKind::PermissionDenied => Finding::unknown(
            CONFIGURATION,
            "metrics",
            format!("{}: {error}", path.display()),
            "the daemon's user must be able to read it",
        ),
        Some((path, error)) => Finding::warn(
            CONFIGURATION,
            "metrics",
            format!("{}: {error}: other hosts get no metrics", path.display()),
            "put certificate and key there; the daemon takes them as soon as it can",
        ),
    })
}

fn pins(live: &Live) -> Vec<Finding> {
    let path = live.pins.path();
    let there = nearest(path);
    let subject = "bpffs";
    let mut found = vec![match statfs(there) {
        Ok(known) if known.filesystem_type() != BPF_FS_MAGIC => Finding::fail(
            TOPIC,
            subject,
            format!("{} is on no BPF file system", path.display()),
            "`mount -t bpf bpf /sys/fs/bpf`, and in /etc/fstab to keep it so",
        ),
        Ok(_) => writable(subject, there),
        Err(error) => {
            let text = format!("{}: {error}", there.display());
            Finding::unknown(TOPIC, subject, text, "run this as root")
        }
    }];
    found.push(loaded(live));
    found.extend(private("pins", path));
    found
}

/// The path itself, or the nearest above it that is there.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| !is_missing(path)).unwrap_or(Path::new("/"))
}

fn writable(subject: &str, path: &Path) -> Finding {
    match access(path, AccessFlags::W_OK) {
        Ok(()) => Finding::ok(TOPIC, subject, format!("{} can be written", path.display())),
        Err(error) if rights::may_load() => Finding::fail(
            TOPIC,
            subject,
            format!("{} cannot be written: {error}", path.display()),
            "mount it writable; in a service, ReadWritePaths= has to name it",
        ),
        Err(error) => Finding::unknown(
            TOPIC,
            subject,
            format!("{} cannot be written by this user: {error}", path.display()),
            "run this as root",
        ),
    }
}

fn loaded(live: &Live) -> Finding {
    let subject = "guard";
    let generation = live.pins.switches().and_then(|switches| switches.get(switch::GENERATION));
    match (generation, live.daemon()) {
        (Ok(number), Some(process)) => {
            let text = format!("generation {number} is loaded, process {process} keeps it awake");
            Finding::ok(TOPIC, subject, text)
        }
        (Ok(number), None) => Finding::warn(
            TOPIC,
            subject,
            format!("generation {number} is loaded, and no daemon keeps it awake"),
            "start it with `guard run`; `guard status` says whether the guard is open",
        ),
        (Err(KernelError::NotLoaded { .. }), _) => {
            Finding::ok(TOPIC, subject, "none is loaded under this pin directory")
        }
        (Err(error @ KernelError::NotPermitted { .. }), _) => {
            let text = error.to_string();
            let text = text.lines().next().unwrap_or_default().to_owned();
            Finding::unknown(TOPIC, subject, text, "run this as root, or as a member of read-group")
        }
        (Err(error), _) => {
            let text = error.to_string();
            let (text, next) = text.split_once("\n  next: ").unwrap_or((&text, "`guard status`"));
            Finding::fail(TOPIC, subject, text, next)
        }
    }
}

fn state(live: &Live) -> Vec<Finding> {
    let path = live.store.path();
    let there = nearest(path);
    let mut found = vec![match is_missing(path) {
        true => Finding::ok(
            TOPIC,
            "state",
            format!("{} is not there yet: the first start makes it", path.display()),
        ),
        false => writable("state", path),
    }];
    found.push(room(there));
    found.extend(private("state", path));
    found
}

fn room(path: &Path) -> Finding {
    let subject = "disk";
    let known = match statvfs(path) {
        Ok(known) => known,
        Err(error) => {
            let text = format!("{}: {error}", path.display());
            return Finding::unknown(TOPIC, subject, text, "`df`");
        }
    };
    let free = known.blocks_available().saturating_mul(known.fragment_size());
    let text = format!("{} MB are free for {}", free >> 20, path.display());
    let next = "make room, or name another state-dir: changes need it, the guard itself does not";
    // Some file systems do not count files.
    let files = (known.files() > 0).then(|| known.files_available());
    match free {
        ..SCARCE => Finding::fail(TOPIC, subject, text, next),
        SCARCE..ENOUGH => Finding::warn(TOPIC, subject, text, next),
        _ if files.is_some_and(|files| files < FILES) => {
            Finding::warn(TOPIC, subject, format!("{text}, but hardly any more files"), next)
        }
        _ => Finding::ok(TOPIC, subject, text),
    }
}

/// Whether others may change what is kept in a folder, or whoever owns it cannot.
fn private(subject: &str, path: &Path) -> Option<Finding> {
    let known: Metadata = fs::metadata(path).ok()?;
    if known.mode() & OTHERS_WRITE != 0 {
        return Some(Finding::fail(
            TOPIC,
            subject,
            format!("others may write in {} (mode {:o})", path.display(), known.mode() & 0o7777),
            format!("`chmod go-w {}`", path.display()),
        ));
    }
    let entries = fs::read_dir(path).ok()?;
    let mut owned = entries.filter_map(|entry| Some((entry.ok()?.path(), known.uid())));
    let stray = owned.find(|(entry, owner)| {
        fs::symlink_metadata(entry).is_ok_and(|entry| entry.uid() != *owner)
    });
    stray.map(|(entry, owner)| {
        Finding::warn(
            TOPIC,
            subject,
            format!("{} is not its folder's owner's (user {owner})", entry.display()),
            format!("`chown -R {owner} {}`: the daemon's user has to write it", path.display()),
        )
    })
}
