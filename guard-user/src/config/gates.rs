//! `[gates]`: how far a change may reach before it is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::text::Span;

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
    /// How long what follows a change is watched; 0: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<Span>,
}

impl Gates {
    /// A /16 is the size of a university; what is wider is somebody's whole network.
    const DENY_IPV4: u8 = 16;
    /// A /32 is what a registry gives to a provider.
    const DENY_IPV6: u8 = 32;
    /// 100,000 entries of /24 are 0.6 percent.
    const DENY_SHARE: u8 = 2;
    /// As long as what it is held against.
    const WATCH: Duration = Duration::from_secs(300);
    /// Longer, and it is not the change that made the difference.
    const WATCH_MAX: Duration = Duration::from_secs(3600);
    /// Shorter, and it cannot be told.
    const WATCH_MIN: Duration = Duration::from_secs(10);

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

    /// How long what follows a change is watched; zero: not at all.
    #[must_use]
    pub fn watch(self) -> Duration {
        self.watch.map_or(Self::WATCH, |watch| watch.0)
    }

    /// The first setting that makes no sense.
    pub(super) fn check(self) -> Result<(), (&'static str, Problem)> {
        let Self { deny_ipv4, deny_ipv6, deny_share, watch: _ } = self;
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
        let watch = self.watch();
        if !watch.is_zero() && !(Self::WATCH_MIN..=Self::WATCH_MAX).contains(&watch) {
            let problem = Problem::new(
                "watch is out of range",
                "write 10s to 1h, or 0s to watch nothing, or leave watch out",
            );
            return Err(("watch", problem));
        }
        Ok(())
    }
}
