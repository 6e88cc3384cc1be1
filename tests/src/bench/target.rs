//! What shall come of the figures: the bounds and goals of the project, and the wider margins
//! within which every change has to stay.
//!
//! Only ratios within a run, verified instructions and memory have such margins: absolute times
//! depend on the machine.

use serde::Serialize;

use super::calls::{Calls, Phase};
use super::figure::{Row, difference, find, ratio};
use super::frames::{SIP_LONG, SIP_SHORT};
use super::live::{self, APPLY_LARGE, DENY_ADD, DENY_REMOVE};
use super::margins;
use super::memory::{Memory, Verified};
use super::subject::{FLOOR, LARGE, XDP_FILTER};

/// Most instructions of a program that the verifier may look at.
const VERIFIED_MAX: f64 = 100_000.0;
/// Most memory of the small and of the large configuration, in MiB: of all CPUs together, and of
/// each, which has counters of its own.
const MEMORY_MAX: [(f64, f64); 2] = [(24.0, 0.75), (64.0, 16.0)];
const MIB: f64 = 1024.0 * 1024.0;

/// A figure and what it shall be.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// What it is, with its unit.
    pub name: String,
    /// What it is today.
    pub value: f64,
    /// What it shall be at least, or at most.
    pub bound: Option<f64>,
    /// What it should be.
    pub goal: Option<f64>,
    /// Where a change fails.
    pub gate: Option<f64>,
    /// Whether more is better.
    pub more_is_better: bool,
}

impl Target {
    fn less(name: impl Into<String>, value: f64) -> Self {
        let (bound, goal, gate) = (None, None, None);
        Self { name: name.into(), value, bound, goal, gate, more_is_better: false }
    }

    fn more(name: impl Into<String>, value: f64) -> Self {
        Self { more_is_better: true, ..Self::less(name, value) }
    }

    fn aims(self, bound: f64, goal: f64) -> Self {
        Self { bound: Some(bound), goal: Some(goal), ..self }
    }

    fn fails_at(self, gate: f64) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Whether it is what this asks for; so is all that asks for nothing.
    #[must_use]
    pub fn meets(&self, wanted: Option<f64>) -> bool {
        wanted.is_none_or(|wanted| match self.more_is_better {
            true => self.value >= wanted,
            false => self.value <= wanted,
        })
    }
}

