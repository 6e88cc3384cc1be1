//! nftables with rules that say what the guard's configuration says of a flood: who is allowed,
//! who is denied, and how much of anybody else a PSAP gets.

use anyhow::{Context as _, Result};

use super::configuration::WAN;
use crate::netns::Namespace;

/// Where nftables looks at frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Where they come in, before all else.
    Ingress,
    /// Before routing, where connections are not yet tracked.
    Raw,
}

impl Hook {
    fn place(self) -> (&'static str, String) {
        match self {
            Self::Ingress => ("netdev", format!("hook ingress device {WAN} priority -500")),
            Self::Raw => ("ip", "hook prerouting priority raw".to_owned()),
        }
    }

    /// Sets the rules; they hold until [`clear`].
    ///
    /// # Errors
    ///
    /// `nft` is missing or refuses.
    pub fn set(self, namespace: &Namespace) -> Result<()> {
        let (family, hook) = self.place();
        let denied: Vec<_> = (0..10).map(|number| format!("64.0.{number}.0/24")).collect();
        let text = format!(
            "table {family} bench {{
                set allowed {{ type ipv4_addr; flags interval; elements = {{ 203.0.113.0/28 }}; }}
                set denied {{ type ipv4_addr; flags interval; elements = {{ {} }}; }}
                set psaps {{ type ipv4_addr; elements = {{ 198.51.100.10 }}; }}
                set sources {{ type ipv4_addr; size 65536; flags dynamic,timeout; timeout 10s; }}
                chain frames {{
                    type filter {hook}; policy accept;
                    ip saddr @allowed accept
                    ip saddr @denied drop
                    ip daddr != @psaps accept
                    update @sources {{ ip saddr limit rate over 200/second burst 400 packets }} drop
                    limit rate over 5000/second burst 10000 packets drop
                }}
            }}",
            denied.join(", ")
        );
        let file = tempfile::NamedTempFile::new().context("no file for the rules")?;
        std::fs::write(file.path(), text).context("cannot write the rules")?;
        namespace.succeed("nft", &["-f", &file.path().to_string_lossy()])
    }
}

/// Takes all rules away.
///
/// # Errors
///
/// `nft` is missing or refuses.
pub fn clear(namespace: &Namespace) -> Result<()> {
    namespace.succeed("nft", &["flush", "ruleset"])
}
