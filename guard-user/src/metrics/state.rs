//! Metrics of what the guard is doing: the numbers of `guard status`.

use guard_common::abi::ABI_VERSION;
use guard_common::abi::state::opened;

use super::catalogue as of;
use super::family::Family;
use crate::report::{
    CanaryResult, Configured, Controller, InterfaceInfo, Opened, SideInfo, Stance, Status,
};

/// The version of this build.
pub fn build() -> Family {
    let mut build = of::BUILD.family();
    build.add([env!("CARGO_PKG_VERSION"), &ABI_VERSION.to_string()], 1.0);
    build
}

/// Everything that `guard status` says.
pub fn families(status: &Status) -> Vec<Family> {
    let Status {
        stance,
        mode,
        mode_set: _,
        bypass,
        controller,
        canary: _,
        opened,
        taken_back,
        generation,
        unknown: _,
        interfaces,
        configured,
        totals: _,
        recent: _,
        calls: _,
        alarms,
    } = status;
    let mut found = vec![
        of::STANCE.one_of(&Stance::ALL.map(Stance::name), Some(stance.name())),
        of::MODE.one_of(&["monitor", "enforce", "unknown"], Some(*mode)),
        of::BYPASS.one(flag(bypass.is_some())),
        why_opened(opened.as_ref()),
        of::GENERATION.one(number(generation.number)),
        of::LIVE_CHANGES.one(count(generation.live_changes)),
        of::CONFIRMATION.one(flag(generation.confirm_until.is_some())),
        of::TAKEN_BACK.one(flag(taken_back.is_some())),
    ];
    if let Some(left) = bypass.as_ref().and_then(|bypass| bypass.left_seconds) {
        found.push(of::BYPASS_LEFT.one(left));
    }
    found.extend(watchdog(controller));
    found.extend(canary(status));
    found.push(entries(configured));
    found.extend(on_interfaces(interfaces));
    let mut raised = of::ALARMS.family();
    for (name, times) in alarms {
        raised.add_count([name], *times);
    }
    found.push(raised);
    found
}

fn why_opened(opened: Option<&Opened>) -> Family {
    let word = opened.map(|opened| match opened.code {
        opened::CANARY => "canary",
        opened::EVIDENCE => "evidence",
        opened::UNCONFIRMED => "unconfirmed",
        _ => "other",
    });
    of::OPENED.one_of(&["canary", "evidence", "unconfirmed", "other"], word)
}

fn watchdog(controller: &Controller) -> Vec<Family> {
    let Controller {
        process: _,
        watchdog_left_seconds: left,
        watchdog_lapses: lapses,
        closes_after_seconds: _,
    } = controller;
    let mut found = vec![
        of::WATCHDOG_LAPSES.one(f64::from(*lapses)),
        of::FAILSAFE_HOLD.one(flag(left.is_none())),
    ];
    found.extend(left.map(|left| of::WATCHDOG_LEFT.one(left)));
    found
}

fn canary(status: &Status) -> Vec<Family> {
    let canary = &status.canary;
    let word = |result| match result {
        CanaryResult::Ok => "ok",
        CanaryResult::Failed => "failed",
        CanaryResult::Blind => "blind",
        CanaryResult::Silent => "silent",
    };
    let words = ["ok", "failed", "blind", "silent"];
    let mut found = vec![
        of::CANARY.one_of(&words, Some(word(canary.result))),
        of::CANARY_TARGETS.one(count(canary.targets)),
        of::CANARY_FRAMES.one(number(canary.frames)),
        of::CANARY_DURATION.one(number(canary.microseconds) / 1e6),
    ];
    found.extend(canary.age_seconds.map(|age| of::CANARY_AGE.one(age)));
    found
}

fn entries(configured: &Configured) -> Family {
    let Configured { psaps, elements, peers, allow, deny } = configured;
    let mut entries = of::CONFIGURED.family();
    for (section, number) in
        [("psap", psaps), ("element", elements), ("peer", peers), ("allow", allow), ("deny", deny)]
    {
        entries.add([section], count(*number));
    }
    entries
}

fn on_interfaces(interfaces: &[InterfaceInfo]) -> [Family; 3] {
    let mut info = of::INTERFACE.family();
    let mut is_guarded = of::GUARDED.family();
    let mut missing = of::SIDE_MISSING.family();
    for InterfaceInfo { name, role, mode, program: _, tag: _, guarded, outgoing, label } in
        interfaces
    {
        info.add([name, role, mode.unwrap_or("none")], 1.0);
        is_guarded.add([name], flag(*guarded));
        for (program, side) in [("outgoing", outgoing), ("label", label)] {
            if *side != SideInfo::Off {
                missing.add([name, program], flag(*side == SideInfo::Missing));
            }
        }
    }
    [info, is_guarded, missing]
}

/// Yes or no.
fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// How many, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
const fn count(value: usize) -> f64 {
    value as f64
}

/// A number, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
const fn number(value: u64) -> f64 {
    value as f64
}
