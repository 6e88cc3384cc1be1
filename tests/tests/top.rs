//! `guard top` on a real terminal: what it shows, what keys do, and how it leaves.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::process::Child;
use std::thread;
use std::time::Duration;

use guard_tests::guard_process::{PSAP, SIP, STRANGERS, Site, eventually};
use guard_tests::terminal::Terminal;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios};
use nix::unistd::Pid;

/// How long a change of the screen may take.
const SOON: Duration = Duration::from_secs(10);

/// A terminal with `guard top` on it.
struct Top {
    child: Child,
    terminal: Terminal,
    before: Termios,
}

impl Top {
    fn start(site: &Site, columns: u16, rows: u16) -> Self {
        let terminal = Terminal::new(columns, rows);
        let before = terminal.settings();
        let mut command = site.command(&["top", "--interval", "200ms"]);
        terminal.give(&mut command);
        Self { child: command.spawn().unwrap(), terminal, before }
    }

    fn text(&self) -> String {
        self.terminal.text()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let shown = eventually(SOON, || self.text().contains(text));
        assert!(shown, "no {text:?} on:\n{}", self.text());
    }

    fn press(&mut self, keys: &str) {
        self.terminal.press(keys);
    }

    /// Waits for its end; the terminal has to be as it was then.
    #[track_caller]
    fn ends(mut self, code: Option<i32>) {
        let mut status = None;
        let ended = eventually(SOON, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "it goes on:\n{}", self.text());
        assert_eq!(status.and_then(|status| status.code()), code);
        let is_back = || {
            let screen = self.terminal.screen();
            !screen.screen().alternate_screen() && !screen.screen().hide_cursor()
        };
        assert!(eventually(SOON, is_back), "the screen is not given back:\n{}", self.text());
        let after = self.terminal.settings();
        assert_eq!(after.local_flags, self.before.local_flags);
        assert_eq!(after.input_flags, self.before.input_flags);
        assert_eq!(after.output_flags, self.before.output_flags);
        assert!(after.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
        assert!(!self.text().contains("panicked"), "{}", self.text());
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn site() -> Option<Site> {
    let deny = format!(
        "[[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n\
         [[psap]]\nid = 'P-2'\nname = 'Westfield'\nservices = ['198.51.100.11:5060/udp']\n",
        STRANGERS[0]
    );
    Site::with(|site| site.config() + &deny)
}

fn flood(site: &Site) {
    let _service = site.listen(PSAP, SIP);
    let stranger = site.speak(STRANGERS[0]);
    for _ in 0..50 {
        stranger.send_to(b"junk", (PSAP, SIP)).unwrap();
    }
}

#[test]
fn it_shows_who_is_in_trouble_and_does_what_keys_say() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let mut top = Top::start(&site, 80, 24);
    top.shows("guard enforcing");
    top.shows("Springfield");
    top.shows("Westfield");
    let denied = || {
        flood(&site);
        top.text().contains("denied")
    };
    assert!(eventually(SOON, denied), "nobody is denied on:\n{}", top.text());
    top.shows(&STRANGERS[0].to_string());
    top.press("/west\r");
    top.shows("Esc shows more");
    assert!(eventually(SOON, || !top.text().contains("Springfield")), "{}", top.text());
    top.press(" ");
    top.shows("FROZEN");
    top.press(" \x1b");
    top.shows("Springfield");
    assert!(!top.text().contains("FROZEN"));
    top.press("q");
    top.ends(Some(0));
}

#[test]
fn the_terminal_is_as_it_was_however_it_ends() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let top = Top::start(&site, 80, 24);
        top.shows("guard enforcing");
        kill(Pid::from_raw(top.child.id().try_into().unwrap()), signal).unwrap();
        top.ends(Some(0));
    }
    let mut top = Top::start(&site, 80, 24);
    top.shows("guard enforcing");
    top.press("\x03");
    top.ends(Some(0));
    // The guard is taken away meanwhile: that is told, and nothing else happens.
    let mut top = Top::start(&site, 80, 24);
    top.shows("guard enforcing");
    daemon.kill();
    top.shows("NO DAEMON");
    let _ = site.guard(&["unload"]).done();
    top.shows("no guard");
    top.press("q");
    top.ends(Some(0));
    // Before it begins, errors are on a terminal that nobody took.
    let top = Top::start(&site, 80, 24);
    top.shows("no guard");
    top.ends(Some(4));
}

#[test]
fn small_terminals_are_survived_and_none_is_told() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    for (columns, rows) in [(20, 24), (20, 3), (1, 1), (300, 100)] {
        let mut top = Top::start(&site, columns, rows);
        top.shows("g");
        flood(&site);
        thread::sleep(Duration::from_millis(600));
        top.press("/x\r \x1b");
        thread::sleep(Duration::from_millis(300));
        top.press("q");
        top.ends(Some(0));
    }
    site.guard(&["top"]).fails(1, &["no terminal", "--watch"]);
}
