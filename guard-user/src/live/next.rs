//! What a next generation is made of.

use std::path::Path;

use crate::config::{Config, Overlay};
use crate::store::{Made, Pending, Record};

/// What becomes of the deadline for a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    /// It stays what it is.
    Keep,
    /// The data plane opens then: monotonic nanoseconds.
    At(u64),
    /// There is none any more.
    Lift,
}

/// What the next generation is made of.
pub(super) struct Next<'a> {
    pub(super) file: &'a Path,
    pub(super) base: &'a Config,
    pub(super) overlay: &'a Overlay,
    pub(super) effective: &'a Config,
    pub(super) kernel_log: bool,
    /// What is live, as it was written down.
    pub(super) live: Option<&'a Record>,
    /// The change that makes the configuration what it is.
    pub(super) made: Made,
    pub(super) pending: Option<Pending>,
    pub(super) deadline: Deadline,
    /// Whether the guard is to be open from the beginning: where nothing is loaded.
    pub(super) open: bool,
}

impl<'a> Next<'a> {
    /// What is live, anew.
    pub(super) fn again(record: &'a Record, effective: &'a Config) -> Self {
        let Record { file, config, overlay, kernel_log, made, pending, .. } = record;
        Self {
            file,
            base: config,
            overlay,
            effective,
            kernel_log: *kernel_log,
            live: Some(record),
            made: made.clone(),
            pending: pending.clone(),
            deadline: Deadline::Keep,
            open: false,
        }
    }
}
