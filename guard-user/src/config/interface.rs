//! `[[interface]]`: where frames come in, and how an entry says where its addresses may.
//!
//! Knows spellings and defaults; which combinations make sense is the business of `validate`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Place, Problem};
use super::text::text_type;

/// Whether a source address that comes in here is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The ESInet side: a configured address is believed.
    Trusted,
    /// Anybody's side: a configured address is believed only where it is bound.
    Untrusted,
}

/// How the program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attach {
    /// In the driver, or not at all.
    #[default]
    Native,
    /// In the kernel's generic path, which is slow.
    Generic,
    /// In the driver if it can, else generic, with a warning.
    Auto,
}

/// `[[interface]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InterfaceEntry {
    /// The kernel's name, such as `eth0`.
    pub name: String,
    /// Role of frames without a VLAN of their own.
    pub role: Role,
    /// How to attach.
    #[serde(default)]
    pub attach: Attach,
    /// Whether what leaves by it is watched, too: where this host's own answers do not come in by
    /// another guarded interface.
    #[serde(default, skip_serializing_if = "is_false")]
    pub outgoing: bool,
    /// VLANs with a role of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<VlanEntry>,
    /// Where the entry stands.
    #[serde(skip)]
    pub place: Place,
}

/// A VLAN that is a zone of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VlanEntry {
    /// The outermost VLAN identifier, 1 to 4094.
    pub id: u16,
    /// Role of its frames.
    pub role: Role,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Where an address may come in: `wan0`, `wan1.100` or `any`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// Everywhere, said in so many words.
    Any,
    /// An interface, or a VLAN of one behind a dot. Interfaces too may have a dot in their name,
    /// so which of the two it is depends on the interfaces that are configured.
    Zone(String),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Zone(name) => name,
        })
    }
}

impl FromStr for Bind {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        match text {
            "" => Err(Problem::new(
                "an empty interface name",
                "write an interface such as wan0, a VLAN of it such as wan0.100, or any",
            )),
            "any" => Ok(Self::Any),
            name => Ok(Self::Zone(name.to_owned())),
        }
    }
}

text_type!(Bind);
