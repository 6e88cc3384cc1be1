//! Classify: from who speaks and what is said to the class of a frame.
//!
//! Precedence: Infrastructure, Protected, Management, Allowed, Denied, Limited, Other. Limits
//! and modes are not known here; the result only says which limit would apply.

mod control;
mod ends;
mod lists;
mod told;

pub use self::ends::{Ends, OUTGOING, Way};
pub use self::told::Told;

use self::control::{is_control, is_proven};
use self::lists::{Listed, listed};
use crate::abi::party::{
    CONFIGURED, ELEMENT, HOST, KIND_MEDIA, KIND_SIP, KIND_SUPPORT, KIND_TUNNEL, MANAGEMENT, PEER,
};
use crate::abi::policy::SCOPE_TRANSIT;
use crate::abi::state::Cells;
use crate::bytes::Packet;
use crate::class::Kind;
use crate::frame::{Defect, Fragment, Frame, Version};
use crate::leaving::Leaving;
use crate::pins::conversation::Says;
use crate::pins::{Standing, connection, conversation, fragment, port as ports, segment};
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
    /// Marked signalling of a stranger: passes whatever the limits say, which only tell a burst.
    Marked,
    /// A deny entry matched.
    Deny,
    /// Subject to the limits of this kind.
    Limit(Kind),
}

impl Finding {
    const LIMIT: u32 = 0x100;
    const DENY: u32 = 0x200;
    const MARKED: u32 = 0x300;

    /// As a word.
    #[must_use]
    #[inline(always)]
    pub const fn packed(self) -> u32 {
        match self {
            Self::Pass(reason) => reason.number() as u32,
            Self::Limit(kind) => Self::LIMIT | kind as u32,
            Self::Deny => Self::DENY,
            Self::Marked => Self::MARKED,
        }
    }

    /// From a word that [`Finding::packed`] made; what it could not have made passes.
    #[must_use]
    #[inline(always)]
    pub const fn unpacked(word: u32) -> Self {
        match word & 0xff00 {
            Self::LIMIT => match Kind::numbered(word as u8) {
                Some(kind) => Self::Limit(kind),
                None => Self::Pass(Reason::NO_POLICY),
            },
            Self::DENY => Self::Deny,
            Self::MARKED => Self::Marked,
            _ => Self::Pass(Reason::numbered(word as u8)),
        }
    }
}

/// What a frame is and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What it is.
    pub finding: Finding,
    /// Counter slot: of the destination element, else the source element, else 0.
    pub slot: u32,
}

/// Classifies a parsed IP frame that came this way. `ends` is memory to work in.
#[inline(always)]
pub fn classify<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
    way: Way,
) -> Classified {
    ends.find(frame, tables, way);
    let slot = ends.owner();
    let finding = if is_control(frame) && is_proven(frame, ends) && !is_of_a_call(ends) {
        Finding::Pass(Reason::CONTROL)
    } else if let Some(finding) = protected(packet, frame, ends, tables) {
        finding
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

/// Whether a port of control traffic is only a port here: a NAT may give a caller any.
#[inline(always)]
const fn is_of_a_call(ends: &Ends) -> bool {
    ends.source.serves(KIND_SIP)
        || ends.destination.serves(KIND_SIP)
        || ends.source.is(ELEMENT)
            && ends.source.serves(KIND_MEDIA)
            && !ends.destination.is(CONFIGURED)
}

/// What a frame is that leaves this host, and whose: only an element's own half of a call is
/// looked at, because nothing that leaves is limited.
#[inline(always)]
pub fn out_of_an_element<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
) -> (Leaving, u32) {
    ends.find(frame, tables, Way { interface: OUTGOING, inside: 0 });
    let slot = ends.owner();
    let leaving = if ends.are_configured() {
        between_configured(frame, ends)
    } else if ends.source.is(ELEMENT) {
        from_element(packet, frame, ends, tables)
    } else {
        None
    };
    (leaving.unwrap_or(Leaving::OUT_OF_SCOPE), slot)
}

/// How the frame is protected, if it is.
#[inline(always)]
fn protected<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
) -> Option<Finding> {
    if ends.are_configured()
        && let Some(leaving) = between_configured(frame, ends)
    {
        return Some(Finding::Pass(leaving.reason()));
    }
    if ends.source.is(ELEMENT)
        && let Some(leaving) = from_element(packet, frame, ends, tables)
    {
        return Some(Finding::Pass(leaving.reason()));
    }
    if ends.destination.is(ELEMENT) && matches!(frame.defect, Defect::None) {
        return to_element(packet, frame, ends, tables);
    }
    None
}

