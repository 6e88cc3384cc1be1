//! What the reader of copies has done, in numbers: no calls, no callers, no bodies.

use serde::{Deserialize, Serialize};

use crate::kernel::KernelError;
use crate::store::Store;

/// Counters since the reader was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counts {
    /// Records read.
    pub copies: u64,
    /// SIP messages of calls read.
    pub messages: u64,
    /// Records and messages that could not be read.
    pub unreadable: u64,
    /// Calls known now.
    pub calls: u64,
    /// Calls that were forgotten because no more can be known: what they opened ends by itself.
    pub forgotten: u64,
    /// Ports of elements that were opened.
    pub opened: u64,
    /// Ports that were released again.
    pub released: u64,
    /// Ports that elements named and that are a service's, or the system's: not opened.
    pub refused: u64,
    /// Ports that elements named at addresses that are not their own: not opened.
    pub elsewhere: u64,
    /// Descriptions of others that elements only passed on: nothing was opened.
    pub relayed: u64,
    /// Ports that could not be opened because all places were taken, or the map failed.
    pub no_room: u64,
    /// Ports of calls that went on whose places were given to others.
    pub displaced: u64,
    /// Times the reader had to be started anew.
    pub restarts: u64,
}

/// Where the reader leaves them once a minute, in the state directory.
pub(crate) const FILE: &str = "calls.json";

/// What the reader left last; nothing if it never did.
pub fn kept(store: &Store) -> Result<Option<Counts>, KernelError> {
    store.read(FILE)
}
