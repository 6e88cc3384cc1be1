//! Link types that are read, and what stands in front of IP (tcpdump.org/linktypes.html).
//!
//! What has no Ethernet header gets one that is made up: the guard looks at Ethernet frames. Whoever
//! finds no IP says so: a packet that is not judged does no harm, one that is misread does.

mod logged;
mod wan;
mod wireless;

/// Ethernet header: two addresses and a type.
type Header = [u8; 14];
/// An Ethernet type, and where what it is about begins.
type Found = Option<(u16, usize)>;

/// Locally administered addresses, which no card has.
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Linux "cooked": sent by the host itself.
const OUTGOING: u8 = 4;
/// LLC's two addresses and control for SNAP (RFC 1042).
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
/// Length of LLC and SNAP together.
const SNAP_LENGTH: usize = 8;
/// 802.5: a source address with this bit is followed by a route.
const ROUTED: u8 = 0x80;

/// What is known of a packet by its link type.
pub(super) struct Link {
    /// Name of the link type.
    pub(super) name: &'static str,
    /// The Ethernet header is made up.
    pub(super) is_made_up: bool,
    /// What to put in front, and how many bytes to take away; `None` where no IP could be found.
    pub(super) begin: Option<(Vec<u8>, usize)>,
    /// It left the host.
    pub(super) is_leaving: bool,
}

/// How a packet of a link type begins.
pub(super) fn begin(link: u32, data: &[u8]) -> Link {
    let (name, made_up) = match link {
        1 => {
            let begin = Some((Vec::new(), 0));
            return Link { name: "Ethernet", is_made_up: false, begin, is_leaving: false };
        }
        0 => ("NULL", ip(data, 4)),
        6 => ("IEEE 802.5", token_ring(data)),
        9 | 50 => ("PPP", wan::ppp(data, 0)),
        10 => ("FDDI", snap(data, 13)),
        12 | 14 | 101 => ("RAW", ip(data, 0)),
        51 => ("PPPoE", wan::pppoe(data)),
        104 => ("C-HDLC", typed(data, 2, 4)),
        105 => ("IEEE 802.11", wireless::ieee80211(data, 0, false)),
        107 => ("Frame Relay", wan::frame_relay(data, 0)),
        108 => ("LOOP", ip(data, 4)),
        113 => ("Linux cooked", typed(data, 14, 16)),
        117 => ("PFLOG", logged::pflog(data)),
        127 => ("IEEE 802.11 with radiotap", wireless::radiotap(data)),
        138 => ("IP over IEEE 1394", typed(data, 16, 18)),
        204 => ("PPP with direction", wan::ppp(data, 1)),
        205 => ("C-HDLC with direction", typed(data, 3, 5)),
        206 => ("Frame Relay with direction", wan::frame_relay(data, 1)),
        228 => ("IPv4", ip(data, 0)),
        229 => ("IPv6", ip(data, 0)),
        239 => ("NFLOG", logged::nflog(data)),
        276 => ("Linux cooked v2", typed(data, 0, 20)),
        _ => ("a link type that is not read here", None),
    };
    let begin = made_up.map(|(ethertype, cut)| {
        let mut header: Header = [0; 14];
        let bytes = ADDRESSES.into_iter().chain(ethertype.to_be_bytes());
        header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        (header.to_vec(), cut)
    });
    Link { name, is_made_up: true, begin, is_leaving: is_leaving(link, data) }
}

/// Whether the host that captured it had sent it.
fn is_leaving(link: u32, data: &[u8]) -> bool {
    match link {
        113 => word(data, 0) == Some(OUTGOING.into()),
        117 => logged::pflog_leaves(data),
        // Zero: received.
        204..=206 => data.first().is_some_and(|direction| *direction != 0),
        239 => logged::nflog_leaves(data),
        276 => data.get(10) == Some(&OUTGOING),
        _ => false,
    }
}

fn word(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// An IP header at this place, by its version.
fn ip(data: &[u8], at: usize) -> Found {
    match data.get(at)? >> 4 {
        4 => Some((IPV4, at)),
        6 => Some((IPV6, at)),
        _ => None,
    }
}

/// An Ethernet type at one place, and what it is about at another.
fn typed(data: &[u8], kind: usize, at: usize) -> Found {
    Some((word(data, kind)?, at)).filter(|_| data.len() >= at)
}

/// LLC and SNAP at this place, with an Ethernet type: the organisation is none.
fn snap(data: &[u8], at: usize) -> Found {
    let [a, b, c, 0, 0, 0, ..] = *data.get(at..)? else { return None };
    ([a, b, c] == SNAP).then(|| typed(data, at + 6, at + SNAP_LENGTH))?
}

/// Two bytes of control, two addresses, a route if there is one.
fn token_ring(data: &[u8]) -> Found {
    let route = match data.get(8)? & ROUTED {
        0 => 0,
        // Its length is in its first five bits, itself included.
        _ => usize::from(data.get(14)? & 0x1f),
    };
    snap(data, 14 + route)
}
