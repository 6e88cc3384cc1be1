//! `guard replay`: what would become of a whole capture.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use guard_user::capture::Capture;
use guard_user::kernel::KernelError;
use guard_user::live::{Live, LiveError};
use guard_user::replay::{
    Change, Changes, Disagreement, FrameLine, Judgement, Ran, Replayed, Row, Summary, replay,
};
use guard_user::trial::{Ground, How};
use serde_json::{Value, json};

use super::exit::{self, Usage};
use super::progress::Progress;
use super::table::{self, bytes, count, short};

/// Rows of a table.
const ROWS: usize = 20;

const HELP: &str = "\
Frames are judged as if enforcing, by a private copy of the program, with
nothing in its limits and pins at first. Its clock is the capture's: the first
frame comes in now, the others at the capture's pace.

A frame comes in by --interface; else by the interface that the capture names,
if the policy has it; else where its source is bound, or, for a stranger, by the
first untrusted interface. What left the host it was captured on is not judged.

With --config, the capture goes through what is live and through the file; if
nothing is loaded, through the file alone.";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The capture file: pcap or pcapng
    #[arg(value_name = "CAPTURE")]
    file: PathBuf,
    /// Also through this configuration, and what that would change
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The interface that all frames come in by
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Print every frame
    #[arg(long)]
    frames: bool,
    /// Print JSON: the summary; with --frames, a line for each frame before it
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { file, config, interface, frames, json } = arguments;
    let mut capture = Capture::open(file)?;
    let (before, after) = grounds(live, config.as_deref())?;
    if let Some(name) = interface
        && before.interface(name, How::Asked).is_none()
    {
        let known: Vec<_> = before.interfaces.keys().map(String::as_str).collect();
        let (name, known) =
            (format!("{} has no interface {name:?}", before.name), known.join(", "));
        return Err(Usage(format!("{name}\n  next: name one of {known}")).into());
    }
    let mut progress = Progress::new();
    let mut tell = |line: &FrameLine<'_>, done| {
        progress.at(line.frame, done);
        if *frames && *json {
            // Numbers and strings: what has no shape in JSON is not among them.
            let _ = table::json_line(line);
        } else if *frames {
            println!("{}", text(line));
        }
    };
    let replayed = replay(&mut capture, &before, after.as_ref(), interface.as_deref(), &mut tell)?;
    drop(progress);
    let Replayed { summary, broken } = replayed;
    if *json {
        let error = broken.as_ref().map(ToString::to_string);
        print_json(&summary, error, *frames)?;
    } else {
        print(&summary, *frames);
    }
    if let Some(error) = broken {
        return Err(error.into());
    }
    if summary.disagrees() {
        bail!(
            "the program in the kernel and the same code in memory do not agree: see above\n  next: \
             report this with the capture, the configuration and `uname -a`"
        );
    }
    let same = summary.changes.as_ref().is_none_or(Changes::are_none);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERS) })
}

/// What is live, and the file if one is named; where nothing is loaded, the file alone.
fn grounds(
    live: &Live,
    config: Option<&std::path::Path>,
) -> Result<(Ground, Option<Ground>), LiveError> {
    let Some(config) = config else {
        return Ok((Ground::live(live)?, None));
    };
    let after = Ground::file(config, live)?;
    match Ground::live(live) {
        Ok(before) => Ok((before, Some(after))),
        Err(LiveError::Kernel(
            error @ (KernelError::NotLoaded { .. } | KernelError::NotPermitted { .. }),
        )) => {
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            eprintln!("note: not compared with what is live: {why}");
            Ok((after, None))
        }
        Err(error) => Err(error),
    }
}

fn print_json(summary: &Summary, error: Option<String>, is_line: bool) -> Result<()> {
    let mut value = serde_json::to_value(summary)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("error".to_owned(), json!(error));
    }
    if is_line { table::json_line(&value) } else { table::json(&value) }
}

/// A frame on one line, and on a second what a change would make of it.
fn text(line: &FrameLine<'_>) -> String {
    let FrameLine { frame, not_judged, parties, judged, after, .. } = line;
    let fate = |judged: Option<Judgement<'_>>| match judged {
        Some(Judgement { verdict, reason, .. }) => format!("{verdict} {reason}"),
        None => "pass, unseen".to_owned(),
    };
    let fate_now = match not_judged {
        Some(why) => format!("-    {why}"),
        None => fate(*judged),
    };
    let mut text = short(&format!("{frame:>6} {fate_now:<24} {parties}"), 80);
    let is_other = |judged: &Judgement<'_>| (judged.verdict, judged.reason);
    if after.is_some() && after.as_ref().map(is_other) != judged.as_ref().map(is_other) {
        text.push_str(&format!("\n       {} after the change", fate(*after)));
    }
    text
}

