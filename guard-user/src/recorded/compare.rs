//! Recorded traffic through the tables of two generations: what would a change drop?
//!
//! Compared are classes. Limits are left out, because samples say nothing about rates: a frame
//! that comes under a limit it was not under before counts as one that would be dropped.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use guard_common::class::Class;
use guard_common::reason::Reason;

use super::kept::{Facts, Kept};
use crate::kernel::clock;
use crate::policy::PolicyTables;
use crate::trial::Host;

/// Frames that a change may drop of what passed, before it takes a person to insist: a sample may
/// be of somebody's mistake. Of protected frames, none.
pub const TOLERATED: u64 = 10;

/// A generation to compare.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its tables.
    pub tables: &'a PolicyTables,
    /// Kernel indexes of its interfaces.
    pub interfaces: &'a BTreeMap<String, u32>,
}

/// What a change would do to the traffic of the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Samples that were replayed.
    pub samples: u64,
    /// About how many frames they stand for.
    pub frames: u64,
    /// What passes today and could be dropped, the most frames first.
    pub losses: Vec<Loss>,
    /// What is limited today and would be denied: what deny entries are for.
    pub denied: Vec<Loss>,
}

/// Frames of one PSAP and kind that would be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Id of the PSAP, site or element; `None` for frames that belong to none.
    pub owner: Option<String>,
    /// Why they pass today.
    pub before: &'static str,
    /// Why they could be dropped.
    pub after: &'static str,
    /// Whether they are protected today.
    pub protected: bool,
    /// How many samples there are of them.
    pub samples: u64,
    /// About how many frames those stand for.
    pub frames: u64,
    /// The last of them.
    pub example: Example,
}

/// A frame, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The interface it came in by.
    pub via: String,
    /// Who sent it.
    pub source: Option<IpAddr>,
    /// Whom to.
    pub destination: Option<IpAddr>,
    /// Destination port; 0 without one.
    pub port: u16,
}

impl Comparison {
    /// About how many frames would be dropped that pass today.
    #[must_use]
    pub fn would_drop(&self) -> u64 {
        self.losses.iter().map(|loss| loss.frames).fold(0, u64::saturating_add)
    }

    /// Whether a person has to insist.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.would_drop() > TOLERATED || self.losses.iter().any(|loss| loss.protected)
    }
}

/// Replays frames, in the order they came in, before and after a change.
pub fn compare(
    frames: impl Iterator<Item = Kept>,
    before: Side<'_>,
    after: Side<'_>,
) -> Comparison {
    let (mut before, mut after) = (Replay::new(before), Replay::new(after));
    let mut comparison = Comparison::default();
    let mut losses: BTreeMap<(Option<String>, Reason, Reason), Loss> = BTreeMap::new();
    for kept in frames {
        // What left the host always passes, and what is dropped today does not pass.
        let Some(via) = kept.via.clone().filter(|_| !kept.dropped) else {
            continue;
        };
        let frame = kept.frame();
        let (Some(was), Some(is)) =
            (before.reason(&frame, &via, kept.at), after.reason(&frame, &via, kept.at))
        else {
            continue;
        };
        let frames = u64::from(kept.stands_for);
        comparison.samples += 1;
        comparison.frames = comparison.frames.saturating_add(frames);
        if is_droppable(is) && is_worse(&kept, was, is) {
            let loss =
                losses.entry((kept.owner.clone(), was, is)).or_insert_with(|| loss(&kept, was, is));
            loss.samples += 1;
            loss.frames = loss.frames.saturating_add(frames);
            loss.example = example(&kept);
        }
    }
    let (denied, mut worse): (Vec<_>, Vec<_>) =
        losses.into_iter().partition(|((_, was, _), _)| is_droppable(*was));
    worse.sort_by_key(|(_, loss)| std::cmp::Reverse((loss.protected, loss.frames)));
    comparison.losses = worse.into_iter().map(|(_, loss)| loss).collect();
    comparison.denied = denied.into_iter().map(|(_, loss)| loss).collect();
    comparison
}

/// A generation that frames are replayed through.
struct Replay<'a> {
    host: Host,
    interfaces: &'a BTreeMap<String, u32>,
    /// The same moment by the data plane's clock, in nanoseconds, and in milliseconds since 1970.
    clock: (u64, u64),
}

impl<'a> Replay<'a> {
    fn new(side: Side<'a>) -> Self {
        let Side { tables, interfaces } = side;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let clock = (clock::now(), u64::try_from(wall).unwrap_or(0));
        Self { host: Host::new(tables.clone(), clock.0), interfaces, clock }
    }

    /// Why a frame passes or does not; `None` if nothing comes in there.
    fn reason(&mut self, frame: &[u8], via: &str, at: u64) -> Option<Reason> {
        let interface = *self.interfaces.get(via)?;
        let (now, wall) = self.clock;
        let age = wall.saturating_sub(at).saturating_mul(1_000_000);
        Some(self.host.run(frame, interface, now.saturating_sub(age).max(1)).reason)
    }
}

fn is_droppable(reason: Reason) -> bool {
    matches!(reason.class(), Class::Limited(_) | Class::Denied)
}

/// Whether a frame that could be dropped after the change could not be before. One that passed
/// because of what came before it, which samples do not show, still does.
fn is_worse(kept: &Kept, was: Reason, is: Reason) -> bool {
    if !is_droppable(was) {
        return true;
    }
    let passed_by_state = kept.reason().class() == Class::Protected;
    is.class() == Class::Denied && was.class() != Class::Denied && !passed_by_state
}

fn loss(kept: &Kept, was: Reason, is: Reason) -> Loss {
    Loss {
        owner: kept.owner.clone(),
        before: was.name(),
        after: is.name(),
        protected: was.class() == Class::Protected,
        samples: 0,
        frames: 0,
        example: example(kept),
    }
}

fn example(kept: &Kept) -> Example {
    let via = kept.via.clone().unwrap_or_default();
    match kept.facts() {
        None => Example { via, source: None, destination: None, port: 0 },
        Some(Facts { source, destination, destination_port: port, .. }) => {
            Example { via, source: Some(source), destination: Some(destination), port }
        }
    }
}
