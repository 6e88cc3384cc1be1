//! `guard explain`: why a packet passes or does not, step by step.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use guard_user::capture::{Capture, Frame};
use guard_user::explain::packet::{self, Details, PAYLOAD_MAX};
use guard_user::explain::{Entry, Explanation, Step, explain};
use guard_user::kernel::clock;
use guard_user::live::Live;
use guard_user::replay::{Fate, Walk, time};
use guard_user::trial::{Ground, How, Trial};

use super::exit::Usage;
use super::progress::Progress;
use super::table;

/// What a person has to know to write a packet.
const HELP: &str = "\
Packets are written as in
  guard explain udp 203.0.113.9:40000 to 198.51.100.10:5060 --payload invite.txt
  guard explain tcp [2001:db8::9]:40000 to [2001:db8::10]:5060 --flags syn
  guard explain icmp 203.0.113.9 to 198.51.100.10
`to` may be left out. An arrow has to be in quotes, because > is the shell's:
  guard explain 'udp 203.0.113.9:40000 -> 198.51.100.10:5060'

A packet is held against the live limits and pins as they are, and uses none of
them up. A frame of a capture comes behind those before it in the capture, at
their pace, with nothing in the state at first.";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// A capture file (pcap, pcapng), or a packet: PROTOCOL SOURCE to DESTINATION
    #[arg(required = true, value_name = "WHAT")]
    what: Vec<String>,
    /// Which frame of the capture, from 1
    #[arg(long, value_name = "N")]
    frame: Option<u64>,
    /// The interface it comes in by [default: where its source would]
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// The VLAN a written packet is tagged with
    #[arg(long, value_name = "ID")]
    vlan: Option<u16>,
    /// What a written packet says
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Flags of a written TCP segment, such as syn,ack [default: syn, or psh,ack with a payload]
    #[arg(long, value_name = "FLAGS")]
    flags: Option<String>,
    /// Type of a written ICMP message [default: a request for an echo]
    #[arg(long, value_name = "TYPE")]
    icmp_type: Option<u8>,
    /// Explain by this configuration instead of the live policy
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, arguments: &Arguments) -> Result<()> {
    let explained = if packet::is_one(&arguments.what) {
        written(live, arguments)?
    } else {
        captured(live, arguments)?
    };
    if arguments.json {
        table::json(&explained)?;
    } else {
        print(&explained);
    }
    if explained.disagreements.is_empty() {
        return Ok(());
    }
    bail!(
        "the program in the kernel and the same code in memory do not agree: {}\n  next: \
         report this with the frame, the configuration and `uname -a`",
        explained.disagreements.join("; ")
    )
}

fn ground(live: &Live, config: Option<&Path>) -> Result<Ground> {
    Ok(match config {
        Some(file) => Ground::file(file, live)?,
        None => Ground::live(live)?,
    })
}

/// A packet that somebody wrote.
fn written(live: &Live, arguments: &Arguments) -> Result<Explanation> {
    let Arguments { what, frame, interface, vlan, payload, flags, icmp_type, config, .. } =
        arguments;
    if frame.is_some() {
        return Err(usage("--frame is for captures\n  next: leave it out, or name a capture"));
    }
    let payload = payload.as_deref().map(said).transpose()?.unwrap_or_default();
    let details = Details { flags: flags.clone(), icmp_type: *icmp_type, vlan: *vlan, payload };
    let packet = packet::parse(what, &details).map_err(|wrong| Usage(wrong.to_string()))?;
    let bytes = packet.frame(&details);
    let ground = ground(live, config.as_deref())?;
    let now = clock::now();
    let mut trial =
        if ground.is_live() { Trial::live(&ground, now) } else { Trial::fresh(&ground, now) };
    trial.set_switches(ground.switches);
    let entrance = match interface {
        Some(name) => ground.interface(name, How::Asked),
        None => ground.entrance(trial.host().model(), None, &bytes),
    };
    let entrance = entrance.ok_or_else(|| no_interface(&ground, interface.as_deref()))?;
    let preface = vec![Step::new("packet", "written, with a made-up Ethernet header")];
    Ok(explain(&ground, &mut trial, (1, &bytes), entrance, now, preface))
}

/// What a packet says: no more than fits one.
fn said(file: &Path) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    let limit = u64::try_from(PAYLOAD_MAX).unwrap_or(0) + 1;
    let opened = File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut payload));
    opened
        .with_context(|| format!("{}: cannot be read\n  next: check --payload", file.display()))?;
    Ok(payload)
}

