//! Link types that carry IP, and what stands in front of it (tcpdump.org/linktypes.html).
//!
//! What has no Ethernet header gets one that is made up: the guard looks at Ethernet frames.

/// Ethernet header: two addresses and a type.
type Header = [u8; 14];

/// Locally administered addresses, which no card has.
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// PPP's numbers for both (RFC 1332, RFC 5072), and for MPLS.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
/// Linux "cooked": sent by the host itself.
const OUTGOING: u8 = 4;

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
        9 | 50 => ("PPP", ppp(data)),
        12 | 14 | 101 => ("RAW", ip(data, 0)),
        51 => ("PPPoE", word(data, 6).and_then(|protocol| of_ppp(protocol, 8))),
        104 => ("C-HDLC", typed(data, 2, 4)),
        108 => ("LOOP", ip(data, 4)),
        113 => ("Linux cooked", typed(data, 14, 16)),
        138 => ("IP over IEEE 1394", typed(data, 16, 18)),
        228 => ("IPv4", ip(data, 0)),
        229 => ("IPv6", ip(data, 0)),
        276 => ("Linux cooked v2", typed(data, 0, 20)),
        _ => ("no link type that carries IP", None),
    };
    let is_leaving = match link {
        113 => word(data, 0) == Some(OUTGOING.into()),
        276 => data.get(10) == Some(&OUTGOING),
        _ => false,
    };
    let begin = made_up.map(|(ethertype, cut)| {
        let mut header: Header = [0; 14];
        let bytes = ADDRESSES.into_iter().chain(ethertype.to_be_bytes());
        header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        (header.to_vec(), cut)
    });
    Link { name, is_made_up: true, begin, is_leaving }
}

fn word(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// An IP header at this place, by its version.
fn ip(data: &[u8], at: usize) -> Option<(u16, usize)> {
    match data.get(at)? >> 4 {
        4 => Some((IPV4, at)),
        6 => Some((IPV6, at)),
        _ => None,
    }
}

/// An Ethernet type at one place, and what it is about at another.
fn typed(data: &[u8], kind: usize, at: usize) -> Option<(u16, usize)> {
    Some((word(data, kind)?, at)).filter(|_| data.len() >= at)
}

/// PPP with or without its address and control bytes, its protocol in one byte or two.
fn ppp(data: &[u8]) -> Option<(u16, usize)> {
    let at = if data.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    match *data.get(at)? {
        short if short & 1 == 1 => of_ppp(short.into(), at + 1),
        _ => of_ppp(word(data, at)?, at + 2),
    }
}

const fn of_ppp(protocol: u16, at: usize) -> Option<(u16, usize)> {
    match protocol {
        PPP_IPV4 => Some((IPV4, at)),
        PPP_IPV6 => Some((IPV6, at)),
        _ => None,
    }
}
