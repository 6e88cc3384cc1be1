//! Differences of what has no id: the guard's own settings, interfaces, limits, labels.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;

use guard_common::class::Kind;

use super::{Difference, Effect};
use crate::config::{
    Bursts, Config, Failsafe, Gates, InterfaceEntry, Labels, Metrics, Mpls, Pins, Rate, Role,
    Samples, Section, Settings, Span, Transit, VlanEntry,
};

pub(super) fn compare(before: &Config, after: &Config, found: &mut Vec<Difference>) {
    guard(&before.guard, &after.guard, found);
    interfaces(&before.interface, &after.interface, found);
}

/// A line about a value that is another now.
fn line(what: &str, before: impl Display, after: impl Display) -> String {
    format!("{what} {before} -> {after}")
}

fn guard(before: &Settings, after: &Settings, found: &mut Vec<Difference>) {
    let Settings {
        mode,
        watchdog,
        failsafe,
        close_after,
        read_group,
        oncall_group,
        pin_dir,
        state_dir,
        transit,
        mpls,
        capacity,
        log_format,
    } = before;
    let mut add = |effect, text| found.push(Difference::new(Section::Guard, "", effect, text));
    if *mode != after.mode {
        let text = line("mode in the file", word(mode), word(&after.mode));
        add(Effect::Neither, format!("{text} (`guard mode` decides)"));
    }
    if *watchdog != after.watchdog {
        let effect = if after.watchdog > *watchdog { Effect::Tightens } else { Effect::Opens };
        add(effect, line("watchdog", watchdog, after.watchdog));
    }
    if *failsafe != after.failsafe {
        let holds = after.failsafe == Failsafe::Hold;
        let effect = if holds { Effect::Tightens } else { Effect::Opens };
        add(effect, line("failsafe", word(failsafe), word(&after.failsafe)));
    }
    if *close_after != after.close_after {
        let longer = after.close_after > *close_after;
        let effect = if longer { Effect::Opens } else { Effect::Tightens };
        add(effect, line("close-after", close_after, after.close_after));
    }
    for (key, old, new) in [
        ("read-group", read_group, &after.read_group),
        ("oncall-group", oncall_group, &after.oncall_group),
    ] {
        if old != new {
            let text = |group: &Option<String>| group.clone().unwrap_or_else(|| "none".to_owned());
            add(Effect::Neither, line(key, text(old), text(new)));
        }
    }
    for (key, old, new) in
        [("pin-dir", pin_dir, &after.pin_dir), ("state-dir", state_dir, &after.state_dir)]
    {
        if old != new {
            let text = line(key, old.display(), new.display());
            add(Effect::Neither, format!("{text} (only after `guard unload`)"));
        }
    }
    if *transit != after.transit {
        let limited = after.transit == Transit::Limit;
        let effect = if limited { Effect::Tightens } else { Effect::Opens };
        add(effect, line("transit", word(transit), word(&after.transit)));
    }
    if *mpls != after.mpls {
        let opaque = after.mpls == Mpls::Opaque;
        let effect = if opaque { Effect::Opens } else { Effect::Tightens };
        add(effect, line("mpls", word(mpls), word(&after.mpls)));
    }
    if *capacity != after.capacity {
        let text =
            |capacity: Option<u32>| capacity.map_or("as needed".to_owned(), |n| n.to_string());
        let text = line("capacity", text(*capacity), text(after.capacity));
        add(Effect::Neither, format!("{text} (only after `guard unload`)"));
    }
    if *log_format != after.log_format {
        let text = line("log-format", word(log_format), word(&after.log_format));
        add(Effect::Neither, format!("{text} (when the daemon starts anew)"));
    }
}

/// A value of an enumeration as it is written.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn interfaces(before: &[InterfaceEntry], after: &[InterfaceEntry], found: &mut Vec<Difference>) {
    let by_name = |entries: &'_ [InterfaceEntry]| -> BTreeMap<String, InterfaceEntry> {
        entries.iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    for (name, entry) in &old {
        match new.get(name) {
            Some(now) => interface(entry, now, found),
            None => {
                let text = format!("interface {name} is removed: it is not guarded any more");
                let gone = Difference::new(Section::Interface, name, Effect::Opens, text);
                found.push(Difference { removed: true, ..gone });
            }
        }
    }
    for (name, entry) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let text = format!("interface {name} is new: {}", word(&entry.role));
        found.push(Difference::new(Section::Interface, name, Effect::Tightens, text));
    }
}

fn interface(before: &InterfaceEntry, after: &InterfaceEntry, found: &mut Vec<Difference>) {
    let InterfaceEntry { name, role, attach, outgoing, vlans, place: _ } = before;
    let mut add = |effect, text| {
        found.push(Difference::new(Section::Interface, name, effect, text));
    };
    if *role != after.role {
        let text = line(&format!("interface {name} role"), word(role), word(&after.role));
        add(trust(after.role), text);
    }
    if *attach != after.attach {
        let text = line(&format!("interface {name} attach"), word(attach), word(&after.attach));
        add(Effect::Neither, text);
    }
    if *outgoing != after.outgoing {
        // What leaves confirms the calls of strangers.
        let effect = if after.outgoing { Effect::Opens } else { Effect::Tightens };
        add(effect, line(&format!("interface {name} outgoing"), outgoing, after.outgoing));
    }
    if vlans != &after.vlans {
        let text = |vlans: &[VlanEntry]| {
            let text = |VlanEntry { id, role, name: _ }: &VlanEntry| format!("{id} {}", word(role));
            let texts: Vec<String> = vlans.iter().map(text).collect();
            if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
        };
        let text = line(&format!("interface {name} vlans"), text(vlans), text(&after.vlans));
        add(Effect::Tightens, text);
    }
}

