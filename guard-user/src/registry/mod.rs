//! Registries of PSAPs as others keep them: the FCC's master registry, joined with the addresses
//! that only the operator of the routing core knows.
//!
//! Both are CSV. `sheet` reads what spreadsheets write (byte order mark, CRLF, Latin-1, quotes),
//! `join` makes entries of what fits and says of every other line why it does not. What is
//! imported only ever adds PSAPs or replaces the entry of the same id: a registry that is cut
//! short withdraws nothing. Nothing here knows the kernel or what is live.

mod join;
mod sheet;

use std::path::Path;

use serde::Serialize;

pub use self::join::Import;
use self::sheet::Sheet;
use crate::config::{ConfigError, PsapEntry};

/// A line that did not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The file.
    pub file: String,
    /// Its line, the first being 1.
    pub line: u64,
    /// The PSAP it is about, if that can be told.
    pub psap: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub next: String,
}

/// Reads a registry and the addresses for it, and joins them.
///
/// # Errors
///
/// A file that cannot be read at all, or lacks a column. What is wrong with single lines is in
/// [`Import::misfits`].
pub fn import(registry: &Path, addresses: &Path) -> Result<Import, ConfigError> {
    let psaps = Sheet::read(registry, &join::REGISTRY)?;
    let services = Sheet::read(addresses, &join::ADDRESSES)?;
    Ok(join::join(&psaps, &services))
}

/// PSAPs as the entries that a configuration file has for them.
///
/// # Errors
///
/// A value that TOML cannot express; there is none.
pub fn as_toml(psaps: &[PsapEntry]) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct Entries<'a> {
        psap: &'a [PsapEntry],
    }
    toml::to_string(&Entries { psap: psaps })
}

#[cfg(test)]
mod tests;
