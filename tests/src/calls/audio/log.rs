//! Reading a log while somebody writes it.

use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A file that another program writes on.
pub(super) struct Log {
    path: PathBuf,
    read: u64,
    /// A line that is not whole yet.
    rest: String,
}

impl Log {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, rest: String::new() }
    }

    /// Whole lines since the last time.
    pub(super) fn lines(&mut self) -> Result<Vec<String>> {
        let mut file = match fs::File::open(&self.path) {
            // It is made with the first line.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.read))?;
        let read = file.read_to_string(&mut self.rest)?;
        self.read += u64::try_from(read)?;
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.rest.split_off(whole);
        let lines = self.rest.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        self.rest = rest;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn lines_are_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::of(&path);
        assert!(log.lines().unwrap().is_empty());
        fs::write(&path, "talk a\nho").unwrap();
        assert_eq!(log.lines().unwrap(), ["talk a"]);
        fs::write(&path, "talk a\nhold a\n").unwrap();
        assert_eq!(log.lines().unwrap(), ["hold a"]);
        assert!(log.lines().unwrap().is_empty());
    }
}
