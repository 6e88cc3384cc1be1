//! The configuration: TOML or JSON, parsed to typed values and validated as a whole.
//!
//! Nothing acts on a [`Config`] that [`Config::validate`] has not seen whole; a part that would
//! be right alone may contradict another. Every error names file, line, entry, reason and next
//! step. This module knows what may be written; it must not know maps, slots or the kernel:
//! that is [`crate::policy`]'s business.

mod change;
mod claims;
mod cover;
mod endpoint;
mod entry;
mod error;
mod gates;
mod interface;
mod limits;
mod locate;
mod merge;
mod metrics;
mod network;
mod overlay;
mod port;
mod rate;
mod settings;
mod text;
mod time;
mod validate;
mod zones;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::change::{AclScope, Change};
pub use self::claims::{Claim, Named};
pub(crate) use self::cover::{Key, Net, flatten};
pub use self::endpoint::{AclService, Endpoint, MediaSpec};
pub use self::entry::{
    AclEntryConfig, AddressEntry, ElementEntry, ElementKind, PeerEntry, PsapEntry, Scope,
    SiteEntry, SupportEntry, TunnelEntry, TunnelKind,
};
pub use self::error::{At, ConfigError, Place, Position, Problem, Section};
pub use self::gates::Gates;
pub use self::interface::{Attach, Bind, InterfaceEntry, Role, VlanEntry};
pub use self::limits::{Bursts, KindName, Limit, LimitEntry, Limits, Pins};
pub use self::locate::Format;
pub(crate) use self::merge::Merged;
pub use self::metrics::Metrics;
pub use self::network::Network;
pub use self::overlay::Overlay;
pub use self::port::{PortRange, PortSpec, Transport};
pub use self::rate::Rate;
pub use self::settings::{Failsafe, Labels, LogFormat, Mode, Mpls, Samples, Settings, Transit};
pub use self::text::{Id, Number, Span};
pub use self::time::Timestamp;
pub use self::zones::{Zone, Zones};

use self::entry::Placed;
use self::error::Fault;

/// Largest file that is read: a hundred thousand entries take a quarter of it.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// How the guard runs.
    pub guard: Settings,
    /// Where frames come in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interface: Vec<InterfaceEntry>,
    /// Dispatch centres.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub psap: Vec<PsapEntry>,
    /// Hosted sites.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub site: Vec<SiteEntry>,
    /// Other elements of the routing core.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub element: Vec<ElementEntry>,
    /// Carriers and other networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<PeerEntry>,
    /// Services that calls need besides SIP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub support: Vec<SupportEntry>,
    /// Tunnels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tunnel: Vec<TunnelEntry>,
    /// Management stations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub management: Vec<AddressEntry>,
    /// Routing neighbours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbour: Vec<AddressEntry>,
    /// What is never limited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AclEntryConfig>,
    /// What is dropped where nothing protects it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<AclEntryConfig>,
    /// Rates, by kind of traffic.
    pub limits: Limits,
    /// `[pins]`.
    pub pins: Pins,
    /// `[bursts]`.
    pub bursts: Bursts,
    /// `[labels]`.
    pub labels: Labels,
    /// `[samples]`.
    pub samples: Samples,
    /// `[gates]`.
    pub gates: Gates,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// The text all this was read from.
    #[serde(skip)]
    source: Source,
}

/// The text a configuration was read from: what errors point into.
#[derive(Clone, Debug, Default)]
struct Source {
    file: Arc<str>,
    text: Arc<str>,
    format: Format,
}

/// Two configurations are equal if they say the same, wherever it is written.
impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Source {}

