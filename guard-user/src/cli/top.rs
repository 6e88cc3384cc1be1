//! `guard top`: the guard live, on a terminal.
//!
//! ```text
//! counters, samples -> reader -> model -> view -> screen
//!                        keys ----^
//! ```
//!
//! A thread follows samples; everything else is read once a second. The model knows no terminal
//! and no kernel, the view draws it, and the screen gives the terminal back however this ends.

mod model;
mod reader;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use guard_user::live::Live;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::model::{Model, Next};
use self::reader::Reader;
use self::screen::Screen;

/// How long a key or signal may wait.
const WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Read the counters every TIME
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = super::selection::interval)]
    interval: Duration,
}

pub fn run(live: &Live, Arguments { interval }: &Arguments) -> Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("this is no terminal\n  next: `guard psaps --watch` prints to anything");
    }
    let mut reader = Reader::new(live);
    let mut model = Model::default();
    // What is wrong is told on a terminal that is as it was.
    model.take(reader.read()?);
    let mut screen = Screen::begin().context("the terminal cannot be used")?;
    let mut read = Instant::now();
    loop {
        screen.draw(|frame| view::draw(&model, frame))?;
        if Screen::is_to_end() {
            return Ok(());
        }
        if event::poll(WAIT).context("the terminal is gone")?
            && let Event::Key(key) = event::read().context("the terminal is gone")?
            && key.kind != KeyEventKind::Release
            && model.key(key) == Next::End
        {
            return Ok(());
        }
        model.add(reader.samples());
        if read.elapsed() >= *interval {
            read = Instant::now();
            match reader.read() {
                Ok(reading) => model.take(reading),
                Err(error) => model.fail(error.to_string()),
            }
        }
    }
}
