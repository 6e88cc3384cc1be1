//! G4, G5: a configuration is a transaction. Applied, confirmed, rolled back, told; with the
//! daemon alive and dead, across reboots, and with a disk that does not do its part.
//!
//! Each test has namespaces, a BPF file system and directories of its own and leaves nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

#[path = "transaction/apply.rs"]
mod apply;
#[path = "transaction/audit.rs"]
mod audit;
#[path = "transaction/carried.rs"]
mod carried;
#[path = "transaction/confirm.rs"]
mod confirm;
#[path = "transaction/gates.rs"]
mod gates;
#[path = "transaction/rollback.rs"]
mod rollback;
#[path = "transaction/speed.rs"]
mod speed;

use std::fs;
use std::path::PathBuf;

use aya::maps::{Array, Map, MapData};
use guard_common::abi::state::switch;
use guard_tests::guard_process::{STRANGERS, Site, WAN};

/// A site whose guard denies the first stranger; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(|site| denying(site, &[0]))
}

/// The site's configuration with a deny entry for some of the strangers.
fn denying(site: &Site, strangers: &[usize]) -> String {
    // Nothing here may be let pass by a watchdog that runs out.
    let mut text = site.config().replace("'5s'", "'60s'");
    for stranger in strangers {
        let source = STRANGERS[*stranger];
        text += &format!("\n[[deny]]\nsource = '{source}'\nowner = 'noc'\nreason = 'scanner'\n");
    }
    text
}

/// Which strangers pass.
fn passing(site: &Site) -> [bool; 3] {
    STRANGERS.map(|source| site.passes(source))
}

fn map(site: &Site) -> Array<MapData, u64> {
    let pin = site.pins().join("state/SWITCHES");
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    Array::try_from(map).unwrap()
}

fn get(site: &Site, number: u32) -> u64 {
    map(site).get(&number, 0).unwrap()
}

/// What is written although nothing is changed, `canary.json` by another name at first.
const MOVING: [&str; 4] = ["audit.jsonl", "calls.json", "canary.json", "canary.json.new"];

/// All that a change may touch: switches but the heartbeat's, files, pins, programs.
#[derive(Debug, PartialEq)]
struct Standing {
    switches: Vec<u64>,
    files: Vec<(PathBuf, Vec<u8>)>,
    pins: Vec<PathBuf>,
    program: Option<(u64, u64)>,
}

fn standing(site: &Site) -> Standing {
    let all = (0..switch::COUNT).filter(|number| *number != switch::DROP_UNTIL);
    let mut files = Vec::new();
    let mut folders = vec![site.state()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What the daemon keeps of traffic goes on whatever is changed.
            let kept = ["recorded", "drops.jsonl", "known-calls.json", "counters-"];
            if kept.iter().any(|kept| name.starts_with(kept)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if !MOVING.contains(&name.as_str()) {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    Standing {
        switches: all.map(|number| get(site, number)).collect(),
        files,
        pins: site.pinned(),
        program: site.program_on(WAN),
    }
}