impl Config {
    /// Reads and validates a file: JSON if its name ends in `.json`, else TOML.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::read(path)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a file without validating it as a whole: for what the gates look at anyway.
    ///
    /// # Errors
    ///
    /// The first value that is wrong in itself.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let format = match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
            _ => Format::Toml,
        };
        let text = read(path).map_err(|problem| ConfigError::file(file.as_str(), problem))?;
        Self::parse(&file, &text, format)
    }

    /// Parses a text without validating it as a whole; `file` is its name in errors.
    ///
    /// # Errors
    ///
    /// The first value that is wrong in itself.
    pub fn parse(file: &str, text: &str, format: Format) -> Result<Self, ConfigError> {
        let parsed: Result<Self, _> = match format {
            Format::Toml => {
                toml::from_str(text).map_err(|error| locate::toml_error(file, text, &error))
            }
            Format::Json => {
                serde_json::from_str(text).map_err(|error| locate::json_error(file, &error))
            }
        };
        let mut config = parsed?;
        config.source = Source { file: file.into(), text: text.into(), format };
        config.number_entries();
        Ok(config)
    }

    /// Validates the whole for the mode it names.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_as(self.guard.mode)
    }

    /// Validates the whole for a mode it may be switched to.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate_as(&self, mode: Mode) -> Result<(), ConfigError> {
        validate::check(self, mode).map_err(|fault| self.located(&fault))
    }

    /// All prefixes of parties, flattened so that the longest match says everything.
    ///
    /// `slots` gives the counter slot of an element's id; `host` are addresses of this host.
    pub(crate) fn parties(
        &self,
        slots: impl Fn(&str) -> u32,
        host: impl Iterator<Item = (Net, u32)>,
    ) -> Result<Vec<(Net, Merged<'_>)>, ConfigError> {
        merge::merged(self, slots, host).map_err(|fault| self.located(&fault))
    }

    /// An error about an interface that only this host can show.
    pub(crate) fn interface_error(&self, entry: &InterfaceEntry, problem: Problem) -> ConfigError {
        let place = entry.place;
        let at = At::new(Section::Interface, place, &entry.name).key("name");
        self.located(&at.fault(problem.reason, problem.next))
    }

    /// Whether it names nobody and no place: what a package brings. It may monitor nothing; as soon
    /// as it names anything, an interface is among what it needs.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.says_the_same(&Self { guard: self.guard.clone(), ..Self::default() })
    }

    /// Whether another configuration says the same, wherever its entries stand in their file.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        // Places are not written.
        let text = |config| serde_json::to_vec(config).ok();
        text(self) == text(other)
    }

    /// File and line of an entry, or of a key in it; `None` where it is written nowhere.
    #[must_use]
    pub fn place_of(&self, at: At<'_>) -> Option<String> {
        if at.place == Place::LIVE && !at.id.is_empty() {
            return Some("live change".to_owned());
        }
        let Source { file, text, format } = &self.source;
        let Position { line, .. } = locate::of_entry(text, *format, at)?;
        Some(format!("{file}:{line}"))
    }

    /// File and line of a key in a section without entries; `None` where it is not written.
    #[must_use]
    pub fn place_of_key(&self, section: Section, key: &str) -> Option<String> {
        let Source { file, text, format } = &self.source;
        let Position { line, .. } = locate::of_key(text, *format, section, key)?;
        Some(format!("{file}:{line}"))
    }

    /// Gives an error its file and line.
    fn located(&self, fault: &Fault) -> ConfigError {
        let at = fault.at();
        let Source { file, text, format } = &self.source;
        // Without an id, the error is about a section that lacks entries.
        let live = at.place == Place::LIVE && !at.id.is_empty();
        let position = if live { None } else { locate::of_entry(text, *format, at) };
        let file = if live || file.is_empty() { "live change" } else { file };
        ConfigError {
            position,
            entry: Some(at.to_string()),
            ..ConfigError::file(file, fault.problem.clone())
        }
    }

    fn number_entries(&mut self) {
        let Self {
            guard: _,
            interface,
            psap,
            site,
            element,
            peer,
            support,
            tunnel,
            management,
            neighbour,
            allow,
            deny,
            limits: _,
            pins: _,
            bursts: _,
            labels: _,
            samples: _,
            gates: _,
            metrics: _,
            source: _,
        } = self;
        number(interface);
        number(psap);
        number(site);
        number(element);
        number(peer);
        number(support);
        number(tunnel);
        number(management);
        number(neighbour);
        number(allow);
        number(deny);
    }
}

fn number<T: Placed>(entries: &mut [T]) {
    for (number, entry) in (1..).zip(entries) {
        *entry.place_mut() = Place(number);
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            format!("cannot be read: {error}"),
            "check the path and that this user may read it; sudo if need be",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    // One byte more than allowed tells "too large" from "just fits", whatever kind of file it is.
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.trim().is_empty() {
        // What a write that was cut off leaves. Who means nothing writes `[guard]`.
        return Err(Problem::new("the file is empty", "write a configuration, at least [guard]"));
    }
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        return Ok(text);
    }
    Err(Problem::new(
        format!("larger than {} MiB", FILE_BYTES_MAX >> 20),
        "join neighbouring allow and deny prefixes into shorter ones",
    ))
}

#[cfg(test)]
mod tests;
