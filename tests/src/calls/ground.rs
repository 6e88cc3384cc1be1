//! Where calls are made: the demo's stage with an ESRP beside it, and a guard on every interface
//! of the router between them all.
//!
//! ```text
//!  carrier 192.0.2.10 ---------- carrier0 +------+ east0 ------ desk 198.51.100.10
//!                                         | core |
//!  stranger 203.0.113.130 -- internet --- wan0 --+ esrp0 ------ ESRP 198.51.100.58
//!                        (and attacker)
//! ```
//!
//! The carrier is a configured peer, the stranger is nobody. Owns who is where and what the guard
//! was told.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::party::{Dial, Party, Transport};
use crate::demo::stage::{CARRIER, EAST, Psap, SIP, STRANGER, Stage, WAN};
use crate::flood;
use crate::guard_process::Site;
use crate::netns::Namespace;
use crate::netns::veth::{End, connect};

/// Where the ESRP takes calls.
pub const ESRP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 58), SIP);
/// The first media port of the desk.
pub const DESK_MEDIA: u16 = 20_000;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A configured peer.
    Carrier,
    /// Somebody with a telephone of his own, whom only the marker protects.
    Stranger,
}

/// A guarded router and what is around it.
#[derive(Debug)]
pub struct Ground {
    /// The guard's.
    pub site: Site,
    /// Everybody but the ESRP.
    pub stage: Stage,
    /// The ESRP's.
    pub esrp: Namespace,
    /// The dispatch centre that everybody calls.
    pub desk: Psap,
    /// The CPU that floods have for themselves, if there is more than one.
    pub attackers_cpu: Option<usize>,
    /// For files of whoever speaks SIP.
    pub folder: PathBuf,
}

/// The priority that labels give: class 1:20 of a queueing discipline.
pub const LABELLED: u32 = 1 << 16 | 0x20;

impl Ground {
    /// Lays it out, with a guard configured to enforce, and with more where `more` says so, but
    /// not started. Keeps the calling thread off the attackers' CPU.
    ///
    /// # Errors
    ///
    /// No privilege, or a program is missing.
    pub fn lay(more: &str) -> Result<Self> {
        let attackers_cpu = match flood::cpus()?.split_last() {
            Some((last, others)) if !others.is_empty() => {
                flood::pin(others)?;
                Some(*last)
            }
            _ => None,
        };
        let stage = Stage::set()?;
        let esrp = Namespace::create("esrp")?;
        connect(
            End { namespace: &stage.core, device: "esrp0", addresses: &["198.51.100.49/28"] },
            End { namespace: &esrp, device: "core0", addresses: &["198.51.100.58/28"] },
        )?;
        esrp.ip(&["route", "add", "default", "via", "198.51.100.49"])?;
        let site = Site::around(stage.core.clone(), stage.internet.clone());
        site.configure(&configuration(&site, more));
        let folder = site.path("sip");
        fs::create_dir(&folder)?;
        Ok(Self { site, stage, esrp, desk: EAST, attackers_cpu, folder })
    }

    /// The desk, ready to take calls.
    ///
    /// # Errors
    ///
    /// See [`Party::desk`].
    pub fn open_desk(&self, transport: Transport) -> Result<Party> {
        Party::desk(&self.stage.east, &self.folder, self.desk.service(), transport)
    }

    /// Gives the way to the desk two queues: frames of [`LABELLED`] priority get a narrow one.
    ///
    /// # Errors
    ///
    /// `tc` is missing or refuses.
    pub fn queue_labelled_apart(&self) -> Result<()> {
        let core = &self.stage.core;
        // Forwarding would replace the priority by what the type of service says.
        core.set("ipv4/ip_forward_update_priority", "0")?;
        let tc = |words: &str| core.succeed("tc", &words.split(' ').collect::<Vec<_>>());
        let device = EAST.device;
        tc(&format!("qdisc add dev {device} root handle 1: htb default 10"))?;
        tc(&format!("class add dev {device} parent 1: classid 1:10 htb rate 1gbit"))?;
        tc(&format!("class add dev {device} parent 1: classid 1:20 htb rate 2mbit"))
    }

