//! Interfaces: finding them, attaching to them, replacing the program on them.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{ProgramInfo, Xdp, loaded_programs};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

use super::error::KernelError;
use super::load::{Generation, chain};
use super::netlink::{self, Attached};
use super::object;
use super::pins::PinDir;
use crate::config::{Attach, Config, InterfaceEntry};

/// What came of putting the program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The link was there; its program has been replaced.
    Replaced,
    /// Attached anew, in the driver.
    Native,
    /// Attached anew, in the generic path, as configured.
    Generic,
    /// Attached anew, in the generic path, because the driver cannot.
    FellBack,
    /// The interface was guarded before, and somebody else's program is on it now.
    Taken,
    /// The interface was guarded before and is not there now.
    Absent,
}

/// Kernel indexes of all configured interfaces. One that was guarded before and is not there now
/// gets index 0: a dead card must not keep an operator from changing anything.
pub fn indexes(config: &Config, before: &PinDir) -> Result<BTreeMap<String, u32>, KernelError> {
    let linked = before.linked()?;
    let mut indexes = BTreeMap::new();
    for interface in &config.interface {
        let name = &interface.name;
        let found = match index(name) {
            Err(KernelError::NoInterface { .. }) if linked.contains(name) => 0,
            found => found?,
        };
        indexes.insert(name.clone(), found);
    }
    match config.interface.first() {
        // None of them: this is another network namespace, not a dead card.
        Some(interface) if indexes.values().all(|index| *index == 0) => {
            Err(KernelError::NoInterface { name: interface.name.clone() })
        }
        _ => Ok(indexes),
    }
}

/// Kernel index of an interface.
pub fn index(name: &str) -> Result<u32, KernelError> {
    if_nametoindex(name).map_err(|_| KernelError::NoInterface { name: name.to_owned() })
}

/// Addresses of this host; none if they cannot be read.
#[must_use]
pub fn host_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The XDP program on an interface.
pub fn attached(name: &str) -> Result<Option<Attached>, KernelError> {
    Ok(ask(name)?.xdp)
}

/// Whether an interface is up and has a carrier.
pub fn is_running(name: &str) -> Result<bool, KernelError> {
    Ok(ask(name)?.running)
}

/// What the kernel says about an interface.
fn ask(name: &str) -> Result<netlink::Link, KernelError> {
    netlink::link(index(name)?).map_err(|error| KernelError::Attach {
        name: name.to_owned(),
        mode: "any",
        reason: format!("cannot ask for its type and XDP program: {error}"),
        step: "try again; if it lasts, report it with `uname -a`",
    })
}

/// Puts a generation's program on an interface: into the pinned link if there is one that still
/// holds, else by a new link, which is pinned at once.
pub fn place(
    generation: &mut Generation,
    interface: &InterfaceEntry,
    pins: &PinDir,
) -> Result<Placed, KernelError> {
    let name = interface.name.as_str();
    let pin = pins.link(name);
    if pin.exists() {
        if index(name).is_err() {
            return Ok(Placed::Absent);
        }
        if let Some(occupant) = attached(name)?
            && !is_pinned(occupant.program, pins)
        {
            return Ok(Placed::Taken);
        }
        if replace(generation, interface, pins)? {
            return Ok(Placed::Replaced);
        }
        // The interface went away and came back: the old link holds nothing any more.
        fs::remove_file(&pin).map_err(|error| KernelError::path(&pin, error, "run as root"))?;
    }
    if let Some(occupant) = attached(name)? {
        return Err(occupied(name, occupant));
    }
    match interface.attach {
        Attach::Native => attach(generation, name, pins, XdpMode::Driver).map(|()| Placed::Native),
        Attach::Generic => attach(generation, name, pins, XdpMode::Skb).map(|()| Placed::Generic),
        Attach::Auto => match attach(generation, name, pins, XdpMode::Driver) {
            Ok(()) => Ok(Placed::Native),
            Err(KernelError::Attach { .. }) => {
                attach(generation, name, pins, XdpMode::Skb).map(|()| Placed::FellBack)
            }
            Err(other) => Err(other),
        },
    }
}

/// Replaces the program of the pinned link; false if that link no longer holds the interface.
fn replace(
    generation: &mut Generation,
    interface: &InterfaceEntry,
    pins: &PinDir,
) -> Result<bool, KernelError> {
    let name = interface.name.as_str();
    let pin = pins.link(name);
    let failed = |error: &dyn std::error::Error| KernelError::Attach {
        name: name.to_owned(),
        mode: "its own",
        reason: format!("cannot replace the program in {}: {}", pin.display(), chain(error)),
        step: "the old program stays; `guard status` shows it",
    };
    let link = PinnedLink::from_pin(&pin).map_err(|error| failed(&error))?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(|error| failed(&error))?;
    let program = generation.program()?;
    // A link whose interface is gone refuses; whether it holds this interface is seen below.
    let replaced = program.attach_to_link(link);
    let ours = program.info().map_err(|error| failed(&error))?.id();
    let now = attached(name)?;
    match (replaced, now) {
        (Ok(_), Some(now)) if now.program == ours => Ok(true),
        (_, None) => Ok(false),
        (_, Some(now)) if is_guard(now.program) => match PinnedLink::from_pin(&pin) {
            Ok(_) => Err(occupied(name, now)),
            Err(error) => Err(failed(&error)),
        },
        (_, Some(now)) => Err(occupied(name, now)),
    }
}

