//! Differences of what has no id: the guard's own settings, interfaces, limits, labels.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    for (key, old, new, tightens) in [
        ("watchdog", said(watchdog), said(&after.watchdog), after.watchdog > *watchdog),
        ("failsafe", word(failsafe), word(&after.failsafe), after.failsafe == Failsafe::Hold),
        (
            "close-after",
            said(close_after),
            said(&after.close_after),
            after.close_after < *close_after,
        ),
        ("transit", word(transit), word(&after.transit), after.transit == Transit::Limit),
        ("mpls", word(mpls), word(&after.mpls), after.mpls == Mpls::Inside),
    ] {
        if old != new {
            add(tightens_if(tightens), line(key, old, new));
        }
    }
    let name = |group: &Option<String>| group.clone().unwrap_or_else(|| "none".to_owned());
    let path = |path: &Path| path.display().to_string();
    let size = |capacity: Option<u32>| capacity.map_or("as needed".to_owned(), |n| n.to_string());
    let unload = " (only after `guard unload`)";
    for (key, old, new, when) in [
        ("mode in the file", word(mode), word(&after.mode), " (`guard mode` decides)"),
        ("read-group", name(read_group), name(&after.read_group), ""),
        ("oncall-group", name(oncall_group), name(&after.oncall_group), ""),
        ("pin-dir", path(pin_dir), path(&after.pin_dir), unload),
        ("state-dir", path(state_dir), path(&after.state_dir), unload),
        ("capacity", size(*capacity), size(after.capacity), unload),
        ("log-format", word(log_format), word(&after.log_format), " (when the daemon starts anew)"),
    ] {
        if old != new {
            add(Effect::Neither, line(key, old, new) + when);
        }
    }
}

/// A value as it is said.
fn said(value: &impl Display) -> String {
    value.to_string()
}

/// The effect of a difference that can only tighten or open.
const fn tightens_if(it_does: bool) -> Effect {
    if it_does { Effect::Tightens } else { Effect::Opens }
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
        add(tightens_if(after.role == Role::Untrusted), text);
    }
    if *attach != after.attach {
        let text = line(&format!("interface {name} attach"), word(attach), word(&after.attach));
        add(Effect::Neither, text);
    }
    if *outgoing != after.outgoing {
        // What leaves confirms the calls of strangers.
        let effect = tightens_if(!after.outgoing);
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
        let effect = tightens_if(new.is_below(old));
        found.push(Difference::new(section, "", effect, line(what, old, new)));
    }
    if old_burst != new_burst && new != Rate::Unlimited {
        let effect = tightens_if(new_burst < old_burst);
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
        let effect = tightens_if(new < old);
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