/// A frame of a capture, behind those before it.
fn captured(live: &Live, arguments: &Arguments) -> Result<Explanation> {
    let Arguments { what, frame, interface, config, .. } = arguments;
    let [file] = what.as_slice() else {
        return Err(usage(
            "this is neither one capture file nor a packet\n  next: write such as \
             udp 203.0.113.9:40000 to 198.51.100.10:5060, or FILE --frame N",
        ));
    };
    if arguments.has_details() {
        return Err(usage(
            "a frame of a capture has its own VLAN, flags and payload\n  next: leave out what \
             is for packets that you write",
        ));
    }
    let Some(wanted) = frame.filter(|wanted| *wanted != 0) else {
        return Err(usage(
            "which frame?\n  next: add --frame N, from 1; `guard replay` lists them",
        ));
    };
    let mut capture = Capture::open(Path::new(file))?;
    let ground = ground(live, config.as_deref())?;
    if interface.as_deref().is_some_and(|name| ground.interface(name, How::Asked).is_none()) {
        return Err(no_interface(&ground, interface.as_deref()));
    }
    let mut walk = Walk::new(&ground, interface.as_deref())?;
    let mut trial = Trial::fresh(&ground, walk.now());
    trial.set_switches(ground.switches);
    let mut progress = Progress::new();
    loop {
        let done = capture.progress();
        let Some(frame) = capture.next_frame()? else {
            bail!("{file} has no frame {wanted}\n  next: `guard replay {file}` counts its frames");
        };
        progress.at(frame.number, done);
        let step = walk.step(&frame, trial.host().model());
        let Fate::In { entrance } = step.fate else {
            if frame.number == wanted {
                bail!("{}", not_seen(&frame));
            }
            continue;
        };
        if frame.number == wanted {
            let preface = preface(file, &frame);
            let numbered = (frame.number, step.bytes);
            return Ok(explain(&ground, &mut trial, numbered, entrance, step.now, preface));
        }
        trial.run(frame.number, step.bytes, entrance.index, step.now);
    }
}

impl Arguments {
    fn has_details(&self) -> bool {
        let Self { vlan, payload, flags, icmp_type, .. } = self;
        vlan.is_some() || payload.is_some() || flags.is_some() || icmp_type.is_some()
    }
}

fn not_seen(frame: &Frame<'_>) -> String {
    let why = if frame.leaving {
        "left the host it was captured on: the guard sees what comes in"
    } else {
        "carries no IP that could be found"
    };
    format!("frame {} ({}) {why}\n  next: name another frame", frame.number, frame.link)
}

fn preface(file: &str, frame: &Frame<'_>) -> Vec<Step> {
    let Frame { number, at, link, is_made_up, left_out, .. } = *frame;
    let mut text = format!("frame {number} of {file}");
    if let Some(at) = at.and_then(time) {
        text.push_str(&format!(", {at}"));
    }
    if number > 1 {
        text.push_str(&format!(", behind the {} before it", number - 1));
    }
    let mut steps = vec![Step::new("packet", text)];
    if is_made_up {
        steps.push(Step::new("link", format!("{link}: the Ethernet header is made up")));
    }
    if left_out != 0 {
        let text = format!("the capture left out the last {left_out} bytes: taken as zero");
        steps.push(Step::new("cut", text));
    }
    steps
}

fn no_interface(ground: &Ground, asked: Option<&str>) -> anyhow::Error {
    let known: Vec<_> = ground.interfaces.keys().map(String::as_str).collect();
    let name = &ground.name;
    Usage(match asked {
        Some(asked) if !known.is_empty() => {
            format!("{name} has no interface {asked:?}\n  next: name one of {}", known.join(", "))
        }
        _ => format!("{name} has no interface for frames to come in\n  next: add an [[interface]]"),
    })
    .into()
}

fn usage(text: &str) -> anyhow::Error {
    Usage(text.to_owned()).into()
}

fn print(explanation: &Explanation) {
    let Explanation { steps, psap, verdict, verdict_enforcing, decided, .. } = explanation;
    for Step { step, found, entries } in steps {
        table::labelled(step, found);
        for Entry { entry, matched, place, .. } in entries {
            let place = place.as_ref().map_or(String::new(), |place| format!(", {place}"));
            table::labelled("", &format!("- {entry}: {matched}{place}"));
        }
    }
    let mut text = format!("{}, {}", verdict.to_uppercase(), explanation.reason);
    text.push_str(&psap.as_ref().map_or(", of no PSAP".to_owned(), |id| format!(", of {id}")));
    if verdict != verdict_enforcing {
        text.push_str("; enforcing, with nothing open: DROP");
    }
    table::labelled("verdict", &text);
    let place = decided.place.as_ref().map_or(String::new(), |place| format!(", {place}"));
    table::labelled("decided by", &format!("{}{place}", decided.by));
    table::labelled("run by", &ran(explanation));
}

fn ran(explanation: &Explanation) -> String {
    let Explanation { ran_by, without_kernel, other_build, disagreements, .. } = explanation;
    let mut text = match (*ran_by, without_kernel) {
        ("kernel", _) if disagreements.is_empty() => {
            "a private copy of the program in the kernel; memory agrees".to_owned()
        }
        ("kernel", _) => "KERNEL AND MEMORY DO NOT AGREE: trust neither".to_owned(),
        (_, Some(why)) => format!("memory alone, not the kernel: {}", first_line(why)),
        (_, None) => "memory alone: the kernel takes no such frame".to_owned(),
    };
    if *other_build {
        text.push_str("; ANOTHER BUILD is on the interfaces: restart the daemon to be sure");
    }
    text
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
