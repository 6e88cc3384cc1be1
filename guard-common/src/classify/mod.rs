//! Classify: from who speaks and what is said to the class of a frame.
//!
//! Precedence: Infrastructure, Protected, Management, Allowed, Denied, Limited, Other. Limits
//! and modes are not known here; the result only says which limit would apply.

mod control;
mod ends;
mod lists;

pub use self::ends::Ends;

use self::control::{is_control, is_proven};
use self::lists::{Listed, listed};
use crate::abi::party::{
    CONFIGURED, ELEMENT, HOST, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT, PEER,
};
use crate::abi::policy::SCOPE_TRANSIT;
use crate::bytes::Packet;
use crate::class::Kind;
use crate::frame::{Defect, Fragment, Frame, Version};
use crate::pins;
use crate::reason::Reason;
use crate::sip::start_line;
use crate::tables::Tables;
use crate::wire::icmp::{Purpose, purpose4, purpose6};
use crate::wire::{port, protocol};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Passes whatever the limits say.
    Pass(Reason),
    /// A deny entry matched.
    Deny,
    /// Subject to the limits of this kind.
    Limit(Kind),
}

/// What a frame is and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What it is.
    pub finding: Finding,
    /// Counter slot: of the destination element, else the source element, else 0.
    pub slot: u32,
}

/// Classifies a parsed IP frame. `ends` is memory to work in.
#[inline(always)]
pub fn classify<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
    interface: u32,
) -> Classified {
    ends.find(frame, tables, interface);
    let slot = match ends.destination.slot {
        0 => ends.source.slot,
        slot => slot,
    };
    let finding = if is_control(frame) && is_proven(frame, ends) {
        Finding::Pass(Reason::CONTROL)
    } else if let Some(reason) = protected(packet, frame, ends, tables) {
        Finding::Pass(reason)
    } else if is_management(ends) {
        Finding::Pass(Reason::MANAGEMENT)
    } else {
        match listed(frame, tables) {
            Listed::Allowed => Finding::Pass(Reason::ALLOWED),
            Listed::Denied => Finding::Deny,
            Listed::Nothing => unlisted(frame, ends, tables),
        }
    };
    Classified { finding, slot }
}

/// Why the frame is protected, if it is.
#[inline(always)]
fn protected<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
) -> Option<Reason> {
    if ends.source.is(CONFIGURED)
        && ends.destination.is(CONFIGURED)
        && let Some(reason) = between_configured(frame, ends)
    {
        return Some(reason);
    }
    if ends.source.is(ELEMENT)
        && let Some(reason) = from_element(packet, frame, ends, tables)
    {
        return Some(reason);
    }
    if ends.destination.is(ELEMENT) && ends.destination.serves(KIND_SIP) {
        return from_stranger(packet, frame, tables);
    }
    None
}

/// Between configured parties, protection needs no state at all.
#[inline(always)]
fn between_configured(frame: &Frame, ends: &Ends) -> Option<Reason> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Reason::FRAGMENT);
    }
    if !matches!(frame.defect, Defect::None) {
        return Some(Reason::UNCLEAR);
    }
    let either_serves = |kind| ends.source.serves(kind) || ends.destination.serves(kind);
    // The host may be an element that nobody configured as one.
    let speak_sip = ends.source.is(ELEMENT | PEER) && ends.destination.is(ELEMENT | PEER | HOST);
    if speak_sip && either_serves(KIND_SIP) {
        return Some(Reason::SIGNALLING);
    }
    if either_serves(KIND_SUPPORT) {
        return Some(Reason::SUPPORT);
    }
    if either_serves(KIND_TUNNEL) || ends.source.crosses() || ends.destination.crosses() {
        return Some(Reason::TUNNEL);
    }
    if matches!(frame.protocol, protocol::ICMP | protocol::ICMPV6) {
        return Some(Reason::CONTROL);
    }
    if speak_sip && ends.source.serves(KIND_MEDIA) && ends.destination.serves(KIND_MEDIA) {
        return Some(Reason::MEDIA);
    }
    None
}

/// What an element sends to a stranger: the other half of a call. Its signalling confirms pins.
#[inline(always)]
fn from_element<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
) -> Option<Reason> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Reason::FRAGMENT);
    }
    if ends.source.serves(KIND_SIP) {
        // A request of the element's own (a call-back, say) opens the way for its answers.
        let opens =
            frame.protocol == protocol::UDP && start_line::is_request(packet, frame.payload);
        pins::element_spoke(tables, frame, opens);
        return Some(Reason::ELEMENT_OUT);
    }
    ends.source.serves(KIND_MEDIA).then_some(Reason::ELEMENT_OUT)
}

/// A stranger at an element's SIP service: the marker protects, and so does a pin.
#[inline(always)]
fn from_stranger<P: Packet, T: Tables>(packet: &P, frame: &Frame, tables: &T) -> Option<Reason> {
    if !matches!(frame.defect, Defect::None) || matches!(frame.fragment, Fragment::Later) {
        return None;
    }
    let marked = frame.payload != 0 && start_line::is_emergency(packet, frame.payload);
    if pins::stranger_spoke(tables, frame, marked) {
        return Some(Reason::DIALOG);
    }
    marked.then_some(Reason::MARKED)
}

/// From a management station, or from a configured party to one.
#[inline(always)]
const fn is_management(ends: &Ends) -> bool {
    ends.source.is(MANAGEMENT) || (ends.destination.is(MANAGEMENT) && ends.source.is(CONFIGURED))
}

/// What is left: limited if it is aimed at what the guard protects.
#[inline(always)]
fn unlisted<T: Tables>(frame: &Frame, ends: &Ends, tables: &T) -> Finding {
    let limits_transit = tables.policy().is_some_and(|policy| policy.scope & SCOPE_TRANSIT != 0);
    let in_scope = ends.destination.is(ELEMENT | HOST)
        || limits_transit
        // Without addresses there is nobody it could be meant for.
        || matches!(frame.version, Version::Unknown);
    if in_scope { Finding::Limit(kind(frame, ends)) } else { Finding::Pass(Reason::OUT_OF_SCOPE) }
}

/// The kind of a frame that nothing else claims.
#[inline(always)]
fn kind(frame: &Frame, ends: &Ends) -> Kind {
    match frame.defect {
        Defect::Network | Defect::Transport => return Kind::Invalid,
        Defect::Chain => return Kind::OtherIp,
        Defect::None => {}
    }
    if matches!(frame.fragment, Fragment::Later) {
        return Kind::Fragment;
    }
    if is_control(frame) {
        return Kind::Control;
    }
    let to_sip = ends.destination.serves(KIND_SIP);
    match frame.protocol {
        protocol::UDP if to_sip => Kind::Sip,
        protocol::UDP if ends.destination.serves(KIND_TUNNEL) => Kind::Tunnel,
        protocol::UDP if port::amplifies(frame.source_port) => Kind::Amplification,
        protocol::UDP => Kind::Udp,
        protocol::TCP if frame.tcp_opens => Kind::Syn,
        protocol::TCP => Kind::Tcp,
        protocol::SCTP if to_sip => Kind::Sip,
        protocol::ICMP if matches!(purpose4(frame.icmp_type), Purpose::Echo) => Kind::IcmpEcho,
        protocol::ICMPV6 if matches!(purpose6(frame.icmp_type), Purpose::Echo) => Kind::IcmpEcho,
        protocol::GRE | protocol::ESP | protocol::AH | protocol::IPIP | protocol::IPV6 => {
            Kind::Tunnel
        }
        _ => Kind::OtherIp,
    }
}
