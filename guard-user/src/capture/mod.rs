//! Capture files: pcap and pcapng, read a frame at a time.
//!
//! ```text
//! bytes -> legacy (pcap), ng (pcapng) -> link: a frame with an Ethernet header
//! ```
//!
//! Memory is bounded whatever a file claims: one packet, one block of options, a list of
//! interfaces. What is broken ends the reading with an error that names file, byte and frame; all
//! frames before it have been told by then. Knows nothing of what frames mean.
//!
//! Own code, because its two framings are small and the errors matter: the readers there are
//! either lose the place and the cause of an error, or misread time stamps.

mod bytes;
mod error;
mod legacy;
mod link;
mod ng;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

pub use self::error::CaptureError;

use self::bytes::Bytes;
use self::legacy::Legacy;
use self::link::Link;
use self::ng::Ng;

/// Longest packet that is read: what libpcap takes at most (`MAXIMUM_SNAPLEN`).
pub const PACKET_MAX: u32 = 262_144;
/// Longest frame there is: a datagram of 65,535 bytes behind Ethernet and two tags. What was left
/// out of a capture is filled up to this at most.
const FRAME_MAX: usize = 65_535 + 22;

/// A packet as the file holds it.
#[derive(Clone, Debug, Default)]
struct Packet {
    /// Offset of its record or block in the file.
    offset: u64,
    /// When, since 1970; `None` if the file does not say.
    at: Option<Duration>,
    /// Its link type.
    link: u32,
    /// Name of the interface it was captured on, if the file tells.
    interface: Option<String>,
    /// The capture says that it left the host.
    leaving: bool,
    /// Its length on the wire.
    length: u32,
}

/// A frame of a capture, beginning with an Ethernet header.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Offset of its record or block in the file.
    pub offset: u64,
    /// When, since 1970; `None` if the file does not say.
    pub at: Option<Duration>,
    /// Name of the interface it was captured on, if the file tells.
    pub interface: Option<&'a str>,
    /// It left the host it was captured on.
    pub leaving: bool,
    /// Name of its link type.
    pub link: &'static str,
    /// Its Ethernet header is made up: the link type has none.
    pub is_made_up: bool,
    /// Bytes at the end that the capture left out, and that are zero here.
    pub left_out: usize,
    /// The frame; `None` if the link type carries no IP that could be found.
    pub bytes: Option<&'a [u8]>,
}

/// Either format.
enum Format {
    Legacy(Legacy),
    Ng(Ng),
}

/// An open capture file.
pub struct Capture {
    bytes: Bytes,
    format: Format,
    /// Frames that were read.
    number: u64,
    /// Nothing is read any more: the end, or an error.
    has_ended: bool,
    packet: Packet,
    /// The packet's bytes.
    data: Vec<u8>,
    frame: Vec<u8>,
}

impl Capture {
    /// Opens a file and reads what it begins with.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|error| CaptureError::open(path, &error))?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
        Self::read(path, Box::new(file), size)
    }

    /// The same of anything that bytes come from; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// It is no capture.
    pub fn read(path: &Path, from: Box<dyn Read>, size: Option<u64>) -> Result<Self, CaptureError> {
        let mut bytes = Bytes::new(path, from, size);
        let magic = bytes.begin()?;
        let format = match magic {
            ng::SECTION => Format::Ng(Ng::default()),
            magic => Format::Legacy(Legacy::open(&mut bytes, magic)?),
        };
        Ok(Self {
            bytes,
            format,
            number: 0,
            has_ended: false,
            packet: Packet::default(),
            data: Vec::new(),
            frame: Vec::new(),
        })
    }

    /// The next frame; `None` at the end, and after an error.
    ///
    /// # Errors
    ///
    /// The file is cut short or contradicts itself from here on.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if self.has_ended {
            return Ok(None);
        }
        let Self { bytes, format, packet, data, .. } = self;
        bytes.frame = self.number + 1;
        let read = match format {
            Format::Legacy(legacy) => legacy.next(bytes, packet, data),
            Format::Ng(ng) => ng.next(bytes, packet, data),
        };
        self.has_ended = !matches!(read, Ok(true));
        if !read? {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(self.framed()))
    }

    /// The packet that was read, as a frame.
    fn framed(&mut self) -> Frame<'_> {
        let Self { packet, data, frame, number, .. } = self;
        let Packet { offset, at, link, interface, leaving, length } = packet;
        let Link { name, is_made_up, begin, is_leaving } = link::begin(*link, data);
        let left_out = usize::try_from(*length).unwrap_or(usize::MAX).saturating_sub(data.len());
        let mut filled = 0;
        let bytes = begin.map(|(header, cut)| {
            frame.clear();
            frame.extend_from_slice(&header);
            frame.extend_from_slice(data.get(cut..).unwrap_or_default());
            filled = left_out.min(FRAME_MAX.saturating_sub(frame.len()));
            frame.resize(frame.len() + filled, 0);
            &**frame
        });
        Frame {
            number: *number,
            offset: *offset,
            at: *at,
            interface: interface.as_deref(),
            leaving: *leaving || is_leaving,
            link: name,
            is_made_up,
            left_out: filled,
            bytes,
        }
    }

    /// Bytes that were read, and how many the file has, as far as that is known.
    #[must_use]
    pub fn progress(&self) -> (u64, Option<u64>) {
        (self.bytes.offset(), self.bytes.size())
    }
}
