//! Which tc program is on an interface, asked of the kernel: TCX links by the `bpf` system call,
//! clsact filters by rtnetlink.
//!
//! Asking needs no more than CAP_NET_ADMIN, unlike aya's own query, which opens every program it
//! finds.

use std::io::{self, ErrorKind};

use aya_obj::generated::bpf_cmd::BPF_PROG_QUERY;
use bytes::{Buf as _, BufMut as _, BytesMut};
use nix::libc::{SYS_bpf, syscall};

use super::netlink::{HEADER, ask, attributes, dump};

const RTM_GETTFILTER: u16 = 46;
const RTM_NEWTFILTER: u16 = 44;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;
/// `struct tcmsg`.
const TCMSG: usize = 20;
/// `ETH_P_ALL`: filters for frames of every protocol.
const ALL_PROTOCOLS: u16 = 3;

/// More programs than the kernel takes on one side of an interface (`BPF_MPROG_MAX`).
const PROGRAMS_MAX: usize = 64;

/// What `BPF_PROG_QUERY` takes and answers: the beginning of the kernel's `union bpf_attr`.
#[repr(C)]
struct Query {
    interface: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
    /// Attach flags, link ids and link flags of each program, which nobody asks for; revision.
    unasked: [u64; 4],
}

/// Kernel ids of the programs that TCX links hold on one side of an interface; none where the
/// kernel knows no TCX.
pub fn tcx(interface: u32, attach_type: u32) -> io::Result<Vec<u32>> {
    let mut programs = [0u32; PROGRAMS_MAX];
    let mut query = Query {
        interface,
        attach_type,
        query_flags: 0,
        attach_flags: 0,
        programs: programs.as_mut_ptr() as u64,
        count: u32::try_from(PROGRAMS_MAX).unwrap_or(0),
        padding: 0,
        unasked: [0; 4],
    };
    // SAFETY: both the query and the ids it points to live until the call returns, and are as
    // long as the call is told.
    let answer =
        unsafe { syscall(SYS_bpf, BPF_PROG_QUERY as u32, &raw mut query, size_of::<Query>()) };
    if answer == 0 {
        let count = usize::try_from(query.count).unwrap_or(0);
        return Ok(programs.into_iter().take(count).collect());
    }
    match io::Error::last_os_error() {
        error if error.kind() == ErrorKind::InvalidInput => Ok(Vec::new()),
        error => Err(error),
    }
}

/// A clsact filter with a BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Name of the program.
    pub name: String,
    /// Kernel id of the program.
    pub program: u32,
}

/// Where a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Kernel index of the interface.
    pub interface: u32,
    /// The side: `TC_H_CLSACT` with `TC_H_MIN_EGRESS` or `TC_H_MIN_INGRESS`.
    pub parent: u32,
    /// Its priority: lower ones come first.
    pub priority: u16,
    /// Its handle.
    pub handle: u32,
}

/// The filter at a place; `None` if there is none.
pub fn at(place: Place) -> io::Result<Option<Filter>> {
    let Place { interface, parent, priority, handle } = place;
    let mut body = BytesMut::with_capacity(TCMSG);
    body.put_u32_ne(0); // family, padding
    body.put_u32_ne(interface);
    body.put_u32_ne(handle);
    body.put_u32_ne(parent);
    body.put_u32_ne(u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS.to_be()));
    Ok(read_answer(&ask(RTM_GETTFILTER, &body)?))
}

/// All clsact filters with a BPF program on one side of an interface.
pub fn all(interface: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let mut body = BytesMut::with_capacity(TCMSG);
    body.put_u32_ne(0); // family, padding
    body.put_u32_ne(interface);
    body.put_u32_ne(0); // any handle
    body.put_u32_ne(parent);
    body.put_u32_ne(0); // any priority and protocol
    let mut found = Vec::new();
    dump(RTM_GETTFILTER, &body, |message| {
        // Each priority has a head without a program before its filters.
        found.extend(read_answer(message).filter(|filter| filter.program != 0));
    })?;
    Ok(found)
}

/// The filter an answer tells of. An error, such as that there is no clsact, tells of none.
fn read_answer(answer: &[u8]) -> Option<Filter> {
    if answer.get(4..)?.try_get_u16_ne().ok()? != RTM_NEWTFILTER {
        return None;
    }
    let (_, options) =
        attributes(answer.get(HEADER + TCMSG..)?).find(|(kind, _)| *kind == TCA_OPTIONS)?;
    let mut filter = Filter { name: String::new(), program: 0 };
    for (kind, mut value) in attributes(options) {
        match kind {
            TCA_BPF_NAME => {
                let name = value.strip_suffix(&[0]).unwrap_or(value);
                filter.name = String::from_utf8_lossy(name).into_owned();
            }
            TCA_BPF_ID => filter.program = value.try_get_u32_ne().ok()?,
            _ => {}
        }
    }
    Some(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_answers_say_nothing() {
        for length in 0..64 {
            assert_eq!(read_answer(&vec![0xff; length]), None);
        }
    }

    #[test]
    fn loopback_has_no_filter() {
        let place = Place { interface: 1, parent: 0xffff_fff3, priority: 9, handle: 0x911 };
        assert_eq!(at(place).ok(), Some(None));
    }
}
