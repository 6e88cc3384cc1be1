//! How far it has come, on terminals of any width: one line, written over and over.

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use guard_tests::guard_process::eventually;
use guard_tests::terminal::Terminal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

/// How long a line may be waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that are seen, one over the other.
const LINES: usize = 3;

/// A terminal on which a capture without end is replayed, until it has shown some lines.
fn watched(site: &Site, columns: u16) -> String {
    let name = site.path(&format!("endless-{columns}.pcap"));
    mkfifo(&name, Mode::from_bits_truncate(0o600)).unwrap();
    let frame = says(STRANGERS[0], "x");
    let begun = Pcap::new(Order::Little, true, ETHERNET);
    let header = begun.bytes.clone();
    let frames = begun.frame(SECOND, &frame).bytes.split_off(header.len()).repeat(256);

    let terminal = Terminal::new(columns, 24);
    let mut command = site.command(&["replay", &name.to_string_lossy()]);
    command.arg("--config").arg(site.file());
    terminal.give(&mut command);
    let mut child = command.spawn().unwrap();
    let is_enough = AtomicBool::new(false);
    let shown = thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().write(true).open(&name).unwrap();
            file.write_all(&header).unwrap();
            while !is_enough.load(Ordering::Relaxed) {
                // Else it has ended.
                if file.write_all(&frames).is_err() {
                    break;
                }
            }
        });
        let mut seen = Vec::new();
        let found = eventually(PATIENCE, || {
            let text = terminal.text();
            if text.contains("B, ") && seen.last() != Some(&text) {
                seen.push(text);
            }
            seen.len() >= LINES
        });
        is_enough.store(true, Ordering::Relaxed);
        assert!(found, "{seen:#?}\n{}", terminal.text());
        seen.pop().unwrap()
    });
    assert!(child.wait().unwrap().success(), "{}", terminal.text());
    // Of the line nothing is left.
    let text = terminal.text();
    let is_left = || terminal.text().contains(&shown);
    assert!(eventually(PATIENCE, || !is_left()), "{text}");
    shown
}

#[test]
fn it_is_one_line_however_wide_the_terminal() {
    let Some(site) = site() else { return };
    for columns in [80, 20] {
        let shown = watched(&site, columns);
        // Above it is a note, in as many lines as it takes.
        let lines: Vec<&str> =
            shown.trim_end().lines().filter(|line| line.contains("B, ")).collect();
        let [line] = &lines[..] else { panic!("{columns} columns:\n{shown}") };
        assert_eq!(shown.trim_end().lines().last(), Some(*line));
        assert!(line.chars().count() < columns.into(), "{line}");
        assert!(columns < 80 || line.ends_with(" frames"), "{line}");
    }
}