fn print(summary: &Summary, frames: bool) {
    if frames {
        println!();
    }
    let Summary { first, last, interfaces, rows, ran, changes, .. } = summary;
    for ran in ran {
        table::labelled("policy", &told(ran));
        for Disagreement { first, last, text } in &ran.disagreements {
            table::labelled("DISAGREE", &format!("frames {first} to {last}: {text}"));
        }
    }
    if let (Some(first), Some(last)) = (first, last) {
        table::labelled("captured", &format!("{first} to {last}"));
    }
    let all: Vec<_> =
        interfaces.iter().map(|(name, frames)| format!("{name} {}", count(*frames))).collect();
    if !all.is_empty() {
        table::labelled("came in by", &all.join(", "));
    }
    table::labelled("frames", &counted(summary));
    if !rows.is_empty() {
        println!();
        print_rows(rows);
    }
    if let Some(changes) = changes {
        println!();
        print_changes(changes);
    }
}

fn counted(summary: &Summary) -> String {
    let Summary { frames, judged, dropped, protected, leaving, no_ip, cut, .. } = summary;
    let mut text = format!(
        "{}; judged {}, of them protected {}, dropped {}",
        count(*frames),
        count(*judged),
        count(*protected),
        count(*dropped)
    );
    for (number, what) in [
        (*leaving, "left the host"),
        (*no_ip, "with no IP that could be found"),
        (*cut, "cut short in the capture, the rest taken as zero"),
    ] {
        if number != 0 {
            text.push_str(&format!("; {} {what}", count(number)));
        }
    }
    text
}

fn told(ran: &Ran) -> String {
    let Ran { policy, by_kernel, without_kernel, other_build, .. } = ran;
    let mut text = match without_kernel {
        None => format!("{policy}, as if enforcing, in the kernel and in memory"),
        Some(why) => format!(
            "{policy}, as if enforcing, in memory ({} frames in the kernel: {})",
            count(*by_kernel),
            why.lines().next().unwrap_or_default()
        ),
    };
    if *other_build {
        text.push_str("; ANOTHER BUILD is on the interfaces: restart the daemon to be sure");
    }
    text
}

fn print_rows(rows: &[Row]) {
    let heading = ["PSAP", "CLASS", "REASON", "PASSED", "DROPPED", "BYTES"];
    let mut printed = table::table(&heading, 3);
    for Row { psap, class, reason, passed, dropped, bytes: size } in rows.iter().take(ROWS) {
        printed.add_row([
            short(psap.as_deref().unwrap_or("(none)"), 14),
            (*class).to_owned(),
            short(reason, 20),
            count(*passed),
            count(*dropped),
            bytes(*size),
        ]);
    }
    table::print(&printed);
    more(rows.len());
}

fn more(rows: usize) {
    if let Some(more @ 1..) = rows.checked_sub(ROWS) {
        println!("and {more} more: see --json");
    }
}

fn print_changes(changes: &Changes) {
    let Changes {
        would_drop,
        would_drop_protected,
        would_pass,
        otherwise,
        rows,
        first_dropped,
        ..
    } = changes;
    if changes.are_none() {
        println!("The change would make no difference to these frames.");
        return;
    }
    println!(
        "The change would drop {} frames that pass today, {} of them protected,",
        count(*would_drop),
        count(*would_drop_protected)
    );
    println!(
        "pass {} that are dropped, and count {} otherwise.\n",
        count(*would_pass),
        count(*otherwise)
    );
    let mut printed = table::table(&["PSAP", "TODAY", "AFTER", "FRAMES", "FIRST"], 3);
    for row in rows.iter().take(ROWS) {
        let Change { psap, verdict, reason, verdict_after, reason_after, frames, first, .. } = row;
        printed.add_row([
            short(psap.as_deref().unwrap_or("(none)"), 12),
            short(&format!("{verdict} {reason}"), 24),
            short(&format!("{verdict_after} {reason_after}"), 24),
            count(*frames),
            first.to_string(),
        ]);
    }
    table::print(&printed);
    more(rows.len());
    if !first_dropped.is_empty() {
        let numbers: Vec<_> = first_dropped.iter().map(u64::to_string).collect();
        println!();
        table::labelled("dropped", &format!("frames {}", numbers.join(", ")));
    }
}
