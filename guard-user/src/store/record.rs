//! What is written down about the live generation: what it is made of, and by which change.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Overlay};

/// What is known about the live generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// When it went live, RFC 3339.
    pub since: String,
    /// Who made it live: a user id and what they called.
    pub by: String,
    /// The change that made the configuration what it is. A generation may be younger: the same
    /// configuration is built anew when this host changes.
    #[serde(default)]
    pub made: Made,
    /// Nobody has confirmed it yet.
    #[serde(default)]
    pub pending: Option<Pending>,
    /// It was unloaded since, by a person: the next start is a first one.
    #[serde(default)]
    pub unloaded: bool,
    /// The configuration file.
    pub file: PathBuf,
    /// What the file said.
    pub config: Config,
    /// What live verbs changed since.
    pub overlay: Overlay,
    /// Addresses of the host that are part of it.
    pub host: Vec<IpAddr>,
    /// Kernel indexes of its interfaces.
    pub interfaces: BTreeMap<String, u32>,
    /// Fingerprint of the program, to tell an upgraded binary.
    pub program: String,
    /// Whether the kernel half logs.
    pub kernel_log: bool,
}

/// A change of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// Number of the configuration, one more with every change; what the history goes by.
    pub revision: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why, if they said so.
    pub why: Option<String>,
    /// What changed, on one line.
    pub what: String,
}

/// What has to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pending {
    /// Until when, by the time of day, RFC 3339: for people. The data plane goes by its own clock.
    pub until: String,
    /// The revision that is live again if nobody does.
    pub back_to: u64,
}

impl Record {
    /// The configuration in effect: the file's, with what live verbs changed.
    #[must_use]
    pub fn effective(&self) -> Config {
        self.config.replayed(&self.overlay)
    }
}
