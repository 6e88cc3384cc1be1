//! The model by itself, and what it looks like, on terminals of any size.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

use std::io::Read as _;
use std::process::{Command, Stdio};

use guard_user::report::{
    CanaryInfo, CanaryResult, DropRow, OutTotals, PsapRow, Pulse, Stance, Totals,
};
use nix::pty::openpty;
use nix::sys::termios::tcgetattr;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Next};
use super::reader::{Reading, Sampled};
use super::screen::Screen;
use super::view;

fn pulse() -> Pulse {
    Pulse {
        stance: Stance::Enforcing,
        canary: CanaryInfo {
            result: CanaryResult::Ok,
            why: None,
            age_seconds: Some(1.2),
            targets: 2,
            forms: 30,
            frames: 60,
            microseconds: 900,
        },
        daemon: Some(4711),
        generation: 3,
    }
}

fn psap(id: &str, dropped_packets: u64) -> PsapRow {
    PsapRow {
        id: (!id.is_empty()).then(|| id.to_owned()),
        name: Some(format!("Dispatch centre {id} of a very long name")),
        kind: "psap",
        shared_with: None,
        totals: Totals { dropped_packets, passed_packets: 100, ..Totals::default() },
        outgoing: OutTotals::default(),
    }
}

fn reading(dropped: [u64; 2]) -> Reading {
    let [east, west] = dropped;
    let row = |id: &str, reason, dropped_packets| DropRow {
        id: Some(id.to_owned()),
        reason,
        class: "limited",
        dropped_packets,
        dropped_bytes: 0,
        would_drop_packets: 0,
        would_drop_bytes: 0,
    };
    Reading {
        pulse: pulse(),
        psaps: vec![psap("east", east), psap("west", west), psap("", 0)],
        drops: vec![row("east", "sip_over_psap", east), row("west", "denied", west)],
    }
}

fn key(model: &mut Model, code: KeyCode) -> Next {
    model.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(model, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let rows = cells.chunks(usize::from(width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect()).collect()
}

fn ids(model: &Model) -> Vec<&str> {
    model.shown().map(|line| line.id.as_str()).collect()
}

#[test]
fn who_is_in_trouble_now_comes_first() {
    let mut model = Model::default();
    model.take(reading([1000, 10]));
    assert_eq!(ids(&model), ["east", "west", ""]);
    // The first was in trouble before; the second is now.
    model.take(reading([1000, 500]));
    assert_eq!(ids(&model), ["west", "east", ""]);
    assert_eq!(model.reasons[0].0, "denied");
    assert!(model.reasons[0].1 > 0.0 && model.reasons[1].1 == 0.0);
    // Counters that begin anew are no trouble.
    model.take(reading([0, 0]));
    assert!(model.psaps.iter().all(|line| line.trouble() == 0.0));
}

#[test]
fn keys_filter_freeze_and_end() {
    let mut model = Model::default();
    model.take(reading([1, 2]));
    assert_eq!(key(&mut model, KeyCode::Char('/')), Next::Stay);
    for letter in "EASq".chars() {
        assert_eq!(key(&mut model, KeyCode::Char(letter)), Next::Stay);
    }
    key(&mut model, KeyCode::Backspace);
    assert_eq!(ids(&model), ["east"]);
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::Char(' '));
    model.take(reading([5000, 2]));
    assert_eq!(model.psaps.iter().map(|line| line.totals.dropped_packets).max(), Some(2));
    key(&mut model, KeyCode::Char(' '));
    model.take(reading([5000, 2]));
    assert_eq!(model.psaps.iter().map(|line| line.totals.dropped_packets).max(), Some(5000));
    key(&mut model, KeyCode::Esc);
    assert_eq!(ids(&model).len(), 3);
    for code in [KeyCode::PageDown, KeyCode::PageDown, KeyCode::Up, KeyCode::PageUp] {
        key(&mut model, code);
        assert!(model.scrolled < 3);
    }
    assert_eq!(key(&mut model, KeyCode::Char('q')), Next::End);
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(model.key(control), Next::End);
}

#[test]
fn it_fits_a_terminal_of_80_by_24() {
    let mut model = Model::default();
    model.take(reading([1000, 10]));
    std::thread::sleep(std::time::Duration::from_millis(20));
    model.take(reading([1500, 10]));
    let shown = screen(&model, 80, 24);
    for (row, text) in [
        (0, "guard enforcing  911 passes 1 s ago  generation 3  daemon 4711"),
        (5, "PSAP"),
        (23, "q quits"),
    ] {
        assert!(shown[row].contains(text), "{row}: {shown:#?}");
    }
    let east = shown.iter().find(|line| line.starts_with("east")).unwrap();
    assert!(east.contains("Dispatch") && east.contains('█'), "{east}");
    assert!(shown.iter().any(|line| line.starts_with("sip_over_psap")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("SOURCE (sampled)")), "{shown:#?}");
    model.add(vec![Sampled::Failed("not permitted".to_owned())]);
    assert!(screen(&model, 80, 24).iter().any(|line| line.contains("not permitted")));
    model.fail("the guard is gone\nand more".to_owned());
    assert!(screen(&model, 80, 24)[23].starts_with("the guard is gone"));
}

#[test]
fn no_size_of_a_terminal_is_too_small_or_too_large() {
    let mut model = Model::default();
    for step in 0..3 {
        for width in [1, 2, 5, 19, 20, 21, 59, 60, 80, 200, 400] {
            for height in [1, 2, 3, 5, 8, 12, 24, 100] {
                screen(&model, width, height);
            }
        }
        model.take(reading([1000 * step, u64::MAX]));
    }
}

/// Where this is set, the test below is the one that panics.
const PANICS: &str = "GUARD_TEST_TOP_PANICS";

#[test]
fn a_panic_gives_the_terminal_back() {
    if std::env::var_os(PANICS).is_some() {
        let mut screen = Screen::begin().unwrap();
        screen.draw(|_| panic!("on purpose")).unwrap();
        return;
    }
    let pty = openpty(None, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "cli::top::tests::a_panic_gives_the_terminal_back", "--nocapture"])
        .env(PANICS, "1")
        .stdin(end())
        .stdout(end())
        .stderr(end());
    let status = command.status().unwrap();
    assert!(!status.success(), "it panics");
    drop(command);
    let after = tcgetattr(&pty.slave).unwrap();
    assert_eq!((after.local_flags, after.input_flags), (before.local_flags, before.input_flags));
    let mut out = vec![0; 65_536];
    let length = std::fs::File::from(pty.master).read(&mut out).unwrap();
    let text = String::from_utf8_lossy(&out[..length]).into_owned();
    let [taken, left, told] =
        ["\x1b[?1049h", "\x1b[?1049l", "on purpose"].map(|what| text.find(what));
    assert!(taken.is_some() && taken < left && left < told, "{text:?}");
}