/// What shall come of frames.
#[must_use]
pub fn of_frames(rows: &[Row]) -> Vec<Target> {
    let over = |name: &str, to: &str| ratio(find(rows, name)?, find(rows, to)?);
    let filter =
        |name: &str| Some(Target::less(format!("{name} / xdp-filter"), over(name, XDP_FILTER)?));
    let large = |name: &str| {
        let value = over(&format!("{name}{LARGE}"), name)?;
        Some(Target::less(format!("{name}, large / small"), value).aims(1.5, 1.2).fails_at(2.0))
    };
    let per_byte = |name: &str, short: &str, bytes: usize| {
        Some(difference(find(rows, name)?, find(rows, short)?)? / bytes as f64)
    };
    let (short, long) =
        (format!("SIP flood, {SIP_SHORT} bytes"), format!("SIP flood, {SIP_LONG} bytes"));
    let real = || per_byte(&long, &short, SIP_LONG - SIP_SHORT);
    let worst = || {
        ["near misses", "short lines", "one long line"]
            .iter()
            .filter_map(|kind| {
                per_byte(&format!("SIP flood, {kind}"), "UDP flood at 5060", SIP_LONG)
            })
            .max_by(f64::total_cmp)
    };
    let marked = || {
        let marked = find(rows, "stranger's 911, no room")?;
        Some(Target::less(
            "stranger's 911 over the floor, ns",
            difference(marked, find(rows, FLOOR)?)?,
        ))
    };
    [
        filter("UDP flood").map(|target| target.aims(1.0, 0.6).fails_at(2.5)),
        filter("UDP flood, IPv6").map(|target| target.fails_at(3.0)),
        filter("SYN flood").map(|target| target.fails_at(3.0)),
        filter("peer's TCP segment").map(|target| target.aims(1.0, 0.6).fails_at(2.5)),
        filter("peer's RTP").map(|target| target.aims(1.0, 0.6).fails_at(2.0)),
        filter("pinned stranger's RTP").map(|target| target.aims(1.3, 0.8).fails_at(3.0)),
        marked().map(|target| target.aims(150.0, 80.0)),
        real().map(|value| Target::less("deep look, ns a byte", value).aims(1.5, 1.0)),
        worst().map(|value| Target::less("deep look, worst, ns a byte", value)),
        spread(rows).map(|target| target.aims(1.5, 1.1).fails_at(3.0)),
        large("UDP flood"),
        large("peer's RTP"),
        large("denied source"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A flood from a million sources against one from one, without what drawing the addresses costs.
fn spread(rows: &[Row]) -> Option<Target> {
    let floor = find(rows, FLOOR)?.median;
    let own = |sources: &str| {
        let flood = find(rows, &format!("UDP flood, sources: {sources}"))?;
        let drawn = find(rows, &format!("floor, sources: {sources}"))?;
        Some(difference(flood, drawn)? + floor)
    };
    Some(Target::less("UDP flood, a million sources / 1", own("a million")? / own("1")?))
}

/// Numbers of sources without the word: tables have 80 columns.
#[must_use]
pub fn short(name: &str) -> String {
    name.replace(" sources", "")
}

/// What shall come of floods.
#[must_use]
pub fn of_floods(rows: &[Row]) -> Vec<Target> {
    let mut targets = Vec::new();
    for sources in ["1 source", "16,384 sources", "a million sources"] {
        let row = |cores: &str, decider: &str| {
            find(rows, &format!("64-byte UDP, {sources}, {cores}: {decider}"))
        };
        let scales = |decider| ratio(row("2 cores", decider)?, row("1 core", decider)?);
        let through = |decider| ratio(row("1 core", "guard")?, row("1 core", decider)?);
        let name = |what: &str| format!("veth, {}: {what}", short(sources));
        targets.extend(
            through("floor")
                .map(|value| Target::more(name("guard / floor"), value).aims(0.7, 0.85)),
        );
        for decider in ["xdp-filter", "nftables raw", "nftables ingress"] {
            let name = name(&format!("guard / {decider}"));
            targets.extend(through(decider).map(|value| Target::more(name, value)));
        }
        let scale = scales("guard").zip(scales("floor")).map(|(guard, floor)| guard / floor);
        targets.extend(
            scale.map(|value| Target::more(name("2 cores, guard / floor"), value).aims(0.95, 1.0)),
        );
    }
    targets
}

/// What shall come of memory and verifier.
#[must_use]
pub fn of_sizes(memory: &[Memory], verified: &[Verified]) -> Vec<Target> {
    let mut targets = Vec::new();
    for (memory, (shared, each)) in memory.iter().zip(MEMORY_MAX) {
        let most = each.mul_add(memory.cpus as f64, shared);
        let name = format!("maps, {} configuration, MiB", memory.name);
        let value = memory.bytes as f64 / MIB;
        let target = Target::less(name, value).fails_at(most);
        targets.push(Target { bound: Some(most), ..target });
    }
    for program in verified {
        let Some(instructions) = program.instructions else { continue };
        let name = margins::verified(&program.name);
        let target = Target::less(name, instructions.into()).fails_at(VERIFIED_MAX);
        targets.push(target.aims(VERIFIED_MAX, 30_000.0));
    }
    targets
}

/// What shall come of changes.
#[must_use]
pub fn of_changes(rows: &[Row]) -> Vec<Target> {
    let within =
        |name: &str, bound, value| Target { bound: Some(bound), ..Target::less(name, value) };
    let apply = || difference(find(rows, APPLY_LARGE)?, find(rows, &live::gates(APPLY_LARGE))?);
    let live = [DENY_ADD, DENY_REMOVE].map(|verb| find(rows, &live::effect(verb)));
    let live = live.into_iter().flatten().map(|row| row.median).max_by(f64::total_cmp);
    [
        apply().map(|value| within("apply, large, without its gates, ms", 1000.0, value)),
        live.map(|value| within("live change in effect after its gates, ms", 1.0, value)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What shall come of calls: all answered, and about as soon as without a flood.
#[must_use]
pub fn of_calls(calls: &[Calls]) -> Vec<Target> {
    let of_flood = |calls: &Calls| {
        let (name, p99) = (calls.name, |phase: &Phase| phase.worst(|times| times.p99_ms));
        let answered = |phase| {
            let phase: &Phase = calls.phase(phase)?;
            Some(100.0 * f64::from(phase.answered()) / f64::from(phase.tried().max(1)))
        };
        let all = answered("guarded").map(|value| {
            let target = Target::more(format!("calls answered, {name} flood, %"), value);
            Target { bound: Some(100.0), ..target }
        });
        let none = answered("unguarded")
            .map(|value| Target::less(format!("answered, no guard, {name} flood, %"), value));
        let soon = calls.phase("quiet").and_then(p99).zip(calls.phase("guarded").and_then(p99));
        let soon = soon.map(|(quiet, guarded)| {
            let target = Target::less(format!("set-up p99, {name} flood, ms"), guarded);
            Target { bound: Some((2.0 * quiet).max(quiet + 4.0)), ..target }
        });
        [all, soon, none]
    };
    calls.iter().flat_map(of_flood).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::calls::{Caller, SetUp};
    use super::*;

    #[test]
    fn one_call_that_is_not_answered_misses_the_bound() {
        let phase = |name: &str, answered, p99_ms| Phase {
            phase: name.to_owned(),
            flood_rate: None,
            callers: vec![Caller {
                caller: "stranger".to_owned(),
                psap: "psap-east".to_owned(),
                tried: 200,
                answered,
                set_up: Some(SetUp { median_ms: 1.0, p99_ms }),
            }],
        };
        let missed = |answered, p99_ms| {
            let phases = vec![phase("quiet", 200, 2.0), phase("guarded", answered, p99_ms)];
            let targets = of_calls(&[Calls { name: "SIP", phases }]);
            assert_eq!(targets.len(), 2);
            targets.iter().filter(|target| !target.meets(target.bound)).count()
        };
        assert_eq!(missed(200, 6.0), 0);
        assert_eq!(missed(199, 6.0), 1);
        assert_eq!(missed(200, 6.1), 1);
    }

    #[test]
    fn a_target_knows_its_good_side() {
        let ratio = Target::less("a", 1.2).aims(1.5, 1.0);
        assert!(ratio.meets(ratio.bound) && !ratio.meets(ratio.goal));
        let share = Target::more("b", 0.8).aims(0.7, 0.85);
        assert!(share.meets(share.bound) && !share.meets(share.goal) && share.meets(None));
    }

    #[test]
    fn a_slow_guard_fails() {
        let row = |name: &str, value: f64| Row::of(name, &[value]);
        let rows: Result<Vec<_>, _> =
            [row(XDP_FILTER, 100.0), row("UDP flood", 260.0)].into_iter().collect();
        let targets = of_frames(&rows.unwrap_or_default());
        assert!(targets.iter().any(|target| !target.meets(target.gate)));
    }
}
