//! Serial lines: PPP, PPPoE, Frame Relay.

use super::{Found, IPV4, IPV6, typed, word};

/// PPP's numbers for both (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
/// Unnumbered information: RFC 2427 says what is in it.
const UI: u8 = 0x03;
/// The network layer protocols of RFC 2427.
const NLPID_IPV4: u8 = 0xcc;
const NLPID_IPV6: u8 = 0x8e;
const NLPID_SNAP: u8 = 0x80;
/// The bit in the last byte of an address of Q.922, and the most bytes that one has.
const LAST: u8 = 1;
const ADDRESS_MAX: usize = 4;

/// PPP with or without its address and control bytes, its protocol in one byte or two.
pub(super) fn ppp(data: &[u8], at: usize) -> Found {
    let at = if data.get(at..)?.starts_with(&[0xff, 0x03]) { at + 2 } else { at };
    match *data.get(at)? {
        short if short & 1 == 1 => of_ppp(short.into(), at + 1),
        _ => of_ppp(word(data, at)?, at + 2),
    }
}

/// PPP behind the six bytes of a session (RFC 2516).
pub(super) fn pppoe(data: &[u8]) -> Found {
    of_ppp(word(data, 6)?, 8)
}

const fn of_ppp(protocol: u16, at: usize) -> Found {
    match protocol {
        PPP_IPV4 => Some((IPV4, at)),
        PPP_IPV6 => Some((IPV6, at)),
        _ => None,
    }
}

/// Frame Relay as RFC 2427 has it, or, without its control byte, with an Ethernet type as Cisco has.
pub(super) fn frame_relay(data: &[u8], at: usize) -> Found {
    let address = data.get(at..)?.iter().take(ADDRESS_MAX).position(|byte| byte & LAST != 0)? + 1;
    let at = at + address;
    if *data.get(at)? != UI {
        let kind = word(data, at)?;
        return [IPV4, IPV6].contains(&kind).then(|| typed(data, at, at + 2))?;
    }
    // A byte of padding makes what follows even.
    let at = if data.get(at + 1) == Some(&0) { at + 2 } else { at + 1 };
    match *data.get(at)? {
        NLPID_IPV4 => Some((IPV4, at + 1)),
        NLPID_IPV6 => Some((IPV6, at + 1)),
        // SNAP without the LLC that it has elsewhere: no organisation, an Ethernet type.
        NLPID_SNAP if data.get(at + 1..at + 4)? == [0; 3] => typed(data, at + 4, at + 6),
        _ => None,
    }
}
