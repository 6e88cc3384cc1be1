//! What keeps a flood and a lack of memory from stopping the heartbeat: real-time priority, and
//! pages that cannot be taken away.
//!
//! Packets are worked off in soft interrupts, which under a lasting flood are left to threads of
//! ordinary priority; any real-time priority goes before those. Of memory, the kernel takes pages
//! of the program file first, since it can read them again, and a beat that waits for a disk may
//! be too late. Both may be refused; the guard works on without, and says so.

use std::io;

use nix::libc;

/// Lowest but some: what is more urgent on this host still goes first.
const PRIORITY: libc::c_int = 5;
/// Niceness where there is no real-time priority.
const NICE: libc::c_int = -15;
/// Stack that a beat uses, with much to spare; the thread has twice as much.
const DEPTH: usize = 64 << 10;

/// Keeps what the process has mapped by now in memory: program, libraries, first heap. Called
/// first of all, while that is small; what configurations take later stays out.
pub fn lock_memory() {
    // SAFETY: takes no pointers and changes nothing that Rust knows of.
    let answer = unsafe { libc::mlockall(libc::MCL_CURRENT) };
    if answer != 0 {
        let error = io::Error::last_os_error();
        tracing::warn!("the heartbeat's memory is not locked: {error}; raise LimitMEMLOCK=");
    }
}

/// Gives the calling thread, the heartbeat, its priority and locks its stack.
pub(super) fn take() {
    lock_stack();
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the structure outlives the call.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } == 0 {
        tracing::debug!("heartbeat with real-time priority {PRIORITY}");
        return;
    }
    let error = io::Error::last_os_error();
    // SAFETY: takes no pointers; 0 is the calling thread.
    let nice = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } == 0;
    let instead = if nice { "it is nice -15 instead" } else { "it has an ordinary one" };
    tracing::warn!("no real-time priority for the heartbeat: {error}; {instead}; see LimitRTPRIO=");
}

/// Locks the stack below the caller's frame. Not inlined, so that the room is given back, locked,
/// to the calls that come after.
#[inline(never)]
fn lock_stack() {
    let room = std::hint::black_box([0_u8; DEPTH]);
    // SAFETY: the range is an array of this frame; locking it changes no content. It stays
    // locked when the frame is gone, which is the purpose.
    if unsafe { libc::mlock(room.as_ptr().cast(), room.len()) } != 0 {
        tracing::warn!("the heartbeat's stack is not locked: {}", io::Error::last_os_error());
    }
}