const fn trust(role: Role) -> Effect {
    match role {
        Role::Trusted => Effect::Opens,
        Role::Untrusted => Effect::Tightens,
    }
}

pub(super) fn compare_limits(before: &Config, after: &Config, found: &mut Vec<Difference>) {
    for kind in Kind::ALL {
        let (old, new) = (before.limits.of(kind), after.limits.of(kind));
        let name = kind.name();
        for (whose, old, new) in [("per source", old.0, new.0), ("per psap", old.1, new.1)] {
            limit(Section::Limits, &format!("limit {name} {whose}"), old, new, found);
        }
    }
    pins(&before.pins, &after.pins, found);
    bursts(&before.bursts, &after.bursts, found);
    labels(before.labels, after.labels, found);
    samples(before.samples, after.samples, found);
    gates(before.gates, after.gates, found);
    metrics(&before.metrics, &after.metrics, found);
}

fn metrics(before: &Metrics, after: &Metrics, found: &mut Vec<Difference>) {
    let Metrics { listen, certificate, key } = before;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let address = |listen: &Option<SocketAddr>| listen.map(|listen| listen.to_string());
    for (name, old, new) in [
        ("listen", address(listen), address(&after.listen)),
        ("certificate", path(certificate), path(&after.certificate)),
        ("key", path(key), path(&after.key)),
    ] {
        if old != new {
            let none = || "none".to_owned();
            let (old, new) = (old.unwrap_or_else(none), new.unwrap_or_else(none));
            let text = line(&format!("metrics {name}"), old, new);
            found.push(Difference::new(Section::Metrics, "", Effect::Neither, text));
        }
    }
}

fn gates(before: Gates, after: Gates, found: &mut Vec<Difference>) {
    for (key, old, new) in [
        ("deny-ipv4", before.shortest_deny(false), after.shortest_deny(false)),
        ("deny-ipv6", before.shortest_deny(true), after.shortest_deny(true)),
        ("deny-share", before.deny_share(), after.deny_share()),
    ] {
        if old != new {
            let text = line(&format!("gates {key}"), old, new);
            found.push(Difference::new(Section::Gates, "", Effect::Neither, text));
        }
    }
    if before.watch() != after.watch() {
        let text = line("gates watch", Span(before.watch()), Span(after.watch()));
        found.push(Difference::new(Section::Gates, "", Effect::Neither, text));
    }
}

/// A rate and its burst: less of either tightens.
fn limit(
    section: Section,
    what: &str,
    (old, old_burst): (Rate, u64),
    (new, new_burst): (Rate, u64),
    found: &mut Vec<Difference>,
) {
    if old != new {
        let effect = if new.is_below(old) { Effect::Tightens } else { Effect::Opens };
        found.push(Difference::new(section, "", effect, line(what, old, new)));
    }
    if old_burst != new_burst && new != Rate::Unlimited {
        let effect = if new_burst < old_burst { Effect::Tightens } else { Effect::Opens };
        let text = line(&format!("{what} burst"), old_burst, new_burst);
        found.push(Difference::new(section, "", effect, text));
    }
}

fn pins(before: &Pins, after: &Pins, found: &mut Vec<Difference>) {
    let (old, new) = (before.limits(), after.limits());
    for (what, old, new) in [("allowance", old.0, new.0), ("others", old.1, new.1)] {
        limit(Section::Pins, &format!("pins {what}"), old, new, found);
    }
    let (old, new) = (before.open_span(), after.open_span());
    if old != new {
        let effect = if new < old { Effect::Tightens } else { Effect::Opens };
        let text = line("pins open-for", old, new);
        found.push(Difference::new(Section::Pins, "", effect, text));
    }
}

/// Bursts are counted and pass.
fn bursts(before: &Bursts, after: &Bursts, found: &mut Vec<Difference>) {
    let (old, new) = (before.limits(), after.limits());
    for (what, old, new) in [("per source", old.0, new.0), ("per psap", old.1, new.1)] {
        if old != new {
            let text = line(
                &format!("bursts {what}"),
                format_args!("{} burst {}", old.0, old.1),
                format_args!("{} burst {}", new.0, new.1),
            );
            found.push(Difference::new(Section::Bursts, "", Effect::Neither, text));
        }
    }
}

fn labels(before: Labels, after: Labels, found: &mut Vec<Difference>) {
    let Labels { mark, priority } = before;
    let text = |value: Option<u32>| value.map_or("none".to_owned(), |value| value.to_string());
    for (key, old, new) in [("mark", mark, after.mark), ("priority", priority, after.priority)] {
        if old != new {
            let text = line(&format!("labels {key}"), text(old), text(new));
            found.push(Difference::new(Section::Labels, "", Effect::Neither, text));
        }
    }
}

/// What is kept of traffic decides about none.
fn samples(before: Samples, after: Samples, found: &mut Vec<Difference>) {
    let Samples { enabled, keep, drops, bodies } = before;
    for (key, old, new) in [
        ("enabled", enabled.to_string(), after.enabled.to_string()),
        ("keep", keep.to_string(), after.keep.to_string()),
        ("drops", drops.to_string(), after.drops.to_string()),
        ("bodies", bodies.to_string(), after.bodies.to_string()),
    ] {
        if old != new {
            let text = line(&format!("samples {key}"), old, new);
            found.push(Difference::new(Section::Samples, "", Effect::Neither, text));
        }
    }
}
