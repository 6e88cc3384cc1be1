//! The steps in words.

use guard_common::abi::party::{ELEMENT, HOST, MANAGEMENT, NEIGHBOUR, PEER, SUPPORT, TUNNEL};
use guard_common::abi::state::{MODE_ENFORCE, MODE_MONITOR, opened};
use guard_common::classify::Told;
use guard_common::frame::{Defect, Fragment, Version};
use guard_common::pins::Standing;
use guard_common::verdict::Switches;
use guard_common::wire::protocol;
use serde::Serialize;

use super::entries::{self, Entry, kind_name};
use super::{Facts, Limit};
use crate::config::{At, Role, Section};
use crate::recorded::start_line;
use crate::report::protocol_name;
use crate::trial::{Entrance, Ground, How};

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is looked at.
    pub step: &'static str,
    /// What was found.
    pub found: String,
    /// Entries of the configuration that matched.
    pub entries: Vec<Entry>,
}

impl Step {
    /// A step without entries.
    #[must_use]
    pub fn new(step: &'static str, found: impl Into<String>) -> Self {
        Self { step, found: found.into(), entries: Vec::new() }
    }
}

/// Which policy, and how it stands.
pub(super) fn policy(ground: &Ground) -> Step {
    let Switches { mode, bypass, drop_until, opened: code, confirm_by } = ground.switches;
    let mut text = match mode {
        MODE_ENFORCE => format!("{}, enforcing", ground.name),
        MODE_MONITOR => format!("{}, monitoring: nothing is dropped", ground.name),
        _ => format!("{}, of an unknown mode: nothing is dropped", ground.name),
    };
    if bypass != 0 {
        text.push_str("; bypass is on: nothing is dropped");
    }
    if code != 0 {
        text.push_str("; opened, because ");
        text.push_str(opened::meaning(code));
    }
    if drop_until != Switches::DROPPING.drop_until {
        text.push_str("; the watchdog has opened it");
    }
    if confirm_by != 0 {
        text.push_str("; nobody confirmed the last change, which opened it");
    }
    if let Some(why) = &ground.placeless {
        text.push_str("; ");
        text.push_str(why);
    }
    Step::new("policy", text)
}

/// Where it comes in.
pub(super) fn entrance(ground: &Ground, entrance: &Entrance<'_>, vlan: u16) -> Step {
    let Entrance { name, how, .. } = *entrance;
    let entry = ground.config.interface.iter().find(|entry| entry.name == name);
    let own = entry.and_then(|entry| entry.vlans.iter().find(|tagged| tagged.id == vlan));
    let role = own.map(|tagged| tagged.role).or(entry.map(|entry| entry.role));
    let role = match role {
        Some(Role::Trusted) => "trusted",
        Some(Role::Untrusted) => "untrusted",
        None => "unknown",
    };
    let tag = if vlan == 0 { String::new() } else { format!(", VLAN {vlan}") };
    let how = match how {
        How::Asked => "",
        How::Captured => ", as the capture says",
        How::Source => ", where its source would come in (or say --interface)",
    };
    let entries = entry.map(|entry| Entry {
        place: entries::place(ground, At::new(Section::Interface, entry.place, name)),
        ..Entry::named(format!("interface {name:?}"), format!("{role}{tag}"))
    });
    let found = format!("{name}{tag} ({role}){how}");
    Step { entries: entries.into_iter().collect(), ..Step::new("interface", found) }
}

