//! The label, as a socket of the host sees it.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use guard_tests::fixtures::sip::{emergency_invite, request};
use guard_tests::guard_process::{CARRIER, PSAP, SIP};
use nix::libc::{SO_MARK, SOL_SOCKET, setsockopt};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::{MARK, each_way, labels, sip, site};

/// Of `asm-generic/socket.h`; libc does not name it yet.
const SO_RCVMARK: i32 = 75;

/// Asks for marks.
pub fn tell_marks(socket: &UdpSocket) {
    let yes: i32 = 1;
    let length = u32::try_from(size_of_val(&yes)).unwrap();
    // SAFETY: the value lives until the call returns and is as long as the call is told.
    let answer = unsafe {
        setsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_RCVMARK, (&raw const yes).cast(), length)
    };
    assert_eq!(answer, 0, "Linux 5.19 and newer tell marks");
}

/// The mark of the next datagram.
pub fn receive(socket: &UdpSocket) -> Option<u32> {
    let mut bytes = [0; 2048];
    let mut buffer = [IoSliceMut::new(&mut bytes)];
    let mut control = vec![0; 64];
    let flags = MsgFlags::empty();
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffer, Some(&mut control), flags).ok()?;
    message.cmsgs().unwrap().find_map(|message| match message {
        ControlMessageOwned::Unknown(message) if message.cmsg_header.cmsg_type == SO_MARK => {
            Some(u32::from_ne_bytes(message.data_bytes[..4].try_into().unwrap()))
        }
        _ => None,
    })
}

#[test]
fn marked_messages_of_strangers_have_the_mark_and_nobody_else() {
    each_way(false, &labels(), |site, kind| {
        let _daemon = site.start();
        let (service, stranger) = sip(site);
        let peer = site.speak(CARRIER);
        tell_marks(&service);
        let invite = emergency_invite();
        for (from, mark) in [(&stranger, MARK), (&peer, 0), (&stranger, MARK), (&peer, 0)] {
            from.send_to(invite.as_bytes(), (PSAP, SIP)).unwrap();
            assert_eq!(receive(&service), Some(mark), "{kind}");
        }
        let plain = request("OPTIONS", "sip:psap.example");
        stranger.send_to(plain.as_bytes(), (PSAP, SIP)).unwrap();
        assert_eq!(receive(&service), Some(0), "{kind}: it passes, but is not marked");
    });
}

#[test]
fn nothing_is_labelled_that_nobody_asked_for() {
    let Some(site) = site(true, "") else { return };
    let _daemon = site.start();
    let (service, stranger) = sip(&site);
    tell_marks(&service);
    stranger.send_to(emergency_invite().as_bytes(), (PSAP, SIP)).unwrap();
    assert_eq!(receive(&service), Some(0));
}
