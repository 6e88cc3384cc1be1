//! The private copy of a generation's program, and how frames fare in it.
//!
//! The copy reads the very policy maps that the interfaces' program reads, or such as they are
//! about to be, and writes nothing that anybody else sees. One word is tightened: in the copy,
//! strangers have no allowance for what is
//! not protected, so that what is looked at "before it is dropped" is looked at, and what is not
//! protected is dropped. A control frame shows at the beginning that it is.

use std::net::IpAddr;
use std::path::PathBuf;

use aya::programs::ProgramInfo;
use guard_common::abi::policy::{LimitSpec, Policy};
use guard_common::abi::state::Counter;
use guard_common::class::{Class, Kind};
use guard_common::reason::Reason;
use guard_common::verdict::Verdict;

use super::blind::Blind;
use super::entries;
use super::parties::Parties;
use super::plan::{Plan, Step};
use super::wire::{self, Carrier};
use super::{Evidence, Failure};
use crate::config::Config;
use crate::kernel::pins::PinDir;
use crate::kernel::private::PrivateGuard;
use crate::kernel::{KernelError, interface, state};
use crate::policy::{Constants, PolicyTables};
use crate::store::Record;

/// The XDP actions there can be.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
/// Frames between two looks at the counters; their copies fit the rings.
const BATCH: usize = 512;
/// How many failures are told in full.
const FAILURES_MAX: usize = 20;

/// A plan and the copy to carry it out on.
pub struct Canary {
    copy: PrivateGuard,
    plan: Plan,
    /// What the generation's map said when the copy was made.
    policy: Policy,
    generation: u64,
    /// Where its maps are pinned, unless they are the copy's own.
    folder: Option<PathBuf>,
    config: Config,
    frame: Vec<u8>,
}

/// How many frames ran, and which of them were not protected.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames that ran.
    pub frames: u64,
    /// Frames that no entrance was there for.
    pub skipped: u64,
    /// Target and number of those that failed.
    pub failed: Vec<(usize, u64)>,
}

impl Canary {
    /// A copy of a generation that is pinned, live or not yet.
    pub fn new(pins: &PinDir, record: &Record, effective: &Config) -> Result<Self, Blind> {
        let folder = pins.generation(record.number);
        let policy = state::policy(&folder)?;
        // What nobody reads need not be sampled.
        let constants = Constants { sampling: 0, drop_interval: 0, ..Constants::of(effective) };
        let mut copy = PrivateGuard::copy(&folder, &tightened(policy), &constants)?;
        is_same_build(pins, record.number, &mut copy)?;
        Self::around(copy, (policy, Some(folder)), record, effective)
    }

    /// The program with tables that the live generation is to have, and has not yet.
    pub fn of(
        pins: &PinDir,
        tables: &PolicyTables,
        record: &Record,
        effective: &Config,
    ) -> Result<Self, Blind> {
        let policy = tables.policy;
        let constants = Constants { sampling: 0, drop_interval: 0, ..tables.constants };
        let tables = PolicyTables { policy: tightened(policy), constants, ..tables.clone() };
        let mut copy = PrivateGuard::proof(&tables)?;
        is_same_build(pins, record.number, &mut copy)?;
        Self::around(copy, (policy, None), record, effective)
    }

    fn around(
        copy: PrivateGuard,
        (policy, folder): (Policy, Option<PathBuf>),
        record: &Record,
        effective: &Config,
    ) -> Result<Self, Blind> {
        let parties = Parties::of(effective, &record.interfaces, &record.host);
        if parties.strangers.iter().zip(parties.counts).any(|(s, count)| s.is_none() && count > 0) {
            return Err(Blind::NoStranger);
        }
        let mut canary = Self {
            copy,
            plan: Plan::new(parties),
            policy,
            generation: record.number,
            folder,
            config: effective.clone(),
            frame: Vec::with_capacity(2048),
        };
        canary.control()?;
        Ok(canary)
    }

