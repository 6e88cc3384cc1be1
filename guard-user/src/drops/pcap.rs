//! Captures for Wireshark: classic pcap with nanoseconds, link type Ethernet.
//!
//! The format is that of pcap-savefile(5): a header of 24 bytes, then for each frame 16 bytes and
//! what was kept of it. The original length is the real one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::drop::Drop;

/// Says that times are in nanoseconds, and in which order bytes are.
const MAGIC: u32 = 0xa1b2_3c4d;
/// 2.4, the only version there is.
const VERSION: [u16; 2] = [2, 4];
/// Longest frame of a capture.
const SNAP_LENGTH: u32 = 65_535;
/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;

/// A capture that is being written.
pub struct Capture(File);

impl Capture {
    /// Begins one, readable by its owner alone. A file that is there is not overwritten.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut header = MAGIC.to_ne_bytes().to_vec();
        header.extend(VERSION.into_iter().flat_map(u16::to_ne_bytes));
        // Zone and accuracy, which nobody fills in.
        header.extend([0, 0, SNAP_LENGTH, ETHERNET].into_iter().flat_map(u32::to_ne_bytes));
        file.write_all(&header)?;
        Ok(Self(file))
    }

    /// Adds a frame, whole, so that the file can be read while it grows.
    pub fn add(&mut self, drop: &Drop) -> io::Result<()> {
        let kept = &drop.line.kept;
        let since = drop.at().duration_since(UNIX_EPOCH).unwrap_or_default();
        let captured = u32::try_from(kept.headers.len()).unwrap_or(0);
        // Seconds are 32 bits, until 2106.
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        let words = [seconds, since.subsec_nanos(), captured, kept.length.max(captured)];
        let mut record: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        record.extend(&kept.headers);
        self.0.write_all(&record)
    }
}