/// Between configured parties, protection needs no state at all.
#[inline(always)]
fn between_configured(frame: &Frame, ends: &Ends) -> Option<Leaving> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Leaving::FRAGMENT);
    }
    if !matches!(frame.defect, Defect::None) {
        return Some(Leaving::UNCLEAR);
    }
    let either_serves = |kind| ends.source.serves(kind) || ends.destination.serves(kind);
    // The host may be an element that nobody configured as one.
    let speak_sip = ends.source.is(ELEMENT | PEER) && ends.destination.is(ELEMENT | PEER | HOST);
    if speak_sip && either_serves(KIND_SIP) {
        return Some(Leaving::SIGNALLING);
    }
    if either_serves(KIND_SUPPORT) {
        return Some(Leaving::SUPPORT);
    }
    if either_serves(KIND_TUNNEL) || ends.source.crosses() || ends.destination.crosses() {
        return Some(Leaving::TUNNEL);
    }
    if matches!(frame.protocol, protocol::ICMP | protocol::ICMPV6) {
        return Some(Leaving::CONTROL);
    }
    // Where a configured party sends its media from is its own affair: behind NAT or with an odd
    // gateway, it may be any port.
    if speak_sip && frame.protocol == protocol::UDP && ends.destination.serves(KIND_MEDIA) {
        return Some(Leaving::MEDIA);
    }
    None
}

/// What an element sends to a stranger: the other half of a call. Its signalling confirms pins,
/// its media and its own connections open the ports they come from.
#[inline(always)]
fn from_element<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &Ends,
    tables: &T,
) -> Option<Leaving> {
    if matches!(frame.fragment, Fragment::Later) {
        return Some(Leaving::FRAGMENT);
    }
    if ends.source.serves(KIND_SIP) {
        if frame.protocol == protocol::TCP {
            connection::element_sent(tables, frame);
        }
        // A RST is what the element's kernel says by itself, for instance to segments of no
        // connection. A bare ACK may be all that a long message gets for a while.
        if !frame.resets() {
            conversation::element_spoke(tables, frame, says(packet, frame));
        }
        return Some(Leaving::ELEMENT_OUT);
    }
    if frame.protocol == protocol::UDP && start_line::is_response(packet, frame.payload) {
        // An answer may leave from any port, where the request did not ask for another (RFC 3581).
        conversation::element_spoke(tables, frame, Says::Answers);
        return Some(Leaving::ELEMENT_OUT);
    }
    let is_media = ends.source.serves(KIND_MEDIA);
    if is_media || ends.source.is_open_port() && reaches_out(packet, frame) {
        ports::element_opened(tables, frame);
        return Some(Leaving::ELEMENT_OUT);
    }
    None
}

/// What an element's signalling means.
#[inline(always)]
fn says<P: Packet>(packet: &P, frame: &Frame) -> Says {
    if frame.protocol != protocol::TCP && start_line::is_request(packet, frame.payload) {
        Says::Opens
    } else {
        Says::Answers
    }
}

/// Whether an element begins to talk to somebody: a connection it asks for, or a SIP request
/// from a port of the moment. A call-back goes where the caller's Contact or DNS says.
#[inline(always)]
fn reaches_out<P: Packet>(packet: &P, frame: &Frame) -> bool {
    match frame.protocol {
        protocol::TCP => frame.opens(),
        protocol::UDP => start_line::is_request(packet, frame.payload),
        _ => false,
    }
}

