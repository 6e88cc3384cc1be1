//! What `guard psaps` and `guard drops` let an operator ask for, and asking again and again.

use std::io::{IsTerminal as _, Write as _};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use guard_common::reason::Reason;
use guard_user::counted;
use guard_user::live::Live;
use guard_user::report::{Asked, owner_of, rfc3339};

use super::exit::Usage;

/// The shortest time between two looks.
const WATCH_MIN: Duration = Duration::from_millis(100);
/// The longest.
const WATCH_MAX: Duration = Duration::from_secs(3600);
/// Clears a terminal and goes to its beginning.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Debug, clap::Args)]
pub struct Selection {
    /// Only this PSAP, site or element
    #[arg(long, value_name = "ID")]
    pub psap: Option<String>,
    /// Only this reason
    #[arg(long, value_name = "NAME", value_parser = reasons(), hide_possible_values = true)]
    pub reason: Option<Reason>,
    /// Only what happened in the last TIME, such as 15m, as far as that was written down
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// Print it again every TIME
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s",
        value_parser = interval)]
    pub watch: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Selection {
    /// What is to be counted.
    pub fn asked(&self, live: &Live) -> Result<Asked> {
        self.owner(live)?;
        let Self { psap, reason, .. } = self;
        let since = match self.since() {
            None => None,
            Some(since) => Some(counted::before(live, since)?.context(
                "nothing was written down of what the counters said before\n  next: the \
                 daemon writes it while it runs; without --since, all that was ever counted is told",
            )?),
        };
        Ok(Asked { psap: psap.clone(), reason: *reason, since })
    }

    /// Under which id the frames are counted that are asked for.
    pub fn owner(&self, live: &Live) -> Result<Option<String>> {
        let Some(psap) = &self.psap else {
            return Ok(None);
        };
        match owner_of(live, psap)? {
            Some(owner) => Ok(Some(owner)),
            None => bail!(Usage(format!(
                "no PSAP, site or element {psap:?}\n  next: `guard psaps` names them"
            ))),
        }
    }

    /// The moment that `--since` means.
    pub fn since(&self) -> Option<SystemTime> {
        let since = self.since?;
        Some(SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// Prints once, or again and again.
    pub fn print(&self, mut print: impl FnMut() -> Result<()>) -> Result<()> {
        let Some(interval) = self.watch else {
            return print();
        };
        loop {
            if std::io::stdout().is_terminal() {
                print!("{CLEAR}");
            }
            print()?;
            std::io::stdout().flush()?;
            thread::sleep(interval);
        }
    }
}

/// Says from when on something was counted.
pub fn tell_span(asked: &Asked) {
    if let Some(mark) = &asked.since {
        let age = Duration::from_secs(mark.age().as_secs());
        println!("Since {}, {} ago.\n", rfc3339(mark.at), humantime::format_duration(age));
    }
}

/// An answer with rows, in JSON: since when, and what.
pub fn with_span<T: serde::Serialize>(asked: &Asked, rows: &[T]) -> serde_json::Value {
    let since = asked.since.as_ref().map(|mark| rfc3339(mark.at));
    serde_json::json!({ "since": since, "rows": rows })
}

fn reasons() -> impl clap::builder::TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::all().map(Reason::name)).try_map(|name| {
        let mut all = Reason::all();
        all.find(|reason| reason.name() == name).ok_or_else(|| format!("no reason {name}"))
    })
}

/// A time between two looks.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (WATCH_MIN..=WATCH_MAX).contains(&interval) {
        return Ok(interval);
    }
    Err("write a time from 100ms to 1h".to_owned())
}
