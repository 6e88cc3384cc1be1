//! The canary on a real kernel: it holds where 911 passes, fails where it does not, opens the guard
//! when it fails, and does none of it by mistake.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "canary/blind.rs"]
mod blind;
#[path = "canary/broken.rs"]
mod broken;
#[path = "canary/budget.rs"]
mod budget;
#[path = "canary/green.rs"]
mod green;
#[path = "canary/lists.rs"]
mod lists;
#[path = "canary/swaps.rs"]
mod swaps;

use std::path::PathBuf;
use std::time::Duration;

use aya::maps::{Array, MapData};
use guard_common::abi::party::{Bucket4, Party};
use guard_common::index::parts4;
use guard_tests::guard_process::{PSAP, STRANGERS, Site, eventually};
use guard_user::kernel::object;
use guard_user::kernel::state::open;
use guard_user::kernel::wire::Wire;

/// How long a failure may take to open the guard: a second to see it, and as long to be sure; on a
/// busy machine some more for the copy.
const SOON: Duration = Duration::from_secs(15);
/// How long the first word of a canary may take: the copy is made and verified first.
const START: Duration = Duration::from_secs(10);

/// A site whose guard enforces and denies the first stranger; `None`, said loudly, where no test
/// can run.
fn site() -> Option<Site> {
    // The canary's own strangers fill a /15.
    Site::with(|site| {
        format!(
            "{}\n[gates]\ndeny-ipv4 = 15\n\n\
             [[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
            site.config(),
            STRANGERS[0]
        )
    })
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

/// The PSAP's party in the live tables, to be broken.
struct Broken {
    index: Array<MapData, Wire<Bucket4>>,
    records: Array<MapData, Wire<Party>>,
    /// The bucket of the index that has the PSAP, and what is in it.
    bucket: (u32, Bucket4),
    /// Number of its record.
    number: u32,
}

impl Broken {
    fn of(site: &Site) -> Self {
        let map = |name: &'static str| open(&live_folder(site).join(name), name).unwrap();
        let index: Array<_, Wire<Bucket4>> = map(object::PARTY_INDEX4).try_into().unwrap();
        let (bucket, number) = (0..index.len())
            .find_map(|number| {
                let Wire(bucket) = index.get(&number, 0).unwrap();
                let is_psap = |entry| match parts4(entry) {
                    Some((prefix, record)) if prefix.address == PSAP.octets() => Some(record),
                    _ => None,
                };
                let record = bucket.entries.into_iter().find_map(is_psap)?;
                Some(((number, bucket), record))
            })
            .expect("the PSAP is in the index");
        Self { index, records: map(object::PARTIES).try_into().unwrap(), bucket, number }
    }

    /// Takes the entry out of the index.
    fn lose(&mut self) {
        let (number, bucket) = self.bucket;
        let keep = |entry: u64| parts4(entry).is_some_and(|(p, _)| p.address != PSAP.octets());
        let entries = bucket.entries.map(|entry| if keep(entry) { entry } else { 0 });
        self.index.set(number, Wire(Bucket4 { entries }), 0).unwrap();
    }

    /// Puts it back.
    fn mend(&mut self) {
        let (number, bucket) = self.bucket;
        self.index.set(number, Wire(bucket), 0).unwrap();
    }

    /// Takes the services away.
    fn strip(&mut self) {
        let Wire(party) = self.records.get(&self.number, 0).unwrap();
        let bare = Party { service_count: 0, services: Party::default().services, ..party };
        self.records.set(self.number, Wire(bare), 0).unwrap();
    }
}
