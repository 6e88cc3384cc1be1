//! Differences of the allow and deny lists. An entry is known by what it applies to.

use std::collections::HashMap;

use super::{Difference, Effect};
use crate::config::{AclEntryConfig, Config, Scope, Section, Timestamp};

pub(super) fn compare(
    before: &Config,
    after: &Config,
    now: Timestamp,
    found: &mut Vec<Difference>,
) {
    list(Section::Allow, [&before.allow, &after.allow], now, found);
    list(Section::Deny, [&before.deny, &after.deny], now, found);
}

fn list(
    section: Section,
    [before, after]: [&[AclEntryConfig]; 2],
    now: Timestamp,
    found: &mut Vec<Difference>,
) {
    let by_scope = |entries: &[AclEntryConfig]| -> HashMap<Scope, usize> {
        (0..).zip(entries).map(|(number, entry)| (entry.scope(), number)).collect()
    };
    let (old, new) = (by_scope(before), by_scope(after));
    let mut add = |entry: &AclEntryConfig, removed, effect, text: String| {
        let difference = Difference::new(section, &entry.source.to_string(), effect, text);
        found.push(Difference { removed, ..difference });
    };
    for entry in before {
        match new.get(&entry.scope()).and_then(|number| after.get(*number)) {
            None => {
                let effect = towards(section, until(entry, now), 0);
                add(entry, true, effect, format!("{} is removed", title(section, entry)));
            }
            Some(after) => {
                for (effect, text) in changed(section, entry, after, now) {
                    add(entry, false, effect, text);
                }
            }
        }
    }
    for entry in after.iter().filter(|entry| !old.contains_key(&entry.scope())) {
        let effect = towards(section, 0, until(entry, now));
        let AclEntryConfig { reason, owner, .. } = entry;
        let ends = entry.expires.map_or(String::new(), |end| format!(", until {end}"));
        let text = format!("{} is new ({reason}; {owner}{ends})", title(section, entry));
        add(entry, false, effect, text);
    }
}

/// Until when an entry says anything, in seconds; 0 if it has ended.
fn until(entry: &AclEntryConfig, now: Timestamp) -> u64 {
    match entry.expires {
        None => u64::MAX,
        Some(end) if end <= now => 0,
        Some(end) => end.seconds(),
    }
}

/// Longer allowed opens, longer denied tightens.
fn towards(section: Section, before: u64, after: u64) -> Effect {
    let longer_opens = section == Section::Allow;
    if before == after {
        Effect::Neither
    } else if (after > before) == longer_opens {
        Effect::Opens
    } else {
        Effect::Tightens
    }
}

fn changed(
    section: Section,
    before: &AclEntryConfig,
    after: &AclEntryConfig,
    now: Timestamp,
) -> Vec<(Effect, String)> {
    let AclEntryConfig { source: _, destination: _, service: _, owner, reason, expires, place: _ } =
        before;
    let title = title(section, after);
    let mut found = Vec::new();
    if *expires != after.expires {
        let text = |end: Option<Timestamp>| end.map_or("never".to_owned(), |end| end.to_string());
        let effect = towards(section, until(before, now), until(after, now));
        found.push((
            effect,
            format!("{title}: expires {} -> {}", text(*expires), text(after.expires)),
        ));
    }
    for (key, old, new) in [("owner", owner, &after.owner), ("reason", reason, &after.reason)] {
        if old != new {
            found.push((Effect::Neither, format!("{title}: {key} {old} -> {new}")));
        }
    }
    found
}

fn title(section: Section, entry: &AclEntryConfig) -> String {
    let mut title = format!("{} {}", section.name(), entry.source);
    if let Some(destination) = entry.destination {
        title.push_str(&format!(" to {destination}"));
    }
    if let Some(service) = entry.service {
        title.push_str(&format!(" service {service}"));
    }
    title
}
