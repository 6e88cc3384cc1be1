//! Bytes of a file, in order: where we are in it, and what is missing.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::CaptureError;

/// What may be done about a file that ends too early.
const CUT: &str = "all frames before it were read; capture anew, or repair it with `editcap`";
/// What may be done about one that contradicts itself.
const DAMAGED: &str = "all frames before it were read; copy the file anew, or capture anew";

/// The order of bytes in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..)?.first_chunk().copied()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..)?.first_chunk().copied()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(super) fn i64(self, bytes: &[u8], at: usize) -> Option<i64> {
        let bytes = bytes.get(at..)?.first_chunk().copied()?;
        Some(match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        })
    }
}

/// A file that is read from front to end.
pub(super) struct Bytes {
    file: PathBuf,
    from: BufReader<Box<dyn Read>>,
    offset: u64,
    size: Option<u64>,
    /// Where the record or block began that is being read.
    begun: u64,
    /// Number of the frame that is looked for, for errors.
    pub(super) frame: u64,
}

impl Bytes {
    pub(super) fn new(file: &Path, from: Box<dyn Read>, size: Option<u64>) -> Self {
        let from = BufReader::with_capacity(1 << 17, from);
        Self { file: file.to_path_buf(), from, offset: 0, size, begun: 0, frame: 1 }
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn size(&self) -> Option<u64> {
        self.size
    }

    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// The first four bytes of the file, as a little-endian word.
    pub(super) fn begin(&mut self) -> Result<u32, CaptureError> {
        let mut magic = [0; 4];
        match self.fill(&mut magic)? {
            4 => Ok(u32::from_le_bytes(magic)),
            0 => Err(self.foreign("it is empty")),
            _ => Err(self.foreign("it ends within its first four bytes")),
        }
    }

    /// Begins a record or block with so many bytes; `None` if the file ends before the first.
    pub(super) fn record<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        self.begun = self.offset;
        let mut bytes = [0; N];
        match self.fill(&mut bytes)? {
            0 => Ok(None),
            read if read == N => Ok(Some(bytes)),
            read => Err(self.cut(u64::try_from(N).unwrap_or(0), read)),
        }
    }

    /// So many bytes more into `to`, whose memory is used over and over.
    pub(super) fn take(&mut self, length: u32, to: &mut Vec<u8>) -> Result<(), CaptureError> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        to.resize(wanted, 0);
        let read = self.fill(to)?;
        if read == wanted { Ok(()) } else { Err(self.cut(u64::from(length), read)) }
    }

    /// Leaves out so many bytes.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), CaptureError> {
        let skipped = io::copy(&mut self.from.by_ref().take(length), &mut io::sink());
        let skipped = skipped.map_err(|error| self.unreadable(&error))?;
        self.offset += skipped;
        if skipped == length {
            return Ok(());
        }
        Err(self.cut(length, usize::try_from(skipped).unwrap_or(0)))
    }

    /// As many bytes as there are, up to the length of `to`.
    fn fill(&mut self, to: &mut [u8]) -> Result<usize, CaptureError> {
        let mut read = 0;
        while let Some(rest) = to.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.from.read(rest) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(&error)),
            }
        }
        self.offset += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }

    pub(super) fn foreign(&self, reason: impl Into<String>) -> CaptureError {
        CaptureError::Foreign { file: self.file.clone(), reason: reason.into() }
    }

    /// The record or block that was begun contradicts itself.
    pub(super) fn damaged(&self, reason: impl Into<String>) -> CaptureError {
        self.broken(reason.into(), DAMAGED)
    }

    fn cut(&self, wanted: u64, read: usize) -> CaptureError {
        self.broken(format!("the file ends here: {read} of {wanted} bytes"), CUT)
    }

    fn unreadable(&self, error: &io::Error) -> CaptureError {
        self.broken(format!("cannot be read: {error}"), "see `dmesg` for the disk it lies on")
    }

    fn broken(&self, reason: String, next: &'static str) -> CaptureError {
        let (file, offset, frame) = (self.file.clone(), self.begun, self.frame);
        CaptureError::Broken { file, offset, frame, reason, next }
    }
}
