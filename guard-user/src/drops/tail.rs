//! Reading lines of a log that somebody else appends to, and puts aside when it is full.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::drop::Line;
use crate::kernel::KernelError;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// Longest line there is; what is longer is none of ours.
const LINE_MAX: usize = 4096;

/// A place in a log.
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// A line whose end has not been read yet.
    rest: Vec<u8>,
}

impl Tail {
    /// The beginning of a log, which need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), file: None, rest: Vec::new() }
    }

    /// The end that a log has now.
    pub fn at_end(path: &Path) -> Result<Self, KernelError> {
        let mut tail = Self::new(path);
        tail.file = tail.open().map_err(|error| tail.failed(&error))?;
        if let Some(file) = &mut tail.file {
            let moved = file.seek(SeekFrom::End(0));
            moved.map_err(|error| KernelError::path(path, error, "run as root"))?;
        }
        Ok(tail)
    }

    /// Hands on what was appended since, also when another file has taken the place of this one
    /// meanwhile.
    pub fn read(&mut self, take: &mut dyn FnMut(Line)) -> Result<(), KernelError> {
        self.read_on(take).map_err(|error| self.failed(&error))
    }

    /// Hands on the first line alone.
    pub fn first(&mut self, take: &mut dyn FnMut(Line)) -> io::Result<()> {
        self.file = self.open()?;
        let mut found = None;
        self.chunk(&mut |line| {
            found.get_or_insert(line);
        })?;
        found.into_iter().for_each(take);
        Ok(())
    }

    fn read_on(&mut self, take: &mut dyn FnMut(Line)) -> io::Result<()> {
        if self.file.is_none() {
            self.file = self.open()?;
        }
        // To the end, then whatever came in its place, if anything did.
        loop {
            while self.chunk(take)? > 0 {}
            let next = self.open()?;
            let is_same = match (&self.file, &next) {
                (Some(file), Some(next)) => file.metadata()?.ino() == next.metadata()?.ino(),
                (_, None) => true,
                (None, Some(_)) => false,
            };
            if is_same {
                return Ok(());
            }
            // The last lines may have come between the look and the exchange.
            while self.chunk(take)? > 0 {}
            (self.file, self.rest) = (next, Vec::new());
        }
    }

    /// Reads a piece; how long it was.
    fn chunk(&mut self, take: &mut dyn FnMut(Line)) -> io::Result<usize> {
        let Some(file) = &mut self.file else {
            return Ok(0);
        };
        let mut bytes = vec![0; CHUNK];
        let length = file.read(&mut bytes)?;
        self.rest.extend(bytes.into_iter().take(length));
        let mut lines: Vec<&[u8]> = self.rest.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default().to_vec();
        lines.into_iter().filter_map(parse).for_each(take);
        self.rest = rest;
        if self.rest.len() > LINE_MAX {
            self.rest.clear();
        }
        Ok(length)
    }

    fn open(&self) -> io::Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) if fs::metadata(&self.path)?.is_file() => Ok(Some(file)),
            Ok(_) => Err(io::Error::other("is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, error: &io::Error) -> KernelError {
        match error.kind() {
            ErrorKind::PermissionDenied => KernelError::NotPermitted {
                what: format!("read {}", self.path.display()),
                reason: error.to_string(),
            },
            _ => KernelError::path(&self.path, error, "run as root"),
        }
    }
}

/// A line of ours; `None` for what a crash or somebody else left.
fn parse(line: &[u8]) -> Option<Line> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let is_sound = line.kept.is_sound() && line.kept.reason().dropped_counter().is_some();
    is_sound.then_some(line)
}
