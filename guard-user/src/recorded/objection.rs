//! What recorded traffic has against a change, in people's words: for the gates.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::compare::{Comparison, Example, Loss, Side, compare};
use super::seen::{Seen, key};
use super::store::Store;
use crate::config::{Config, Samples, Section};

/// Losses that are told one by one; the rest are summed up.
const LOSSES_MAX: usize = 10;

/// Something against a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// What it is, in one line.
    pub text: String,
    /// What to do about it, in one line.
    pub next: &'static str,
    /// Whether the change stops here unless a person insists; otherwise it is worth a look.
    pub stops: bool,
}

/// All that the traffic of the last day has against a change. Nothing where nothing is recorded.
#[must_use]
pub fn objections(
    state_dir: &Path,
    before: (&Config, Side<'_>),
    after: (&Config, Side<'_>),
) -> Vec<Objection> {
    let store = Store::new(state_dir);
    let now = SystemTime::now();
    let since = now.checked_sub(Samples::KEEP_MAX).unwrap_or(SystemTime::UNIX_EPOCH);
    let seen = Seen::load(store.path());
    let mut objections = withdrawn(&seen, before.0, after.0, now);
    objections.extend(losses(&compare(store.frames(since), before.1, after.1)));
    objections
}

/// Entries that go although they took part in something within the last day.
fn withdrawn(seen: &Seen, before: &Config, after: &Config, now: SystemTime) -> Vec<Objection> {
    let entries = |config: &Config| -> BTreeSet<String> {
        let named = config.named().filter(|named| {
            use Section::{Element, Peer, Psap, Site, Support};
            matches!(named.at.section, Psap | Site | Element | Peer | Support)
        });
        named.map(|named| key(named.at.section, named.at.id)).collect()
    };
    let (before, after) = (entries(before), entries(after));
    let gone = before.difference(&after).filter_map(|key| {
        let last = seen.within(key, Samples::KEEP_MAX, now)?;
        let ago = now.duration_since(last).unwrap_or_default().as_secs();
        let ago = humantime::format_duration(Duration::from_secs(ago));
        Some(Objection {
            text: format!("{} goes, and had traffic {ago} ago", key.replacen('/', " ", 1)),
            next: "leave it in until its traffic has moved",
            stops: true,
        })
    });
    gone.collect()
}

fn losses(comparison: &Comparison) -> Vec<Objection> {
    let next = "see what the change leaves out; `guard suggest` writes entries for who is answered";
    let stops = comparison.is_too_much();
    let mut objections: Vec<_> = comparison
        .losses
        .iter()
        .take(LOSSES_MAX)
        .map(|loss| Objection { text: told(loss), next, stops })
        .collect();
    let rest = comparison.losses.get(LOSSES_MAX..).unwrap_or_default();
    if !rest.is_empty() {
        let frames: u64 = rest.iter().map(|loss| loss.frames).sum();
        let text = format!("would drop about {frames} more frames, of {} kinds", rest.len());
        objections.push(Objection { text, next, stops });
    }
    objections.extend(comparison.denied.iter().take(LOSSES_MAX).map(|loss| Objection {
        text: told(loss),
        next: "nothing, if that is whom the entry is about",
        stops: false,
    }));
    objections
}

fn told(loss: &Loss) -> String {
    let Loss { owner, before, after, protected: _, samples: _, frames, example } = loss;
    let owner = owner.as_deref().unwrap_or("no PSAP");
    let Example { via, source, destination, port } = example;
    let ends = match (source, destination) {
        (Some(source), Some(destination)) if *port != 0 => {
            format!(", such as from {source} to {destination} port {port} by {via}")
        }
        (Some(source), Some(destination)) => {
            format!(", such as from {source} to {destination} by {via}")
        }
        _ => format!(", by {via}"),
    };
    format!(
        "would drop about {frames} frames that pass today: {before} of {owner} becomes {after}{ends}"
    )
}
