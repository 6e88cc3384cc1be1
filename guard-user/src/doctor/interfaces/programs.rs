//! Programs on an interface: the guard's, and those of others.

use aya::programs::ProgramInfo;
use guard_common::abi::state::switch;

use super::super::Finding;
use super::TOPIC;
use crate::config::{Attach, InterfaceEntry};
use crate::kernel::device::Details;
use crate::kernel::netlink::{self, Attached, Mode};
use crate::kernel::tc::{self, Side};
use crate::kernel::{KernelError, interface};
use crate::live::Live;

/// The XDP program on an interface.
pub fn xdp(live: &Live, details: &Details, entry: Option<&InterfaceEntry>) -> Finding {
    let name = details.name.as_str();
    let attached = match netlink::link(details.index) {
        Ok(link) => link.xdp,
        Err(error) => {
            return Finding::unknown(
                TOPIC,
                name,
                error.to_string(),
                format!("`ip link show {name}`"),
            );
        }
    };
    let Some(Attached { mode, program }) = attached else {
        return Finding::ok(TOPIC, name, "no XDP program is on it");
    };
    let generation = live.pins.switches().and_then(|it| it.get(switch::GENERATION));
    if matches!(generation, Err(KernelError::NotPermitted { .. })) {
        return Finding::unknown(
            TOPIC,
            name,
            format!("whose XDP program {program} on it is, is not known"),
            "run this as root",
        );
    }
    let ours = generation.is_ok_and(|generation| live.guards(generation, name));
    let wants_native = entry.is_some_and(|entry| entry.attach != Attach::Generic);
    if ours && mode != Mode::Native && wants_native {
        return Finding::warn(
            TOPIC,
            name,
            format!("this guard is on it in {} mode, which is slow", mode.name()),
            "see what its driver can do, above",
        );
    }
    if ours {
        let text = format!("this guard is on it in {} mode (program {program})", mode.name());
        return Finding::ok(TOPIC, name, text);
    }
    let whose = if interface::is_guard(program) { "another guard's" } else { "a foreign" };
    Finding::fail(
        TOPIC,
        name,
        format!("{whose} XDP program is on it (program {program}, {} mode)", mode.name()),
        format!(
            "`bpftool prog show id {program}` says whose; detach it with its own tool, or \
             `ip link set dev {name} xdp off`"
        ),
    )
}

/// Tc programs of others: behind the guard, and free to drop what it passes.
pub fn classifiers(live: &Live, details: &Details) -> Vec<Finding> {
    let name = details.name.as_str();
    let mut found = Vec::new();
    for side in Side::ALL {
        let programs = match tc::programs(side, details.index) {
            Ok(programs) => programs,
            Err(error) => {
                let text = format!("tc programs are not told: {error}");
                let next = format!("run this as root, or `tc filter show dev {name} ingress`");
                return vec![Finding::unknown(TOPIC, name, text, next)];
            }
        };
        let ours = ours(live, side);
        let foreign: Vec<String> = programs
            .iter()
            .filter(|program| !ours.contains(program))
            .map(ToString::to_string)
            .collect();
        if !foreign.is_empty() {
            let way = match side {
                Side::Outgoing => "what leaves",
                Side::Label => "what comes in, behind the guard",
            };
            found.push(Finding::warn(
                TOPIC,
                name,
                format!("foreign tc programs see {way}: {}", foreign.join(", ")),
                "`bpftool prog show id N` says whose; the guard cannot keep them from dropping",
            ));
        }
    }
    found
}

/// Kernel ids of our programs of one side.
fn ours(live: &Live, side: Side) -> Vec<u32> {
    let generations = live.pins.generations().unwrap_or_default();
    let ids = generations.into_iter().filter_map(|number| {
        ProgramInfo::from_pin(live.pins.classifier(number, side)).ok().map(|info| info.id())
    });
    ids.collect()
}