/// Which headers were read.
pub(super) fn read(bytes: &[u8], facts: &Facts) -> Vec<Step> {
    let frame = &facts.frame;
    let link = match bytes.get(12..14) {
        None => "too short for an Ethernet header".to_owned(),
        Some(_) if frame.vlan != 0 => format!("{} bytes, VLAN {}", bytes.len(), frame.vlan),
        Some(_) => format!("{} bytes, no VLAN tag", bytes.len()),
    };
    let mut steps = vec![Step::new("Ethernet", link)];
    let (Some(source), Some(destination)) = (facts.source, facts.destination) else {
        let text = if matches!(frame.defect, Defect::Network) {
            "a header that contradicts itself: no addresses"
        } else {
            "none"
        };
        steps.push(Step::new("IP", text));
        return steps;
    };
    let version = if matches!(frame.version, Version::V4) { "IPv4" } else { "IPv6" };
    let mut text = format!("{source} -> {destination}, {} hops left", frame.hop_limit);
    text.push_str(match frame.fragment {
        Fragment::Whole => "",
        Fragment::First => ", the first fragment of a datagram",
        Fragment::Later => ", a later fragment: no ports",
    });
    text.push_str(match frame.defect {
        Defect::None | Defect::Transport => "",
        Defect::Network => "; its length contradicts the frame's",
        Defect::Chain => "; more extension headers than are followed, or one cut short",
    });
    steps.push(Step::new(version, text));
    if !matches!(frame.fragment, Fragment::Later) && frame.protocol != protocol::UNKNOWN {
        steps.push(Step::new("transport", transport(facts)));
    }
    steps.extend(said(bytes, facts));
    steps
}

fn transport(facts: &Facts) -> String {
    let frame = &facts.frame;
    let name = protocol_name(frame.protocol);
    let mut text = match frame.protocol {
        protocol::UDP | protocol::SCTP => {
            format!("{name} {} -> {}", frame.source_port, frame.destination_port)
        }
        protocol::TCP => format!(
            "tcp {} -> {}, flags {}",
            frame.source_port,
            frame.destination_port,
            flags(frame.tcp_flags)
        ),
        protocol::ICMP | protocol::ICMPV6 => format!("{name} type {}", frame.icmp_type),
        _ => format!("IP protocol {name}"),
    };
    if frame.payload_length() != 0 {
        text.push_str(&format!(", {} bytes of payload", frame.payload_length()));
    }
    if matches!(frame.defect, Defect::Transport) {
        text.push_str("; cut short, or it contradicts itself");
    }
    text
}

fn flags(flags: u8) -> String {
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
    let set = (0..).zip(names).filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| name);
    let set: Vec<_> = set.collect();
    if set.is_empty() { "none".to_owned() } else { set.join(",") }
}

/// The start line, masked.
fn said(bytes: &[u8], facts: &Facts) -> Option<Step> {
    let frame = &facts.frame;
    let payload = bytes.get(usize::from(frame.payload)..).filter(|_| frame.payload != 0)?;
    let line = start_line(payload)?;
    Some(Step::new("start line", format!("{} (numbers masked)", line.trim_end())))
}

/// What was found out, by whom it is from and to.
pub(super) fn found(ground: &Ground, facts: &Facts, limit: Option<&Limit>) -> Vec<Step> {
    let [source, destination] = facts.ends;
    let mut steps = Vec::new();
    if let (Some(from), Some(to)) = (facts.source, facts.destination) {
        let names = |address, port| entries::naming(ground, address, port, facts.protocol);
        let unbound = "configured, but not bound here: taken for a stranger";
        let text = if facts.unbound { unbound.to_owned() } else { party(source) };
        let entries = names(from, facts.source_port);
        steps.push(Step { entries, ..Step::new("source", text) });
        let entries = names(to, facts.destination_port);
        steps.push(Step { entries, ..Step::new("destination", party(destination)) });
        let listed = entries::listing(ground, facts);
        if !listed.is_empty() {
            let entries = listed.into_iter().map(|(entry, _)| entry).collect();
            steps.push(Step { entries, ..Step::new("lists", "entries about this frame") });
        }
    }
    let pin = match facts.standing {
        Standing::None => None,
        Standing::Own => Some("of a call that the element has answered, within its allowance"),
        Standing::Excess => Some("of a call that the element has answered, beyond its allowance"),
        Standing::Other => Some("to a port that is open for somebody else's call"),
    };
    steps.extend(pin.map(|text| Step::new("pin", text)));
    let class = facts.reason.class().name();
    steps.push(Step::new("class", format!("{class}: {}", meaning(facts))));
    steps.extend(limit.map(|limit| Step::new("limit", held(ground, facts, limit))));
    steps
}

