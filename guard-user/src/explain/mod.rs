//! Why a frame passes or does not, step by step.
//!
//! The verdict comes from a trial ([`crate::trial`]); the steps say what the brain in memory found
//! out on the way, and which entries of the configuration it goes back to. Numbers in start lines
//! are masked. Changes nothing.

mod decided;
mod entries;
mod limits;
pub mod packet;
mod steps;

use std::net::IpAddr;

use guard_common::abi::state::alarm;
use guard_common::classify::Told;
use guard_common::frame::Frame;
use guard_common::pins::Standing;
use guard_common::reason::Reason;
use guard_common::verdict::Verdict;
use serde::Serialize;

pub use self::decided::Decided;
pub use self::entries::Entry;
pub use self::limits::{Bucket, Limit};
pub use self::steps::Step;

use crate::policy::model::Model;
use crate::trial::{Entrance, Ground, Outcome, Trial};

/// Why a frame passes or does not.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The policy it was tried against.
    pub policy: String,
    /// What was read and found, in order.
    pub steps: Vec<Step>,
    /// Class.
    pub class: &'static str,
    /// Reason.
    pub reason: &'static str,
    /// Id of the PSAP, site or element it is counted under; `None` for none.
    pub psap: Option<String>,
    /// "pass" or "drop", as the guard stands.
    pub verdict: &'static str,
    /// "pass" or "drop", if it enforced and nothing had opened it.
    pub verdict_enforcing: &'static str,
    /// What of the configuration decided.
    pub decided: Decided,
    /// The limits it was held against.
    pub limit: Option<Limit>,
    /// What ran it: "kernel" and memory, or "memory" alone.
    pub ran_by: &'static str,
    /// Why the kernel did not run it.
    pub without_kernel: Option<String>,
    /// The program on the interfaces is of another build than the copy that ran.
    pub other_build: bool,
    /// Where kernel and memory said otherwise, which must not be.
    pub disagreements: Vec<String>,
}

/// What is known about a frame by its way through the brain.
pub(crate) struct Facts {
    pub(crate) frame: Frame,
    pub(crate) ends: [Told; 2],
    pub(crate) standing: Standing,
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) protocol: u8,
    /// A configured source came in where it is not bound.
    pub(crate) unbound: bool,
    pub(crate) reason: Reason,
    pub(crate) slot: u32,
}

/// Runs a frame and explains what became of it. `preface` are steps that come before: where the
/// frame is from.
#[must_use]
pub fn explain(
    ground: &Ground,
    trial: &mut Trial,
    (number, bytes): (u64, &[u8]),
    entrance: Entrance<'_>,
    now: u64,
    preface: Vec<Step>,
) -> Explanation {
    let unbound = |model: &Model| model.alarms(alarm::UNBOUND_SOURCE);
    let before = unbound(trial.host().model());
    let Outcome { judged, by_kernel } = trial.run(number, bytes, entrance.index, now);
    let told = trial.differences().iter().map(|difference| difference.text.clone());
    let disagreements = told.collect();
    let model = trial.host().model();
    let scratch = trial.host().scratch();
    let facts = facts(scratch, unbound(model) != before, judged.reason, judged.slot);
    let limit = limits::of(ground, model, &facts, now);
    let mut steps = preface;
    steps.push(steps::policy(ground));
    steps.push(steps::entrance(ground, &entrance, facts.frame.vlan));
    steps.extend(steps::read(bytes, &facts));
    steps.extend(steps::found(ground, &facts, limit.as_ref()));
    Explanation {
        policy: ground.name.clone(),
        steps,
        class: judged.reason.class().name(),
        reason: judged.reason.name(),
        psap: ground.owner(judged.slot).map(str::to_owned),
        verdict: judged.verdict.name(),
        verdict_enforcing: enforcing(judged.reason),
        decided: decided::by(ground, &facts),
        limit,
        ran_by: if by_kernel { "kernel" } else { "memory" },
        without_kernel: trial.without_kernel().map(str::to_owned),
        other_build: trial.other_build().is_some(),
        disagreements,
    }
}

/// The verdict's name on a frame with this reason, if nothing kept the guard from dropping: what
/// has a counter for drops can be dropped.
fn enforcing(reason: Reason) -> &'static str {
    if reason.dropped_counter().is_some() { Verdict::Drop.name() } else { Verdict::Pass.name() }
}

fn facts(
    scratch: &guard_common::guard::Scratch,
    unbound: bool,
    reason: Reason,
    slot: u32,
) -> Facts {
    let frame = scratch.frame;
    let (source, destination) = frame.addresses().unzip();
    Facts {
        ends: scratch.ends.told(),
        standing: scratch.ends.standing(),
        source,
        destination,
        source_port: frame.source_port,
        destination_port: frame.destination_port,
        protocol: frame.protocol,
        unbound,
        reason,
        slot,
        frame,
    }
}