    /// What is sent.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of the generation.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the generation's policy still says what it said when the copy was made.
    pub fn is_current(&self) -> Result<bool, Blind> {
        let Some(folder) = &self.folder else { return Ok(true) };
        Ok(state::policy(folder)? == self.policy)
    }

    /// The entrances (bits) that are there with the index that the policy knows.
    pub fn usable(&self) -> Result<u64, Blind> {
        if self.plan.parties().entrances.is_empty() {
            return Err(Blind::Nothing);
        }
        let mut usable = 0;
        for (zone, entrance) in (0..u64::BITS).zip(&self.plan.parties().entrances) {
            let now = interface::index(&entrance.interface).unwrap_or(0);
            if now != 0 && now == entrance.index {
                usable |= 1 << zone;
            }
        }
        if usable == 0 { Err(Blind::NoInterface) } else { Ok(usable) }
    }

    /// Runs frames: a target and a number each.
    pub fn run(
        &mut self,
        work: impl Iterator<Item = (usize, u64)>,
        usable: u64,
    ) -> Result<Tally, Blind> {
        let mut tally = Tally::default();
        let mut work = work.peekable();
        let mut batch = Vec::with_capacity(BATCH);
        while work.peek().is_some() {
            batch.clear();
            batch.extend(work.by_ref().take(BATCH));
            let before = self.protected()?;
            let (mut ran, mut dropped) = (0, false);
            for (target, number) in &batch {
                let Some(step) = self.plan.frame(*target, *number, usable, &mut self.frame) else {
                    tally.skipped += 1;
                    continue;
                };
                let action = self.copy.run_undrained(&self.frame, step.entrance.index)?;
                dropped |= action != XDP_PASS;
                ran += 1;
            }
            self.copy.drain();
            tally.frames += ran;
            if dropped || self.protected()?.wrapping_sub(before) != ran {
                self.find_failures(&batch, usable, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Which frames of a batch are to blame.
    fn find_failures(
        &mut self,
        batch: &[(usize, u64)],
        usable: u64,
        tally: &mut Tally,
    ) -> Result<(), Blind> {
        for (target, number) in batch {
            let before = self.copy.counters(0)?;
            let Some(step) = self.plan.frame(*target, *number, usable, &mut self.frame) else {
                continue;
            };
            let action = self.copy.run(&self.frame, step.entrance.index)?;
            let reason = moved(&before.counters, &self.copy.counters(0)?.counters);
            if action != XDP_PASS || !reason.is_some_and(is_protected) {
                tally.failed.push((*target, *number));
            }
        }
        Ok(())
    }

    /// Runs failures once more and tells the first of them in full.
    pub fn tell(&mut self, failed: &[(usize, u64)], usable: u64) -> Result<Vec<Failure>, Blind> {
        let mut failures = Vec::new();
        for (target, number) in failed.iter().take(FAILURES_MAX) {
            let before = self.copy.counters(0)?;
            let Some(step) = self.plan.frame(*target, *number, usable, &mut self.frame) else {
                continue;
            };
            let action = self.copy.run(&self.frame, step.entrance.index)?;
            let reason = moved(&before.counters, &self.copy.counters(0)?.counters);
            if action == XDP_PASS && reason.is_some_and(is_protected) {
                continue;
            }
            let id = self.plan.parties().targets.get(*target).map_or("", |target| &target.id);
            failures.push(self.failure(id, &step, action, reason));
        }
        Ok(failures)
    }

    fn failure(&self, id: &str, step: &Step<'_>, action: u32, reason: Option<Reason>) -> Failure {
        let Step { form, transport, sender, entrance, ends } = *step;
        let interface = match entrance.vlan {
            Some(vlan) => format!("{}.{vlan}", entrance.interface),
            None => entrance.interface.clone(),
        };
        let shared = self.config.psap.iter().filter(|psap| {
            [&psap.site, &psap.via].into_iter().flatten().any(|shared| shared.as_str() == id)
        });
        Failure {
            psap: id.to_owned(),
            shared_by: shared.map(|psap| psap.id.to_string()).collect(),
            form: form.to_owned(),
            transport: transport.to_owned(),
            sender: sender.to_owned(),
            interface,
            source: ends.0.to_string(),
            destination: ends.1.to_string(),
            verdict: verdict(action).to_owned(),
            reason: reason.map_or("none", Reason::name).to_owned(),
            evidence: Evidence {
                frame: hex(&self.frame),
                entries: entries::consulted(
                    self.folder.as_deref(),
                    &self.config,
                    [ends.0.ip(), ends.1.ip()],
                ),
            },
        }
    }

    /// Uses up what strangers have left in the copy, and sees a frame dropped for it.
    fn control(&mut self) -> Result<(), Blind> {
        let usable = self.usable()?;
        let strangers = self.plan.parties().strangers;
        for stranger in strangers.into_iter().flatten() {
            for carrier in [Carrier::Udp, Carrier::Tcp(wire::DATA)] {
                self.exhaust(stranger, carrier, usable)?;
            }
        }
        Ok(())
    }

    /// Sends a stranger's unmarked frames until one is dropped. Where the copy does not even know
    /// a target as one, the next is tried: the proof itself will tell of the first.
    fn exhaust(&mut self, stranger: IpAddr, carrier: Carrier, usable: u64) -> Result<(), Blind> {
        for target in 0..self.plan.parties().targets.len() {
            let Some(index) =
                self.plan.control((target, stranger), carrier, usable, &mut self.frame)
            else {
                continue;
            };
            self.copy.run(&self.frame, index)?;
            let before = self.copy.counters(0)?;
            let action = self.copy.run(&self.frame, index)?;
            let reason = moved(&before.counters, &self.copy.counters(0)?.counters);
            if action == XDP_DROP {
                return Ok(());
            }
            if let Some(reason) = reason
                && matches!(reason.class(), Class::Limited(Kind::Sip | Kind::Tcp) | Class::Denied)
            {
                return Err(Blind::NoControl { reason: reason.name() });
            }
        }
        Ok(())
    }

    /// Frames that the copy counted as protected.
    fn protected(&self) -> Result<u64, Blind> {
        let counters = self.copy.counters(0)?;
        let protected = Reason::all().filter(|reason| is_protected(*reason));
        let counter = |reason: Reason| {
            let place = usize::try_from(reason.counter()).ok()?;
            counters.counters.get(place).map(|counter| counter.packets)
        };
        Ok(protected.filter_map(counter).fold(0, u64::wrapping_add))
    }
}

/// Compares the program of a generation with its copy.
fn is_same_build(pins: &PinDir, generation: u64, copy: &mut PrivateGuard) -> Result<(), Blind> {
    let path = pins.program(generation);
    let program = ProgramInfo::from_pin(&path)
        .map_err(|error| KernelError::path(&path, error, "run as root"))?;
    let (live, ours) = (program.tag(), copy.tag()?);
    if live == ours { Ok(()) } else { Err(Blind::OtherBuild { generation, live, ours }) }
}

/// The policy without an allowance for strangers: the first frame of one is the last that
/// conforms, for the next hundred years.
fn tightened(mut policy: Policy) -> Policy {
    let never = LimitSpec { interval: u64::MAX >> 2, tolerance: 0 };
    for kind in [Kind::Sip, Kind::Tcp] {
        if let Some(spec) = policy.per_source.get_mut(kind as usize) {
            *spec = never;
        }
    }
    policy
}

fn is_protected(reason: Reason) -> bool {
    reason.class() == Class::Protected
}

/// The reason whose counter moved.
fn moved(before: &[Counter], after: &[Counter]) -> Option<Reason> {
    let place = before.iter().zip(after).position(|(before, after)| before != after)?;
    let place = u32::try_from(place).ok()?;
    Reason::all()
        .find(|reason| reason.counter() == place || reason.dropped_counter() == Some(place))
}

fn verdict(action: u32) -> &'static str {
    match action {
        XDP_PASS => Verdict::Pass.name(),
        XDP_DROP => Verdict::Drop.name(),
        _ => "other",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