/// Gives an interface back the program it had before.
pub fn restore(old: &mut Xdp, name: &str, pins: &PinDir) -> Result<(), KernelError> {
    let pin = pins.link(name);
    let failed = |error: &dyn std::error::Error| KernelError::Attach {
        name: name.to_owned(),
        mode: "its own",
        reason: format!("cannot give the old program back: {}", chain(error)),
        step: "`guard bypass on`, then `guard run` anew",
    };
    let link = PinnedLink::from_pin(&pin).map_err(|error| failed(&error))?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(|error| failed(&error))?;
    old.attach_to_link(link).map(|_| ()).map_err(|error| failed(&error))
}

/// Attaches by a new link and pins it.
fn attach(
    generation: &mut Generation,
    name: &str,
    pins: &PinDir,
    mode: XdpMode,
) -> Result<(), KernelError> {
    let (word, step) = match mode {
        XdpMode::Skb => ("generic", "look at `dmesg`"),
        _ => (
            "native",
            "see `guard status` and the NIC table in README.md; `attach = \"auto\"` falls back \
             to the slow generic mode",
        ),
    };
    let failed = |error: &dyn std::error::Error| {
        let reason = chain(error);
        if reason.contains("Operation not permitted") || reason.contains("os error 1)") {
            return KernelError::NotPermitted { what: format!("attach to {name}"), reason };
        }
        KernelError::Attach { name: name.to_owned(), mode: word, reason, step }
    };
    must_be_ethernet(name)?;
    let index = index(name)?;
    let program = generation.program()?;
    let id = program.attach_to_if_index(index, mode).map_err(|error| failed(&error))?;
    let link = program.take_link(id).map_err(|error| failed(&error))?;
    // aya falls back to netlink where the kernel knows no links: before 5.9, which does not load
    // the object either.
    let link = FdLink::try_from(link).map_err(|error| failed(&error))?;
    link.pin(pins.link(name)).map_err(|error| failed(&error))?;
    Ok(())
}

/// Refuses interfaces whose frames do not begin with an Ethernet header: tunnels, PPP, raw IP.
fn must_be_ethernet(name: &str) -> Result<(), KernelError> {
    let kind = ask(name)?.kind;
    if matches!(kind, netlink::ETHERNET | netlink::LOOPBACK) {
        return Ok(());
    }
    Err(KernelError::Attach {
        name: name.to_owned(),
        mode: "any",
        reason: format!("its frames have no Ethernet header (device type {kind})"),
        step: "guard the interface below it, where its packets come in",
    })
}

/// Takes the program off an interface by removing the pin of its link.
pub fn detach(name: &str, pins: &PinDir) -> Result<(), KernelError> {
    let pin = pins.link(name);
    fs::remove_file(&pin).map_err(|error| KernelError::path(&pin, error, "run as root"))
}

fn occupied(name: &str, occupant: Attached) -> KernelError {
    let (occupant, step) = if is_guard(occupant.program) {
        (
            format!("another guard (program {})", occupant.program),
            "unload that one with its own --pin-dir, or leave the interface to it".to_owned(),
        )
    } else {
        let program = info(occupant.program);
        let called = program.as_ref().and_then(ProgramInfo::name_as_str).unwrap_or("unknown");
        (
            format!("XDP program {} ({called}), {} mode", occupant.program, occupant.mode.name()),
            format!(
                "find whose it is with `bpftool prog show id {}`; detach it with its own tool or \
                 `ip link set dev {name} xdp off`",
                occupant.program
            ),
        )
    };
    KernelError::Occupied { name: name.to_owned(), occupant, step }
}

/// Whether a program in the kernel is that of a generation pinned here.
#[must_use]
pub fn is_pinned(program: u32, pins: &PinDir) -> bool {
    let generations = pins.generations().unwrap_or_default();
    let mut ids = generations.into_iter().filter_map(|number| {
        ProgramInfo::from_pin(pins.program(number)).ok().map(|info| info.id())
    });
    ids.any(|id| id == program)
}

/// Whether a program in the kernel is a guard's.
#[must_use]
pub fn is_guard(program: u32) -> bool {
    info(program).is_some_and(|info| info.name_as_str() == Some(object::PROGRAM))
}

fn info(program: u32) -> Option<ProgramInfo> {
    loaded_programs().filter_map(Result::ok).find(|info| info.id() == program)
}