/// From a stranger, or from a party on a port nobody configured, to an element.
#[inline(always)]
fn to_element<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
) -> Option<Finding> {
    if matches!(frame.fragment, Fragment::Later) {
        return fragment::is_known(tables, frame).then_some(Finding::Pass(Reason::PINNED_FRAGMENT));
    }
    if ends.destination.serves(KIND_SIP) {
        return to_service(packet, frame, ends, tables);
    }
    if !ends.destination.is_open_port() || !matches!(frame.protocol, protocol::UDP | protocol::TCP)
    {
        return None;
    }
    ends.standing = ports::stranger_came(tables, frame);
    if matches!(ends.standing, Standing::Own) {
        return Some(Finding::Pass(Reason::PINNED));
    }
    (ends.destination.serves(KIND_MEDIA) && is_open(tables, ends.destination.slot))
        .then_some(Finding::Pass(Reason::MEDIA_OPEN))
}

/// Whether media to the element of a slot is open for everybody for now.
#[inline(always)]
fn is_open<T: Tables>(tables: &T, slot: u32) -> bool {
    match tables.cell(Cells::Open, slot) {
        Some(cell) => {
            let until = cell.load();
            // The clock is read only where there is something to compare it with.
            until != 0 && tables.now() < until
        }
        None => false,
    }
}

/// A stranger at an element's SIP service: the marker protects, and so does a pin.
#[inline(always)]
fn to_service<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
) -> Option<Finding> {
    match start_line_of(packet, frame, ends, tables) {
        Start::Marked => {
            conversation::begin(tables, frame);
            return Some(Finding::Marked);
        }
        Start::Continued => return Some(Finding::Pass(Reason::CONTINUED)),
        Start::Unmarked => {}
    }
    ends.standing = conversation::stranger_spoke(tables, frame);
    matches!(ends.standing, Standing::Own).then_some(Finding::Pass(Reason::DIALOG))
}

/// What the beginning of a stranger's frame says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Marked,
    /// It goes on with a message whose start line was.
    Continued,
    Unmarked,
}

/// Reads the start line; by TCP, from where the segment before left off.
#[inline(always)]
fn start_line_of<P: Packet, T: Tables>(
    packet: &P,
    frame: &Frame,
    ends: &mut Ends,
    tables: &T,
) -> Start {
    let length = frame.payload_length();
    if length == 0 {
        return Start::Unmarked;
    }
    let is_segment = frame.protocol == protocol::TCP;
    let before = if is_segment { segment::resume(tables, frame) } else { start_line::BEGIN };
    let before = ends.detour.through(u32::from(before)) as u16;
    let after = if before == start_line::MATCH {
        before
    } else {
        start_line::read(packet, frame.payload, length, before)
    };
    let after = ends.detour.through(u32::from(after)) as u16;
    if is_segment && after != start_line::DEAD && after != start_line::BEGIN {
        segment::suspend(tables, frame, after);
    }
    match (before, after) {
        (start_line::MATCH, _) => Start::Continued,
        (_, start_line::MATCH) => Start::Marked,
        _ => Start::Unmarked,
    }
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
        || limits_transit && !ends.source.is(ELEMENT)
        // Without addresses there is nobody it could be meant for.
        || matches!(frame.version, Version::Unknown);
    if in_scope {
        Finding::Limit(kind(frame, ends, tables))
    } else {
        Finding::Pass(Reason::OUT_OF_SCOPE)
    }
}

/// The kind of a frame that nothing else claims.
#[inline(always)]
fn kind<T: Tables>(frame: &Frame, ends: &Ends, tables: &T) -> Kind {
    match frame.defect {
        Defect::Network | Defect::Transport => return Kind::Invalid,
        Defect::Chain => return Kind::OtherIp,
        Defect::None => {}
    }
    if matches!(frame.fragment, Fragment::Later) {
        return Kind::Fragment;
    }
    if is_control(frame) && !ends.destination.serves(KIND_SIP) {
        return Kind::Control;
    }
    match ends.standing {
        Standing::Excess => return Kind::Pinned,
        Standing::Other => return Kind::PinnedOther,
        Standing::None | Standing::Own => {}
    }
    let to_sip = ends.destination.serves(KIND_SIP);
    match frame.protocol {
        protocol::UDP if to_sip => Kind::Sip,
        protocol::UDP if ends.destination.serves(KIND_TUNNEL) => Kind::Tunnel,
        protocol::UDP if port::amplifies(frame.source_port) => Kind::Amplification,
        protocol::UDP => Kind::Udp,
        protocol::TCP if frame.opens() => Kind::Syn,
        protocol::TCP if to_sip && connection::is_completed(tables, frame) => Kind::Connected,
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