/// What an end is, in words.
fn party(end: Told) -> String {
    let roles = [
        (ELEMENT, "an element"),
        (PEER, "a peer"),
        (SUPPORT, "a support service's host"),
        (TUNNEL, "an end of a tunnel"),
        (MANAGEMENT, "a management station"),
        (HOST, "this host"),
        (NEIGHBOUR, "a routing neighbour"),
    ];
    let names = roles.iter().filter(|(bit, _)| end.roles & bit != 0).map(|(_, name)| *name);
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return "a stranger".to_owned();
    }
    let encrypted = if end.encrypted { " (encrypted)" } else { "" };
    let service = match end.service {
        0 => "on a port of no service".to_owned(),
        kind => format!("on a port of {}{encrypted}", kind_name(kind)),
    };
    format!("{}, {service}", names.join(" and "))
}

fn held(ground: &Ground, facts: &Facts, limit: &Limit) -> String {
    let Limit { kind, source, psap } = limit;
    let used = |bucket: &super::Bucket| match bucket.used {
        Some(used) => format!("{} ({used} of {} at once used)", bucket.rate, bucket.burst),
        None => "unlimited".to_owned(),
    };
    let owner = ground.owner(facts.slot).unwrap_or("what belongs to no PSAP");
    format!("{kind}: {} per source; {} for {owner}", used(source), used(psap))
}

/// What a reason means.
fn meaning(facts: &Facts) -> &'static str {
    use guard_common::class::Class;
    use guard_common::reason::Reason;
    match facts.reason {
        Reason::NO_POLICY => "no policy is loaded",
        Reason::UNREADABLE => "too short to be read",
        Reason::NOT_IP => "no IP: ARP, LLDP and the like",
        Reason::CONTROL => "control traffic that proved where it is from",
        Reason::SIGNALLING => "SIP between configured parties",
        Reason::MEDIA => "media between configured parties",
        Reason::SUPPORT => "a support service between configured parties",
        Reason::TUNNEL => "a tunnel between configured ends",
        Reason::FRAGMENT => "a later fragment between configured parties",
        Reason::UNCLEAR => "between configured parties, not readable to the end",
        Reason::ELEMENT_OUT => "what an element sends to a stranger in a call",
        Reason::MARKED => "a message that says emergency, to an element's SIP service",
        Reason::MARKED_BURST_SOURCE => "says emergency, more of it than a caller sends",
        Reason::MARKED_BURST_PSAP => "says emergency, more of it than callers here send",
        Reason::MARKED_HEADER => "says emergency in a header",
        Reason::CONTINUED => "goes on with a message that says emergency",
        Reason::DIALOG => "signalling of a call that the element has answered",
        Reason::PINNED => "to a port that the element opened for this stranger",
        Reason::PINNED_FRAGMENT => "a later fragment of what was protected",
        Reason::MEDIA_OPEN => "media to an element some of whose signalling may be lost",
        Reason::MANAGEMENT => "from or to a management station",
        Reason::ALLOWED => "an allow entry",
        Reason::OUT_OF_SCOPE => "passes through to somebody who is not protected here",
        reason => match reason.class() {
            Class::Denied => "a deny entry, and nothing protects it",
            _ if reason.name().ends_with("_over_source") => {
                "nothing protects it, and its source is over its limit"
            }
            _ if reason.name().ends_with("_over_psap") => {
                "nothing protects it, and strangers together are over the limit here"
            }
            _ => "nothing protects it, and it keeps within its limits",
        },
    }
}
