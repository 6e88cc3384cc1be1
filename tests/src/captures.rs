//! Writes captures: pcap and pcapng, in either byte order, whole or as broken as a test likes.
//!
//! Knows the formats as their drafts say (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng), and
//! nothing of how the guard reads them.

/// Link type of Ethernet.
pub const ETHERNET: u16 = 1;
/// Link type of IP packets without anything in front.
pub const RAW: u16 = 101;

/// The order of bytes in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As on x86.
    Little,
    /// As on the network.
    Big,
}

impl Order {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Little, Self::Big];

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A pcap file.
#[derive(Clone, Debug)]
pub struct Pcap {
    order: Order,
    is_nano: bool,
    /// The file so far.
    pub bytes: Vec<u8>,
}

impl Pcap {
    /// With micro- or nanoseconds.
    #[must_use]
    pub fn new(order: Order, is_nano: bool, link: u16) -> Self {
        let magic = if is_nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let mut bytes = Vec::new();
        bytes.extend(order.u32(magic));
        bytes.extend(order.u16(2));
        bytes.extend(order.u16(4));
        bytes.extend([0; 8]);
        bytes.extend(order.u32(262_144));
        bytes.extend(order.u32(link.into()));
        Self { order, is_nano, bytes }
    }

    /// The same with a frame, captured so many nanoseconds after 1970.
    #[must_use]
    pub fn frame(mut self, at: u64, frame: &[u8]) -> Self {
        self.push(at, frame, length(frame), length(frame));
        self
    }

    /// Adds a frame that claims these lengths: captured, and on the wire.
    pub fn push(&mut self, at: u64, frame: &[u8], captured: u32, original: u32) {
        let unit = if self.is_nano { 1 } else { 1000 };
        let (seconds, rest) = (at / 1_000_000_000, at % 1_000_000_000 / unit);
        for word in [seconds, rest, captured.into(), original.into()] {
            self.bytes.extend(self.order.u32(u32::try_from(word).unwrap_or(u32::MAX)));
        }
        self.bytes.extend(frame);
    }
}

/// A pcapng file.
#[derive(Clone, Debug, Default)]
pub struct PcapNg {
    order: Option<Order>,
    /// The file so far.
    pub bytes: Vec<u8>,
}

impl PcapNg {
    /// Without a section.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn order(&self) -> Order {
        self.order.unwrap_or(Order::Little)
    }

    /// A block of any type.
    #[must_use]
    pub fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let order = self.order();
        let padding = body.len().next_multiple_of(4) - body.len();
        let total = 12 + length(body) + u32::try_from(padding).unwrap_or(0);
        self.bytes.extend(order.u32(kind));
        self.bytes.extend(order.u32(total));
        self.bytes.extend(body);
        self.bytes.extend(vec![0; padding]);
        self.bytes.extend(order.u32(total));
        self
    }

    /// A new section in this byte order.
    #[must_use]
    pub fn section(mut self, order: Order) -> Self {
        self.order = Some(order);
        let mut body = Vec::new();
        body.extend(order.u32(0x1a2b_3c4d));
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        body.extend(self.options(&[(1, b"made by a test")]));
        self.block(0x0a0d_0d0a, &body)
    }

    /// Options, and the one that ends them.
    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let order = self.order();
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(order.u16(*code));
            bytes.extend(order.u16(u16::try_from(value.len()).unwrap_or(u16::MAX)));
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.extend([0; 4]);
        bytes
    }

    /// An interface: its link type, name, the code of its unit of time, and seconds from which that
    /// counts.
    #[must_use]
    pub fn interface(self, link: u16, name: &str, resolution: u8, offset: u64) -> Self {
        let order = self.order();
        let mut body = Vec::new();
        body.extend(order.u16(link));
        body.extend([0; 2]);
        body.extend(order.u32(262_144));
        let (resolution, offset) = ([resolution], order.u64(offset));
        let options: [(u16, &[u8]); 3] = [(2, name.as_bytes()), (9, &resolution), (14, &offset)];
        body.extend(self.options(&options));
        self.block(1, &body)
    }

    /// An enhanced packet block: the interface's number, the time stamp in its units, the frame, and
    /// flags if any.
    #[must_use]
    pub fn packet(self, interface: u32, stamp: u64, frame: &[u8], flags: Option<u32>) -> Self {
        self.claiming(interface, stamp, frame, length(frame), flags)
    }

    /// The same, claiming so many captured bytes.
    #[must_use]
    pub fn claiming(
        self,
        interface: u32,
        stamp: u64,
        frame: &[u8],
        captured: u32,
        flags: Option<u32>,
    ) -> Self {
        let order = self.order();
        let (high, low) = (stamp >> 32, stamp & 0xffff_ffff);
        let mut body = Vec::new();
        for word in [interface.into(), high, low, captured.into(), length(frame).into()] {
            body.extend(order.u32(u32::try_from(word).unwrap_or(u32::MAX)));
        }
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        if let Some(flags) = flags {
            let flags = order.u32(flags);
            body.extend(self.options(&[(1, b"a comment"), (2, &flags)]));
        }
        self.block(6, &body)
    }

    /// A simple packet block.
    #[must_use]
    pub fn simple(self, frame: &[u8]) -> Self {
        let mut body = Vec::from(self.order().u32(length(frame)));
        body.extend(frame);
        self.block(3, &body)
    }
}
