#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use nix::fcntl::{Flock, FlockArg};

use super::*;

fn whats(log: &Log) -> Vec<&str> {
    log.entries.iter().map(|entry| entry.what.as_str()).collect()
}

#[test]
fn records_are_read_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::new(folder.path());
    assert_eq!(audit.read(10).unwrap(), Log::default());
    audit.record("first", Some("ticket 4711"), "done", Some(7));
    audit.outcome("second", None, &Err::<(), _>("no\nroom"), None, None);
    let log = audit.read(10).unwrap();
    assert_eq!(whats(&log), ["first", "second"]);
    let Entry { schema, why, generation, result, .. } = &log.entries[0];
    assert_eq!((*schema, why.as_deref()), (SCHEMA, Some("ticket 4711")));
    assert_eq!((*generation, result.as_str()), (Some(7), "done"));
    assert_eq!(log.entries[1].result, "no room");
    assert_eq!(whats(&audit.read(1).unwrap()), ["second"]);
    let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// What a power loss cut off costs no other record.
#[test]
fn a_half_line_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::new(folder.path());
    audit.record("before", None, "done", None);
    let mut file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
    file.write_all(b"{\"schema\":1,\"time\":\"20\xff").unwrap();
    assert_eq!(audit.read(10).unwrap().broken, 1);
    audit.record("after", None, "done", None);
    let log = audit.read(10).unwrap();
    assert_eq!((whats(&log), log.broken), (vec!["before", "after"], 1));
}

#[test]
fn full_files_are_kept_up_to_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::new(folder.path());
    for round in 0..=KEPT + 1 {
        audit.record(&format!("round {round}"), None, "done", None);
        // As good as full: the next record needs another file.
        let file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
        file.set_len(SIZE_MAX).unwrap();
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, usize::try_from(KEPT).unwrap() + 1);
    let log = audit.read(100).unwrap();
    assert_eq!(log.entries.last().unwrap().what, format!("round {}", KEPT + 1));
    assert_eq!(log.entries[0].what, "round 1", "the oldest is gone");
}

#[test]
fn writers_do_not_lose_each_others_records() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::new(folder.path());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let audit = audit.clone();
            scope.spawn(move || {
                for number in 0..10 {
                    audit.record(&format!("{writer} {number}"), None, "done", None);
                }
            });
        }
    });
    let log = audit.read(100).unwrap();
    assert_eq!((log.entries.len(), log.broken), (40, 0));
}

/// Who waits for a slow disk keeps no other writer waiting, whose record would be lost in the end.
#[test]
fn nobody_waits_for_anothers_disk() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::new(folder.path());
    let unsynced = file::write(folder.path(), &audit.entry("first", None, "done", None)).unwrap();
    let other = fs::File::open(folder.path().join(FILE)).unwrap();
    let locked = Flock::lock(other, FlockArg::LockExclusiveNonblock);
    assert!(locked.is_ok(), "{locked:?}");
    drop(locked);
    audit.record("second", None, "done", None);
    unsynced.sync_all().unwrap();
    assert_eq!(whats(&audit.read(10).unwrap()), ["first", "second"]);
}

/// Neither a missing folder nor a text of any size is an error for the caller.
#[test]
fn nothing_is_an_error_for_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    Audit::new(&folder.path().join("nowhere")).record("what", None, "done", None);
    let audit = Audit::new(folder.path());
    audit.record(&"x\n\"ä".repeat(10_000), Some(&"y".repeat(10_000)), "done", None);
    let log = audit.read(1).unwrap();
    assert_eq!(log.entries[0].what.chars().count(), TEXT_MAX);
}

#[test]
fn the_journal_gets_one_line_a_field() {
    let audit = Audit::new(Path::new("/nowhere"));
    let entry = audit.entry("deny add\nPRIORITY=0", Some("a\nb"), "done", Some(3));
    let datagram = journal::datagram(&entry);
    assert!(datagram.lines().all(|line| line.contains('=')), "{datagram}");
    assert_eq!(datagram.lines().filter(|line| line.starts_with("PRIORITY=")).count(), 1);
    assert!(datagram.contains("\nGUARD_GENERATION=3\n"));
}
