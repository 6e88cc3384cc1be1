//! Who is at the other end of a socket, as the kernel says.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::socket::{getsockopt, sockopt};

/// More groups than anybody is in are not read.
const GROUPS_MAX: usize = 4096;

/// A process that connected.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its user.
    pub(super) user: u32,
    groups: Vec<libc::gid_t>,
}

impl Peer {
    /// Who is at the other end.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
        let mut groups = supplementary(stream)?;
        groups.push(credentials.gid());
        Ok(Self { user: credentials.uid(), groups })
    }

    /// Whether it is in a group.
    pub(super) fn is_in(&self, group: u32) -> bool {
        self.groups.contains(&group)
    }
}

/// The groups besides its own (`SO_PEERGROUPS`).
fn supplementary(stream: &UnixStream) -> io::Result<Vec<libc::gid_t>> {
    let mut groups: Vec<libc::gid_t> = vec![0; GROUPS_MAX];
    let mut bytes = libc::socklen_t::try_from(size_of::<libc::gid_t>() * groups.len())
        .map_err(io::Error::other)?;
    // SAFETY: the buffer is as long as `bytes` says, both outlive the call, and every bit pattern
    // is a group.
    let answer = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(usize::try_from(bytes).unwrap_or(0) / size_of::<libc::gid_t>());
    Ok(groups)
}
