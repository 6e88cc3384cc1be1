//! The canary on a real kernel: it holds where 911 passes, fails where it does not, opens the guard
//! when it fails, and does none of it by mistake.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

#[path = "canary/blind.rs"]
mod blind;
#[path = "canary/broken.rs"]
mod broken;
#[path = "canary/budget.rs"]
mod budget;
#[path = "canary/green.rs"]
mod green;
#[path = "canary/swaps.rs"]
mod swaps;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use aya::maps::{HashMap, MapData};
use guard_common::abi::party::{Party, Prefix4};
use guard_tests::guard_process::{STRANGERS, Site, eventually};
use guard_tests::privilege::require_bpf;
use guard_user::kernel::object;
use guard_user::kernel::state::open;
use guard_user::kernel::wire::Wire;

/// How long a failure may take to open the guard: a second to see it, and as long to be sure.
const SOON: Duration = Duration::from_secs(3);
/// How long the first word of a canary may take: the copy is made and verified first.
const START: Duration = Duration::from_secs(10);

/// A site whose guard enforces and denies the first stranger; `None`, said loudly, where no test
/// can run.
fn site() -> Option<Site> {
    if !require_bpf() {
        return None;
    }
    let site = Site::new();
    site.configure(&format!(
        "{}\n[[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
        site.config(),
        STRANGERS[0]
    ));
    Some(site)
}

/// What the canary says, as `guard status` tells it.
fn says(site: &Site) -> String {
    site.status()["canary"]["result"].as_str().unwrap().to_owned()
}

/// Waits until it says so.
#[track_caller]
fn comes_to_say(site: &Site, word: &str, patience: Duration) {
    let came = eventually(patience, || says(site) == word);
    assert!(came, "{} instead of {word}", site.status()["canary"]);
}

/// Whether the guard is opened by the controller.
fn is_open(site: &Site) -> bool {
    site.status()["stance"] == "opened"
}

/// The folder of the live generation's pins.
fn live_folder(site: &Site) -> PathBuf {
    let number = site.status()["generation"]["number"].as_u64().unwrap();
    site.pins().join("generations").join(number.to_string())
}

/// The live table of IPv4 parties, to be broken.
fn parties(site: &Site) -> HashMap<MapData, Wire<Prefix4>, Wire<Party>> {
    let map = open(&live_folder(site).join(object::PARTIES4), object::PARTIES4).unwrap();
    HashMap::try_from(map).unwrap()
}

/// The key of a single address.
fn key(address: Ipv4Addr) -> Wire<Prefix4> {
    Wire(Prefix4 { address: address.octets(), length: 32 })
}
