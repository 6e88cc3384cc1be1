//! What is wrong with a capture: the file, the place in it, why, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// An error in a capture file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("{}: cannot be opened: {reason}\n  next: check the name and that you may read it", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is no capture.
    #[error("{}: {reason}\n  next: name a capture in pcap or pcapng, as tcpdump -w and Wireshark write", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// It is broken from some place on.
    #[error(
        "{}: byte {offset}, frame {frame}: {reason}\n  next: {next}", file.display()
    )]
    Broken {
        /// The file.
        file: PathBuf,
        /// Offset of the record or block that is broken.
        offset: u64,
        /// Number of the frame that would have been there, from 1.
        frame: u64,
        /// What is wrong.
        reason: String,
        /// What to do.
        next: &'static str,
    },
}

impl CaptureError {
    pub(super) fn open(file: &Path, error: &io::Error) -> Self {
        Self::Open { file: file.to_path_buf(), reason: error.to_string() }
    }
}
