//! The log and who reads along, without a kernel.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard_common::class::Kind;
use guard_common::reason::Droppable;
use proptest::prelude::*;

use super::log::{BEFORE, FILE};
use super::tail::Tail;
use super::{Filter, Log, kept};
use crate::config::Samples;
use crate::recorded::{Kept, Taken};

fn taken(number: u32, at: SystemTime) -> Taken {
    let kept = Kept {
        at: u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap(),
        via: Some("wan0".to_owned()),
        owner: Some("P-1".to_owned()),
        reason: Droppable::over_source(Kind::Udp).reason().number(),
        dropped: true,
        stands_for: 0,
        length: number,
        headers: vec![7; 42],
        start_line: None,
    };
    Taken { kept, bytes: vec![7; 256], at, is_recorded: false }
}

fn numbers(folder: &std::path::Path) -> Vec<u32> {
    kept(folder).unwrap().iter().map(|drop| drop.length).collect()
}

#[test]
fn who_reads_along_misses_nothing_when_a_file_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(folder.path(), Samples::default());
    let mut tail = Tail::at_end(&folder.path().join(FILE)).unwrap();
    let mut seen = Vec::new();
    let count = 60_000;
    for number in 0..count {
        log.take(&taken(number, SystemTime::now()));
        if number % 1000 == 999 {
            tail.read(&mut |line| seen.push(line.kept.length)).unwrap();
        }
    }
    assert_eq!(seen, (0..count).collect::<Vec<_>>());
    let bytes = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(bytes(FILE) <= 5 << 20 && bytes(BEFORE) <= 5 << 20);
    // What is left is the newest, in a row.
    let left = numbers(folder.path());
    assert!(left.len() > 10_000 && left.len() < 60_000, "{}", left.len());
    assert_eq!(left, (count - u32::try_from(left.len()).unwrap()..count).collect::<Vec<_>>());
}

#[test]
fn nothing_is_kept_for_longer_than_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let half = Samples::default().keep.0 / 2 + Duration::from_secs(1);
    let mut log = Log::new(folder.path(), Samples::default());
    log.take(&taken(1, SystemTime::now() - half));
    drop(log);
    // Whoever comes next puts it aside, and in the end away.
    let mut log = Log::new(folder.path(), Samples::default());
    assert!(folder.path().join(BEFORE).exists() && !folder.path().join(FILE).exists());
    log.take(&taken(2, SystemTime::now()));
    assert_eq!(numbers(folder.path()), [1, 2]);
    let before = fs::File::open(folder.path().join(BEFORE)).unwrap();
    before.set_modified(SystemTime::now() - half).unwrap();
    log.tick();
    assert_eq!(numbers(folder.path()), [2]);
    log.set(Samples { drops: 0, ..Samples::default() });
    log.take(&taken(3, SystemTime::now()));
    assert_eq!(numbers(folder.path()), [0; 0]);
}

#[test]
fn filters_select() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(folder.path(), Samples::default());
    log.take(&taken(1, SystemTime::now()));
    let drop = kept(folder.path()).unwrap().pop().unwrap();
    let reason = drop.reason;
    let wants = |filter: Filter| filter.wants(&drop);
    assert!(wants(Filter::default()));
    assert!(wants(Filter { psap: Some("P-1".to_owned()), ..Filter::default() }));
    assert!(!wants(Filter { psap: Some("P-2".to_owned()), ..Filter::default() }));
    assert!(!wants(Filter { reason: Some(Droppable::DENIED.reason()), ..Filter::default() }));
    let later = SystemTime::now() + Duration::from_secs(60);
    assert!(!wants(Filter { since: Some(later), ..Filter::default() }));
    assert_eq!(reason, "udp_over_source");
}

proptest! {
    #[test]
    fn any_file_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), bytes).unwrap();
        prop_assert!(kept(folder.path()).is_ok());
        // And written on.
        let mut log = Log::new(folder.path(), Samples::default());
        log.take(&taken(1, SystemTime::now()));
        prop_assert_eq!(numbers(folder.path()), [1]);
    }
}
