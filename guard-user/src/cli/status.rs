//! `guard status`: what is happening now, on one screen.

use std::time::Duration;

use anyhow::Result;
use guard_user::live::Live;
use guard_user::report::{
    self, Bypass, CanaryInfo, CanaryResult, Controller, InterfaceInfo, Opened, Rates, Recent, Set,
    SideInfo, Stance, Status,
};
use guard_user::watching::{Done, Evidence};
use serde_json::Value;

use super::table::{self, count, rate, short};

/// Widest a line may be.
const WIDTH: usize = 80;
/// Width of the names of items.
const INDENT: usize = 11;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { json }: &Arguments) -> Result<()> {
    let status = report::status(live)?;
    if *json {
        return table::json(&status);
    }
    print_head(&status);
    print_interfaces(&status.interfaces);
    println!();
    print_rates(&status.recent);
    let totals = &status.totals;
    println!(
        "All frames  {} passed ({} protected), {} dropped, {} over limit but passed",
        count(totals.passed_packets),
        count(totals.protected_packets),
        count(totals.dropped_packets),
        count(totals.over_limit_packets),
    );
    if let Some(calls) = &status.calls {
        print_calls(calls);
    }
    let raised: Vec<String> = status
        .alarms
        .iter()
        .filter(|(_, times)| **times > 0)
        .map(|(name, times)| format!("{name} {}", count(*times)))
        .collect();
    print_item("Alarms", &if raised.is_empty() { "none".to_owned() } else { raised.join(", ") });
    print_trouble(&status.recent);
    Ok(())
}

fn print_rates(Recent { rates, .. }: &Recent) {
    let Some(Rates { seconds, passed, protected, dropped, over_limit }) = rates else {
        println!("Now         unknown: no daemon has written down the last minutes");
        return;
    };
    let text = format!(
        "{}/s passed ({}/s protected), {}/s dropped, {}/s over limit but passed (mean of {seconds:.0} s)",
        rate(*passed),
        rate(*protected),
        rate(*dropped),
        rate(*over_limit),
    );
    print_item("Now", &text);
}

/// What the reader of signalling has seen, as far as it says something that is known here.
fn print_calls(calls: &Value) {
    let number = |name: &str| calls.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = format!(
        "{} known, {} messages read, {} not; {} ports opened, {} released, {} not opened",
        count(number("calls")),
        count(number("messages")),
        count(number("unreadable")),
        count(number("opened")),
        count(number("released")),
        count(number("refused") + number("elsewhere") + number("no-room")),
    );
    print_item("Calls", &text);
    let (forgotten, displaced) = (number("forgotten"), number("displaced"));
    if forgotten + displaced > 0 {
        let (calls, ports) = (count(forgotten), count(displaced));
        print_item("", &format!("no room: {calls} calls forgotten, {ports} ports displaced"));
    }
}

/// Who is in trouble, and why: nothing where nobody is.
fn print_trouble(Recent { since, rates: _, psaps, drops }: &Recent) {
    if psaps.is_empty() {
        return;
    }
    match since {
        Some(since) => println!("\nIn trouble since {since}:"),
        None => println!("\nIn trouble, of all that was ever counted:"),
    }
    super::psaps::table(psaps);
    println!();
    super::drops::table(drops);
}

fn print_head(status: &Status) {
    let Status { stance, mode, bypass, controller, generation, configured, unknown, .. } = status;
    println!("Guard       {}", describe(*stance));
    let set = match &status.mode_set {
        Some(Set { at, by, why }) => {
            let why = why.as_deref().map_or(String::new(), |why| format!(": {}", short(why, 40)));
            format!("{mode}, since {at} by {by}{why}")
        }
        None => (*mode).to_owned(),
    };
    print_item("Mode", &set);
    if let Some(bypass) = bypass {
        print_bypass(bypass, controller.process.is_some());
    }
    if let Some(opened) = &status.opened {
        print_opened(opened);
    }
    if let Some(taken_back) = &status.taken_back {
        print_evidence("Taken back", taken_back);
    }
    print_canary(&status.canary);
    print_controller(controller);
    if let Some(unknown) = unknown {
        println!("Generation  {}", generation.number);
        println!("UNKNOWN     roles and configuration: {unknown}");
        return;
    }
    println!(
        "Generation  {} since {} by {}, {} live changes",
        generation.number, generation.since, generation.by, generation.live_changes
    );
    if let Some(until) = &generation.confirm_until {
        println!("Confirm     by {until}, or it is taken back: `guard confirm`");
    }
    println!("File        {}", generation.file);
    // All that are guarded by it have the same.
    if let Some(tag) = status.interfaces.iter().find_map(|interface| interface.tag.as_ref()) {
        println!("Program     tag {tag}");
    }
    println!(
        "Configured  {} PSAPs, {} elements, {} peers, {} allow, {} deny",
        configured.psaps, configured.elements, configured.peers, configured.allow, configured.deny
    );
}

fn print_opened(Opened { code: _, why, since, frame, evidence }: &Opened) {
    print_item("Opened", why);
    if let (Some(since), Some(frame)) = (since, frame) {
        print_item("", &format!("{since}: {frame}"));
    }
    if let Some(evidence) = evidence {
        print_evidence("", evidence);
    }
    print_item("", "`guard canary` looks again; `guard close --reason ...` closes it");
}

