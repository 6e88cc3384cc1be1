//! nftables with rules that say of floods what the guard's configuration says: who is allowed, who
//! is denied, and how much of each kind a source and a PSAP get.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use guard_common::class::Kind;
use guard_user::config::{Limits, Rate};

use super::configuration::{OTHERS, Size, WAN};
use crate::netns::Namespace;

/// The kinds of floods, and which frames to a PSAP are of each; the first that matches counts.
///
/// Nothing here has connections tracked, so fragments are not put together before.
const KINDS: [(Kind, &str); 4] = [
    (Kind::Fragment, "ip frag-off & 0x1fff != 0"),
    (Kind::Sip, "udp dport 5060"),
    (Kind::Syn, "tcp flags & (syn | ack) == syn"),
    (Kind::Udp, "meta l4proto udp"),
];

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
        let file = tempfile::NamedTempFile::new().context("no file for the rules")?;
        std::fs::write(file.path(), self.rules()?).context("cannot write the rules")?;
        namespace.succeed("nft", &["-f", &file.path().to_string_lossy()])
    }

    /// What [`Size::SMALL`] and the default limits come to.
    fn rules(self) -> Result<String> {
        let (family, hook) = self.place();
        let Size { psaps, denied } = Size::SMALL;
        let denied: Vec<_> = (0..denied).map(|number| format!("64.0.{number}.0/24")).collect();
        let [a, b, c, _] = OTHERS;
        let others = (1..psaps).map(|number| format!("{a}.{b}.{c}.{number}"));
        let psaps: Vec<_> = ["198.51.100.10".to_owned()].into_iter().chain(others).collect();
        let mut kinds = String::new();
        let mut ways = String::new();
        for (kind, frames) in KINDS {
            kinds += &of_kind(kind)?;
            writeln!(ways, "        {frames} goto {}_frames", kind.name())?;
        }
        Ok(format!(
            "table {family} bench {{
    set allowed {{ type ipv4_addr; flags interval; elements = {{ 203.0.113.0/28 }}; }}
    set denied {{ type ipv4_addr; flags interval; elements = {{ {} }}; }}
    set psaps {{ type ipv4_addr; elements = {{ {} }}; }}
{kinds}    chain frames {{
        type filter {hook}; policy accept;
        ip saddr @allowed accept
        ip saddr @denied drop
        ip daddr != @psaps accept
{ways}    }}
}}
",
            denied.join(", "),
            psaps.join(", ")
        ))
    }
}

/// The limits of a kind: a chain, and sets of as many sources as the guard has cells in a row.
///
/// The source's comes first, so that what one sends beyond it takes nothing from the PSAP's. A
/// source is forgotten when its bucket has long been full again.
fn of_kind(kind: Kind) -> Result<String> {
    let (source, psap) = Limits::default().of(kind);
    let (source, psap, name) = (limit(source)?, limit(psap)?, kind.name());
    Ok(format!(
        "    set {name}_sources {{ type ipv4_addr; size 65536; flags dynamic,timeout; timeout 10s; }}
    set {name}_psaps {{ type ipv4_addr; size 256; flags dynamic; }}
    chain {name}_frames {{
        update @{name}_sources {{ ip saddr {source} }} drop
        update @{name}_psaps {{ ip daddr {psap} }} drop
    }}
"
    ))
}

fn limit((rate, burst): (Rate, u64)) -> Result<String> {
    let Rate::Limit { frames, per: 1_000_000_000 } = rate else {
        bail!("nftables is told rates a second, not {rate}");
    };
    Ok(format!("limit rate over {frames}/second burst {burst} packets"))
}

/// Takes all rules away.
///
/// # Errors
///
/// `nft` is missing or refuses.
pub fn clear(namespace: &Namespace) -> Result<()> {
    namespace.succeed("nft", &["flush", "ruleset"])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn each_kind_has_the_limits_that_the_guard_has() {
        let rules = Hook::Raw.rules().unwrap();
        for line in [
            "udp dport 5060 goto sip_frames",
            "update @sip_sources { ip saddr limit rate over 20/second burst 60 packets } drop",
            "update @sip_psaps { ip daddr limit rate over 500/second burst 1000 packets } drop",
            "update @fragment_psaps { ip daddr limit rate over 15/second burst 30 packets } drop",
            "update @syn_sources { ip saddr limit rate over 20/second burst 40 packets } drop",
            "update @udp_sources { ip saddr limit rate over 200/second burst 400 packets } drop",
        ] {
            assert!(rules.contains(line), "{line}: {rules}");
        }
    }
}
