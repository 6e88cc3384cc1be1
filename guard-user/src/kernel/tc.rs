//! The tc programs on interfaces: the one that watches what leaves, the one that labels what came
//! in. Both only ever pass.
//!
//! From Linux 6.6 on a TCX link holds each, pinned and replaced like XDP's. Before, a clsact
//! filter with a handle of its own does: nothing pins it, so it is found again, replaced and
//! removed by that handle. An empty clsact is left behind, others may have filters in it.

use std::collections::BTreeSet;
use std::fs;
use std::mem::ManuallyDrop;
use std::path::Path;

use aya::programs::links::{FdLink, Link as _, LinkOrder, PinnedLink};
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact,
};
use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, TcAttachType};
use aya_obj::generated::bpf_attach_type::{BPF_TCX_EGRESS, BPF_TCX_INGRESS};
use nix::errno::Errno;

use super::error::KernelError;
use super::filter::{self, Filter, Place};
use super::interface;
use super::load::chain;
use super::object;
use super::pins::PinDir;

/// Before those of others, which tc numbers from 49152 down: what they let no further was there
/// all the same.
const PRIORITY: u16 = 9;
/// Nobody else's.
const HANDLE: TcHandle = TcHandle::new(0, 0x911);
/// Makes clsact filters even where TCX links would do: for tests of kernels below 6.6.
const FILTERS_ONLY: &str = "GUARD_TC_FILTERS_ONLY";

/// The two tc programs, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Watches what leaves.
    Outgoing,
    /// Labels what came in.
    Label,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Outgoing, Self::Label];

    /// Name of the program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Outgoing => object::OUT_PROGRAM,
            Self::Label => object::LABEL_PROGRAM,
        }
    }

    /// Folder of the pinned links.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Label => "labels",
        }
    }

    /// What is missing without it.
    #[must_use]
    pub const fn lost(self) -> &'static str {
        match self {
            Self::Outgoing => "what leaves is NOT WATCHED",
            Self::Label => "marked messages of strangers get NO LABEL",
        }
    }

    const fn mode(self) -> &'static str {
        match self {
            Self::Outgoing => "tc egress",
            Self::Label => "tc ingress",
        }
    }

    const fn attach_type(self) -> TcAttachType {
        match self {
            Self::Outgoing => TcAttachType::Egress,
            Self::Label => TcAttachType::Ingress,
        }
    }

    const fn tcx(self) -> u32 {
        match self {
            Self::Outgoing => BPF_TCX_EGRESS as u32,
            Self::Label => BPF_TCX_INGRESS as u32,
        }
    }

    /// `TC_H_CLSACT` with `TC_H_MIN_EGRESS` or `TC_H_MIN_INGRESS`.
    const fn parent(self) -> u32 {
        match self {
            Self::Outgoing => 0xffff_fff3,
            Self::Label => 0xffff_fff2,
        }
    }

    fn failed(self, interface: &str, reason: impl ToString) -> KernelError {
        KernelError::Attach {
            name: interface.to_owned(),
            mode: self.mode(),
            reason: reason.to_string(),
            step: "frames pass as before; see the kernel table in README.md, and \
                   `tc filter show` for what else is on the interface",
        }
    }
}

/// What holds a tc program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A TCX link.
    Tcx,
    /// A clsact filter.
    Clsact,
}

/// Kernel ids of all programs on one side of an interface, whoever put them there.
pub fn programs(side: Side, interface: u32) -> std::io::Result<Vec<u32>> {
    let mut found = filter::tcx(interface, side.tcx())?;
    // Where there is no clsact, the question is refused.
    let filters = filter::all(interface, side.parent()).unwrap_or_default();
    found.extend(filters.into_iter().map(|filter| filter.program));
    Ok(found)
}

/// How a program is on one side of an interface, if it is.
pub fn held(side: Side, interface: &str, program: u32) -> Result<Option<Hold>, KernelError> {
    let index = interface::index(interface)?;
    let tcx = filter::tcx(index, side.tcx()).map_err(|error| side.failed(interface, error))?;
    if tcx.contains(&program) {
        return Ok(Some(Hold::Tcx));
    }
    let filter = filter_of(side, interface)?;
    Ok(filter.is_some_and(|filter| filter.program == program).then_some(Hold::Clsact))
}

/// Kernel id of a pinned program; `None` if there is none.
#[must_use]
pub fn pinned(path: &Path) -> Option<u32> {
    ProgramInfo::from_pin(path).ok().map(|program| program.id())
}