/// What turned after a change, and what was done about it.
fn print_evidence(name: &str, evidence: &Evidence) {
    let Evidence { at, change, turned, done, milliseconds, generation: _, closed: _ } = evidence;
    let seconds = Duration::from_millis(*milliseconds).as_secs_f64();
    print_item(name, &format!("{at}, {seconds:.1} s after: {change}"));
    for line in turned {
        print_item("", line);
    }
    if let Done::Opened { why } = done {
        print_item("", &format!("not rolled back: {why}"));
    }
}

fn print_canary(info: &CanaryInfo) {
    let CanaryInfo { result, why, age_seconds, targets, forms, frames, microseconds } = info;
    let age = age_seconds.map_or(String::new(), |age| format!("{age:.0} s ago: "));
    // On one line, as far as it goes: the next step is no line of its own here.
    let why = why.as_deref().unwrap_or("").replace("\n  next: ", "; next: ");
    let text = match result {
        CanaryResult::Ok => format!(
            "{age}911 passes; {} frames a second to {targets} targets, {forms} forms in a \
             minute, {:.1} ms of a core a second",
            count(*frames),
            Duration::from_micros(*microseconds).as_secs_f64() * 1e3,
        ),
        CanaryResult::Failed => format!("{age}FAILED: {why}"),
        CanaryResult::Blind => format!("{age}BLIND, nobody knows whether 911 passes: {why}"),
        CanaryResult::Silent => format!("SILENT, nobody looks whether 911 passes: {why}"),
    };
    print_item("Canary", &text);
}

/// An item of the head, in as many lines as it takes.
fn print_item(name: &str, text: &str) {
    let mut line = format!("{name:<11}");
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= WIDTH && line.len() > INDENT {
            println!("{line}");
            line = " ".repeat(INDENT);
        }
        line.push(' ');
        line.push_str(word);
    }
    println!("{line}");
}

fn print_bypass(Bypass { note, left_seconds }: &Bypass, daemon: bool) {
    if let Some(note) = note {
        println!("Bypass      since {} by {}: {}", note.since, note.by, note.reason);
    }
    match left_seconds {
        None => {}
        Some(_) if !daemon => println!("Bypass      ends when the controller is back"),
        Some(left) if *left > 0.0 => println!("Bypass      ends in {left:.0} s"),
        Some(_) => println!("Bypass      past its end; it stays on while an alarm is open"),
    }
}

fn print_controller(controller: &Controller) {
    let Controller { process, watchdog_left_seconds: left, watchdog_lapses, .. } = controller;
    match (process, left) {
        (Some(process), None) => {
            println!("Controller  process {process}; failsafe HOLD: without it, drops on");
        }
        (Some(process), Some(left)) => {
            println!("Controller  process {process}; without it the guard opens in {left:.0} s");
        }
        (None, None) => println!("Controller  NOT RUNNING; failsafe HOLD: drops on without it"),
        (None, Some(left)) if *left > 0.0 => {
            println!("Controller  NOT RUNNING; the guard opens in {left:.0} s");
        }
        (None, Some(_)) => println!("Controller  NOT RUNNING; start it with `guard run`"),
    }
    if let Some(waits) = controller.closes_after_seconds {
        println!(
            "Watchdog    opened {watchdog_lapses} times; closes after {waits} s without trouble"
        );
    }
}

fn print_interfaces(interfaces: &[InterfaceInfo]) {
    println!();
    let mut printed =
        table::table(&["INTERFACE", "ROLE", "XDP MODE", "PROGRAM", "OUT", "LABEL"], 3);
    for InterfaceInfo { name, role, mode, program, tag: _, guarded, outgoing, label } in interfaces
    {
        let program = match program {
            Some(id) if *guarded => id.to_string(),
            Some(id) => format!("{id} is NOT THE GUARD"),
            None => "NOT GUARDED".to_owned(),
        };
        let (outgoing, label) = (side(*outgoing), side(*label));
        printed.add_row([name.as_str(), role, mode.unwrap_or("-"), &program, outgoing, label]);
    }
    table::print(&printed);
}

const fn side(side: SideInfo) -> &'static str {
    match side {
        SideInfo::Off => "-",
        SideInfo::Tcx | SideInfo::Clsact => "yes",
        SideInfo::Missing => "MISSING",
        SideInfo::Unknown => "?",
    }
}

const fn describe(stance: Stance) -> &'static str {
    match stance {
        Stance::Enforcing => "enforcing: drops what is denied or over a limit",
        Stance::Monitoring => "monitoring: counts, drops nothing",
        Stance::Bypassed => "BYPASSED: counts, drops nothing, because a person said so",
        Stance::OpenByWatchdog => "OPEN: drops nothing, the controller has been silent too long",
        Stance::Opened => "OPEN: drops nothing, the controller opened it; a person closes it",
        Stance::Unconfirmed => "OPEN: drops nothing, nobody confirmed the change that is live",
        Stance::OpenByUnknownMode => "OPEN: drops nothing, the mode is not known to this version",
    }
}
