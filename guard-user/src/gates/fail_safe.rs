//! Gate 1, the fail-safe set: elements, peers, support services, neighbours, management, and the
//! operator's own way in.
//!
//! What a configuration says in itself, validation checks, the deny list's reach included
//! (`config/validate/{overlap,breadth,lists}.rs`). ARP, ND and routing protocols cannot be denied
//! at all: they are classified before every list. What is left for here is what no file can know:
//! where the operator sits.

use super::operator::{self, Origin};
use super::{Cause, Finding, Gate, GateError, Severity, Trial};
use crate::config::{Config, ConfigError, Mode};

pub(super) fn check(trial: &Trial<'_>) -> Result<Vec<Finding>, GateError> {
    // What the file asks for is the mode after a reboot: it has to be complete for that, too.
    let either = [trial.mode, trial.after.guard.mode].contains(&Mode::Enforce);
    let mut findings = Vec::new();
    match trial.after.validate_as(if either { Mode::Enforce } else { Mode::Monitor }) {
        Err(error) if trial.cause == Cause::Renewal => findings.push(outlived(error)),
        validated => validated?,
    }
    findings.extend(own_way_in(trial, operator::origin()));
    Ok(findings)
}

/// What is live already goes on, also where a younger guard's rules would not let it in any more:
/// to refuse it would leave the host without a controller.
fn outlived(ConfigError { entry, reason, next, .. }: ConfigError) -> Finding {
    let entry = entry.map_or(String::new(), |entry| format!("{entry}: "));
    Finding {
        gate: Gate::FailSafe,
        severity: Severity::Note,
        text: format!("what is live would be refused today: {entry}{reason}"),
        next,
    }
}

/// Enforcing must not limit the session it is switched on from.
pub(super) fn own_way_in(trial: &Trial<'_>, origin: Origin) -> Option<Finding> {
    // A file that says so enforces after the next reboot.
    let enforces = |config: &Config| [trial.mode, config.guard.mode].contains(&Mode::Enforce);
    let is_limited = |address| {
        trial.before.is_some_and(|before| enforces(before) && !is_management(before, address))
    };
    let severity = |address| match trial.cause {
        Cause::Start | Cause::Enforce => Severity::Final,
        // What is wanted may be what helps.
        Cause::Apply if is_limited(address) => Severity::Note,
        Cause::Apply => Severity::Final,
        Cause::Entry | Cause::RollBack | Cause::Renewal => Severity::Note,
    };
    let will_enforce = trial.cause == Cause::Apply && enforces(trial.after);
    if !(will_enforce || trial.mode == Mode::Enforce)
        || matches!(trial.cause, Cause::Entry | Cause::Renewal)
    {
        return None;
    }
    let (severity, text, next) = match origin {
        Origin::Here => return None,
        Origin::Remote(address) if is_management(trial.after, address) => return None,
        Origin::Remote(address) => (
            severity(address),
            format!("your own SSH session comes from {address}, which is no management station"),
            "add it as [[management]] and `guard apply` that first, or work from a station that is \
             one",
        ),
        Origin::Unknown => (
            Severity::Note,
            "whether your own session comes from a management station could not be found out"
                .to_owned(),
            "see that your address is one of [[management]]",
        ),
    };
    Some(Finding { gate: Gate::FailSafe, severity, text, next: next.to_owned() })
}

fn is_management(config: &Config, address: std::net::IpAddr) -> bool {
    let mut networks = config.management.iter().flat_map(|entry| &entry.addresses);
    networks.any(|network| network.net().contains(&address))
}