/// Puts a pinned program on one side of an interface, in the place of an earlier one; does
/// nothing if it is there.
pub fn place(
    side: Side,
    interface: &str,
    program: &Path,
    pins: &PinDir,
) -> Result<Hold, KernelError> {
    let failed = |error: ProgramError| side.failed(interface, chain(&error));
    let mut program = SchedClassifier::from_pin(program).map_err(failed)?;
    let ours = program.info().map_err(failed)?.id();
    if let Some(hold) = held(side, interface, ours)? {
        return Ok(hold);
    }
    let pin = pins.side_link(side, interface);
    if pin.exists() {
        // A link whose interface is gone refuses; whether it holds this one is seen then.
        if replace_link(&mut program, &pin)
            && let Some(hold) = held(side, interface, ours)?
        {
            return Ok(hold);
        }
        fs::remove_file(&pin).map_err(|error| KernelError::path(&pin, error, "run as root"))?;
    }
    let has_filter = filter_of(side, interface)?.is_some();
    let filters_only = has_filter || std::env::var_os(FILTERS_ONLY).is_some();
    if !filters_only && make_link(side, &mut program, interface, &pin)? {
        return Ok(Hold::Tcx);
    }
    set_filter(side, &mut program, interface).map(|()| Hold::Clsact)
}

/// Replaces the program of a pinned link, so that no frame is without one; false if it refuses.
fn replace_link(program: &mut SchedClassifier, pin: &Path) -> bool {
    let link = PinnedLink::from_pin(pin).map(FdLink::from);
    let link = link.and_then(SchedClassifierLink::try_from);
    link.is_ok_and(|link| program.attach_to_link(link).is_ok())
}

/// Attaches by a new link and pins it; false where the kernel knows no such links.
fn make_link(
    side: Side,
    program: &mut SchedClassifier,
    interface: &str,
    pin: &Path,
) -> Result<bool, KernelError> {
    let failed = |error: &dyn std::error::Error| side.failed(interface, chain(error));
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = match program.attach_with_options(interface, side.attach_type(), options) {
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(Errno::EINVAL as i32) =>
        {
            return Ok(false);
        }
        attached => attached.map_err(|error| failed(&error))?,
    };
    let link = program.take_link(id).map_err(|error| failed(&error))?;
    let link = FdLink::try_from(link).map_err(|error| failed(&error))?;
    link.pin(pin).map(|_| true).map_err(|error| failed(&error))
}

/// Makes our filter, or replaces its program: no frame is without one.
fn set_filter(
    side: Side,
    program: &mut SchedClassifier,
    interface: &str,
) -> Result<(), KernelError> {
    let failed = |error: &dyn std::error::Error| side.failed(interface, chain(error));
    let attached = if filter_of(side, interface)?.is_some() {
        let link = our_filter(side, interface).map_err(|error| failed(&error))?;
        program.attach_to_link(link)
    } else {
        match qdisc_add_clsact(interface) {
            Err(TcError::NetlinkError(error))
                if error.raw_os_error() == Some(Errno::EEXIST as i32) => {}
            outcome => outcome.map_err(|error| failed(&error))?,
        }
        let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
        let options = TcAttachOptions::Netlink(options);
        program.attach_with_options(interface, side.attach_type(), options)
    };
    let id = attached.map_err(|error| failed(&error))?;
    // aya would take the filter away with the link; it is to outlive this process.
    let _stays = ManuallyDrop::new(program.take_link(id).map_err(|error| failed(&error))?);
    Ok(())
}

/// Takes our program off one side of an interface, whatever holds it; whether there was one.
pub fn leave(side: Side, interface: &str, pins: &PinDir) -> Result<bool, KernelError> {
    let pin = pins.side_link(side, interface);
    let was_linked = pin.exists();
    if was_linked {
        fs::remove_file(&pin).map_err(|error| KernelError::path(&pin, error, "run as root"))?;
    }
    // Filters go with their interface.
    if interface::index(interface).is_err() || filter_of(side, interface)?.is_none() {
        return Ok(was_linked);
    }
    let link = our_filter(side, interface).map_err(|error| side.failed(interface, error))?;
    link.detach().map(|()| true).map_err(|error| side.failed(interface, chain(&error)))
}

/// Interfaces on which one side may have our program: those with a link of it, and these.
pub fn candidates<'a>(
    side: Side,
    pins: &PinDir,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeSet<String>, KernelError> {
    let linked = pins.side_linked(side)?.into_iter().chain(pins.linked()?);
    Ok(linked.chain(names.map(str::to_owned)).collect())
}

/// The filter with our handle, made by aya, to replace or remove it.
fn our_filter(side: Side, interface: &str) -> std::io::Result<SchedClassifierLink> {
    SchedClassifierLink::attached(interface, side.attach_type(), PRIORITY, HANDLE, None)
}

/// The filter with our handle, if it is there. Somebody else's there is an error.
fn filter_of(side: Side, interface: &str) -> Result<Option<Filter>, KernelError> {
    let place = Place {
        interface: interface::index(interface)?,
        parent: side.parent(),
        priority: PRIORITY,
        handle: HANDLE.into(),
    };
    match filter::at(place).map_err(|error| side.failed(interface, error))? {
        Some(Filter { name, program }) if name != side.program() => Err(side.failed(
            interface,
            format!("the filter with handle 0x911 is {name:?} (program {program}), not ours"),
        )),
        filter => Ok(filter),
    }
}
