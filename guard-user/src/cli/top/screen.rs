//! The terminal: taken, and given back as it was, however the program ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};
use ratatui::{DefaultTerminal, Frame};

/// Somebody wants this to end.
static IS_TO_END: AtomicBool = AtomicBool::new(false);

/// The terminal, until dropped. A panic gives it back, too, before it is told.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    pub fn begin() -> io::Result<Self> {
        for number in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            // SAFETY: the handler only stores a flag, which is safe in a signal handler.
            unsafe { signal(number, SigHandler::Handler(end)) }?;
        }
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self(terminal)),
            Err(error) => {
                // As far as it was taken.
                let _ = ratatui::try_restore();
                Err(error)
            }
        }
    }

    /// Draws on it.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }

    /// Whether a signal came that ends programs.
    pub fn is_to_end() -> bool {
        IS_TO_END.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.0.show_cursor();
        let _ = ratatui::try_restore();
    }
}

extern "C" fn end(_signal: i32) {
    IS_TO_END.store(true, Ordering::Relaxed);
}
