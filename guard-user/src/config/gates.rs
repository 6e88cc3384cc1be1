//! `[gates]`: how far a change may reach before it is refused.

use serde::{Deserialize, Serialize};

use super::error::Problem;

/// `[gates]`. What is not written keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Gates {
    /// Shortest prefix that an IPv4 deny entry may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_ipv4: Option<u8>,
    /// Shortest prefix that an IPv6 deny entry may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_ipv6: Option<u8>,
    /// Most that all deny entries together may cover, in percent of either address space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_share: Option<u8>,
}

impl Gates {
    /// A /16 is the size of a university; what is wider is somebody's whole network.
    const DENY_IPV4: u8 = 16;
    /// A /32 is what a registry gives to a provider.
    const DENY_IPV6: u8 = 32;
    /// 100,000 entries of /24 are 0.6 percent.
    const DENY_SHARE: u8 = 2;

    /// Shortest prefix that a deny entry of a family may have.
    #[must_use]
    pub fn shortest_deny(self, ipv6: bool) -> u8 {
        match ipv6 {
            false => self.deny_ipv4.unwrap_or(Self::DENY_IPV4),
            true => self.deny_ipv6.unwrap_or(Self::DENY_IPV6),
        }
    }

    /// Most that deny entries may cover, in percent.
    #[must_use]
    pub fn deny_share(self) -> u8 {
        self.deny_share.unwrap_or(Self::DENY_SHARE)
    }

    /// The first setting that makes no sense.
    pub(super) fn check(self) -> Result<(), (&'static str, Problem)> {
        let Self { deny_ipv4, deny_ipv6, deny_share } = self;
        for (key, value, most) in [
            ("deny-ipv4", deny_ipv4, 32),
            ("deny-ipv6", deny_ipv6, 128),
            ("deny-share", deny_share, 100),
        ] {
            if value.is_some_and(|value| value == 0 || value > most) {
                let problem = Problem::new(
                    format!("{key} is out of range"),
                    format!("write 1 to {most}, or leave {key} out"),
                );
                return Err((key, problem));
            }
        }
        Ok(())
    }
}
