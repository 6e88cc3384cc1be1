//! `guard drops`: what was dropped, or would have been, and why; in numbers, or frame by frame.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use guard_user::drops::{Capture, Drop, Filter, Follow, kept};
use guard_user::live::Live;
use guard_user::report::{self, DropRow, protocol_name};

use super::exit::Usage;
use super::selection::{Selection, tell_span, with_span};
use super::table::{self, bytes, count, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Print samples of dropped frames as they come, until Ctrl-C
    #[arg(long, conflicts_with = "watch")]
    follow: bool,
    /// Write the samples that are kept to a new file for Wireshark: headers alone, unless
    /// `bodies` in `[samples]` says otherwise
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    pcap: Option<PathBuf>,
}

pub fn run(live: &Live, arguments: &Arguments) -> Result<()> {
    let Arguments { selection, follow, pcap } = arguments;
    if *follow || pcap.is_some() {
        return frames(live, selection, *follow, pcap.as_deref());
    }
    selection.print(|| print(live, selection))
}

fn print(live: &Live, selection: &Selection) -> Result<()> {
    let asked = selection.asked(live)?;
    let rows = report::drops(live, &asked)?;
    if selection.json {
        return table::json(&with_span(&asked, &rows));
    }
    tell_span(&asked);
    if rows.is_empty() {
        println!("Nothing was dropped, and enforcing would have dropped nothing.");
        return Ok(());
    }
    table(&rows);
    Ok(())
}

/// Prints drops by owner and reason as a table.
pub fn table(rows: &[DropRow]) {
    let heading = ["PSAP", "REASON", "DROPPED", "BYTES", "WOULD DROP"];
    let mut printed = table::table(&heading, 2);
    for row in rows {
        let DropRow { id, reason, dropped_packets, dropped_bytes, would_drop_packets, .. } = row;
        printed.add_row([
            short(id.as_deref().unwrap_or("(none)"), 20),
            (*reason).to_owned(),
            count(*dropped_packets),
            bytes(*dropped_bytes),
            count(*would_drop_packets),
        ]);
    }
    table::print(&printed);
}

/// Prints or writes samples.
fn frames(live: &Live, selection: &Selection, follow: bool, pcap: Option<&Path>) -> Result<()> {
    if selection.json && !follow {
        bail!(Usage("--json with --pcap says nothing\n  next: add --follow".to_owned()));
    }
    if live.effective()?.samples.drops == 0 {
        bail!(
            "no samples of dropped frames are taken\n  next: set drops in [samples] and \
             `guard apply`; `guard drops` has the numbers"
        );
    }
    let filter =
        Filter { psap: selection.owner(live)?, reason: selection.reason, since: selection.since() };
    // Followed from before what is kept is read, so that nothing is missed between the two.
    let mut following = if follow { Some(Follow::new(live)?) } else { None };
    let mut sink = Sink::new(live, pcap, selection.json)?;
    if !follow || filter.since.is_some() {
        for drop in kept(live.store.path())?.iter().filter(|drop| filter.wants(drop)) {
            sink.take(drop)?;
        }
    }
    if let Some(following) = &mut following {
        loop {
            let mut outcome = Ok(());
            following.next(&mut |drop| {
                if outcome.is_ok() && filter.wants(&drop) {
                    outcome = sink.take(&drop);
                }
            })?;
            outcome?;
        }
    }
    if let Some(path) = pcap {
        println!("{} frames in {}", sink.frames, path.display());
    }
    Ok(())
}

/// Where samples go.
struct Sink<'a> {
    live: &'a Live,
    capture: Option<(&'a Path, Capture)>,
    json: bool,
    frames: u64,
    has_audited: bool,
}

impl<'a> Sink<'a> {
    fn new(live: &'a Live, pcap: Option<&'a Path>, json: bool) -> Result<Self> {
        let capture = match pcap {
            None => None,
            Some(path) => {
                let capture = Capture::create(path).with_context(|| {
                    format!("{}: no capture was begun; it has to be a new file", path.display())
                })?;
                Some((path, capture))
            }
        };
        Ok(Self { live, capture, json, frames: 0, has_audited: false })
    }

    fn take(&mut self, drop: &Drop) -> Result<()> {
        self.frames += 1;
        match &mut self.capture {
            Some((path, capture)) => {
                if drop.has_bodies() && !self.has_audited {
                    self.has_audited = true;
                    let what = format!("drops --pcap {}, with bodies", path.display());
                    self.live.audit.record(&what, None, "done", None);
                }
                let failed = || format!("{}: the capture ends here", path.display());
                capture.add(drop).with_context(failed)
            }
            None if self.json => table::json_line(drop),
            None => {
                println!("{}", line(drop));
                Ok(())
            }
        }
    }
}

/// A drop in a line: time (UTC), PSAP, reason, whence, whither, interface.
fn line(drop: &Drop) -> String {
    let clock = drop.time.get(11..23).unwrap_or(&drop.time);
    let psap = drop.psap.as_deref().unwrap_or("(none)");
    let protocol = drop.parties.protocol.map_or_else(|| "?".to_owned(), protocol_name);
    let interface = drop.interface.as_deref().unwrap_or("?");
    let passed = if drop.dropped { "" } else { " (passed)" };
    format!(
        "{clock} {psap} {} {protocol} {} -> {} {interface}{passed}",
        drop.reason,
        drop.parties.sender(),
        drop.parties.receiver()
    )
}