    /// Frames that the narrow queue of [`Ground::queue_labelled_apart`] took, and those it dropped.
    ///
    /// # Errors
    ///
    /// `tc` does not say.
    pub fn labelled(&self) -> Result<(u64, u64)> {
        let words = ["-s", "class", "show", "dev", EAST.device, "classid", "1:20"];
        let output = self.stage.core.command("tc").args(words).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        // Sent 1 bytes 2 pkt (dropped 3, overlimits 4 requeues 5)
        let number = |before: &str, after: &str| {
            let (_, rest) = said.split_once(before)?;
            rest.split_once(after)?.0.rsplit(' ').next()?.parse().ok()
        };
        let counts = number("bytes ", " pkt").zip(number("(dropped ", ","));
        counts.with_context(|| format!("`tc` says {said:?}"))
    }

    /// Where somebody calls from.
    #[must_use]
    pub const fn place(&self, who: Who) -> (&Namespace, Ipv4Addr) {
        match who {
            Who::Carrier => (&self.stage.carrier, CARRIER),
            Who::Stranger => (&self.stage.stranger, STRANGER),
        }
    }

    /// How somebody dials an emergency call to a next hop: a carrier the number, a stranger's
    /// telephone the URN (RFC 5031).
    #[must_use]
    pub fn emergency(&self, who: Who, to: SocketAddrV4, transport: Transport) -> Dial {
        let uri = match who {
            Who::Carrier => format!("sip:911@{}", to.ip()),
            Who::Stranger => "urn:service:sos".to_owned(),
        };
        let from = SocketAddrV4::new(self.place(who).1, SIP);
        Dial { from, to, uri, transport, calls: 1, rate: 5, media: 40_000 }
    }

    /// Protected frames of the desk so far.
    ///
    /// # Errors
    ///
    /// The guard does not say.
    pub fn protected(&self) -> Result<u64> {
        let rows = self.site.rows(&["psaps"]);
        let of_desk = |row: &&Value| row.get("id").and_then(Value::as_str) == Some(self.desk.id);
        let row = rows.as_array().and_then(|rows| rows.iter().find(of_desk));
        let count = row.and_then(|row| row.get("protected_packets")?.as_u64());
        count.context("no desk among the PSAPs")
    }

    /// What was dropped: packets by id ("" for none) and reason.
    ///
    /// # Errors
    ///
    /// The guard does not say.
    pub fn drops(&self) -> Result<Vec<(String, String, u64)>> {
        let rows = self.site.rows(&["drops"]);
        let row = |row: &Value| {
            let word = |key| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            Some((word("id"), word("reason"), row.get("dropped_packets")?.as_u64()?))
        };
        let rows: Option<Vec<_>> = rows.as_array().context("no list")?.iter().map(row).collect();
        rows.context("a row without a count")
    }
}

fn configuration(site: &Site, more: &str) -> String {
    let services = |address| format!("['{address}:{SIP}/udp', '{address}:{SIP}/tcp']");
    let interface = |name, role| format!("[[interface]]\nname = '{name}'\nrole = '{role}'\n");
    format!(
        "[guard]\nmode = 'enforce'\npin-dir = '{}'\nstate-dir = '{}'\n{}{}{}{}{}\
         [[psap]]\nid = '{}'\nservices = {}\nmedia = ['{}:20000-39999']\nbind = ['{}']\n\
         [[element]]\nid = 'esrp'\nkind = 'esrp'\nservices = {}\nbind = ['esrp0']\n\
         [[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\nbind = ['carrier0']\n\
         [pins]\nopen-for = '1s'\n{more}",
        site.pins().display(),
        site.state().display(),
        interface(WAN, "untrusted"),
        interface("carrier0", "untrusted"),
        interface(EAST.device, "trusted"),
        interface("west0", "trusted"),
        interface("esrp0", "trusted"),
        EAST.id,
        services(*EAST.service().ip()),
        EAST.address,
        EAST.device,
        services(*ESRP.ip()),
    )
}
