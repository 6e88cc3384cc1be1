//! One live change: what a verb says, and how two of them relate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Config;
use super::endpoint::AclService;
use super::entry::{AclEntryConfig, PeerEntry, PsapEntry, Scope};
use super::network::Network;
use super::overlay::lists;
use super::text::Id;
use super::time::Timestamp;

/// What an allow or deny entry applies to, to take it away by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AclScope {
    /// From where.
    pub source: Network,
    /// To where; absent: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Network>,
    /// Which service; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<AclService>,
}

impl AclScope {
    pub(super) const fn scope(&self) -> Scope {
        (self.source, self.destination, self.service)
    }
}

/// One live change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// `guard psap add`.
    AddPsap(PsapEntry),
    /// `guard psap remove`.
    RemovePsap(Id),
    /// `guard peer add`.
    AddPeer(PeerEntry),
    /// `guard peer remove`.
    RemovePeer(Id),
    /// `guard allow add`.
    AddAllow(AclEntryConfig),
    /// `guard allow remove`.
    RemoveAllow(AclScope),
    /// `guard deny add`.
    AddDeny(AclEntryConfig),
    /// `guard deny remove`.
    RemoveDeny(AclScope),
}

impl Change {
    /// Whether it is about the allow or deny list.
    #[must_use]
    pub const fn is_of_lists(&self) -> bool {
        self.about().is_some()
    }

    /// The reason that an entry of a list brings with it.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::AddAllow(entry) | Self::AddDeny(entry) => Some(&entry.reason),
            _ => None,
        }
    }

    /// Whether an earlier change means nothing after this one.
    pub(super) fn supersedes(&self, old: &Self) -> bool {
        match (self, old) {
            // What the file says has to stay removed where something else takes its name.
            (Self::RemovePsap(id), Self::AddPsap(PsapEntry { id: old, .. }))
            | (Self::RemovePsap(id), Self::RemovePsap(old))
            | (Self::RemovePeer(id), Self::AddPeer(PeerEntry { id: old, .. }))
            | (Self::RemovePeer(id), Self::RemovePeer(old)) => id == old,
            (Self::AddPsap(new), Self::AddPsap(old)) => new.id == old.id,
            (Self::AddPeer(new), Self::AddPeer(old)) => new.id == old.id,
            _ => match (self.about(), old.about()) {
                (Some(new), Some(old)) => new == old,
                _ => false,
            },
        }
    }

    /// Which list and which frames a change of a list is about.
    const fn about(&self) -> Option<(bool, Scope)> {
        match self {
            Self::AddAllow(entry) => Some((true, entry.scope())),
            Self::RemoveAllow(scope) => Some((true, scope.scope())),
            Self::AddDeny(entry) => Some((false, entry.scope())),
            Self::RemoveDeny(scope) => Some((false, scope.scope())),
            _ => None,
        }
    }

    /// Whether it is an entry of a list that has ended and hides none of the file's.
    pub(super) fn has_ended(&self, base: &Config, now: Timestamp) -> bool {
        let ended = |entry: &AclEntryConfig, file: &[AclEntryConfig]| {
            entry.expires.is_some_and(|end| end <= now) && !lists(file, entry.scope())
        };
        match self {
            Self::AddAllow(entry) => ended(entry, &base.allow),
            Self::AddDeny(entry) => ended(entry, &base.deny),
            _ => false,
        }
    }
}

/// As it is typed, without its details.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddPsap(entry) => write!(f, "psap add {}", entry.id),
            Self::RemovePsap(id) => write!(f, "psap remove {id}"),
            Self::AddPeer(entry) => write!(f, "peer add {}", entry.id),
            Self::RemovePeer(id) => write!(f, "peer remove {id}"),
            Self::AddAllow(entry) => write!(f, "allow add {}", entry.source),
            Self::RemoveAllow(scope) => write!(f, "allow remove {}", scope.source),
            Self::AddDeny(entry) => write!(f, "deny add {}", entry.source),
            Self::RemoveDeny(scope) => write!(f, "deny remove {}", scope.source),
        }
    }
}
