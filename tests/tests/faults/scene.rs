//! A guarded host with two interfaces and two PSAPs, and what has to hold of it after any fault.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use aya::programs::ProgramInfo;
use guard_tests::guard_process::{LAN, SECOND, STRANGERS, Site, WAN, eventually};
use serde_json::Value;

/// How long the daemon may take to finish what a killed verb left, on a disk that is slow.
pub const SOON: Duration = Duration::from_secs(40);

/// A site whose guard denies the first stranger; `None`, said loudly, where no test can run. No
/// watchdog runs out in the time of a test: whatever opens is a fault.
pub fn site() -> Option<Site> {
    Site::with(|site| text(site, 0))
}

/// The configuration of a round: no two that follow each other are the same. Every other one has
/// a PSAP more, whose id comes before those of the others.
pub fn text(site: &Site, round: u32) -> String {
    let config = site.config().replace("watchdog = '5s'", "watchdog = '2m'");
    let more = if round % 2 == 1 {
        "[[psap]]\nid = 'A-0'\nservices = ['198.51.100.12:5060/udp']\n"
    } else {
        ""
    };
    format!(
        "{config}\n[[interface]]\nname = '{LAN}'\nrole = 'trusted'\n\
         [[psap]]\nid = 'P-2'\nservices = ['{SECOND}:5060/udp']\n{more}\
         [limits.udp]\nper-source = '{}/s'\n\
         [[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
        100 + round,
        STRANGERS[0],
    )
}

/// Kernel ids of the programs that are pinned, by generation.
fn programs(site: &Site) -> Vec<(u64, u32)> {
    let Ok(folders) = fs::read_dir(site.pins().join("generations")) else { return Vec::new() };
    let names = folders.filter_map(|folder| folder.ok()?.file_name().into_string().ok());
    let numbers = names.filter_map(|name| name.parse().ok());
    let program = |number: u64| {
        let pin = site.pins().join(format!("generations/{number}/program"));
        ProgramInfo::from_pin(pin).ok().map(|program| (number, program.id()))
    };
    numbers.filter_map(program).collect()
}

/// The generation whose program the kernel says is on an interface.
#[track_caller]
fn generation_on(site: &Site, device: &str, when: &str) -> u64 {
    let look = || {
        let on = site.program_on(device);
        let on = on.unwrap_or_else(|| panic!("{when}: {device} is without a program")).1;
        let pinned = programs(site);
        let found = pinned.iter().find(|(_, id)| u64::from(*id) == on).map(|(number, _)| *number);
        found.ok_or_else(|| format!("{when}: {device} has program {on}, pinned are {pinned:?}"))
    };
    // The two are read apart: the daemon may have swapped in between.
    look().or_else(|_| look()).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Asserts what holds at any moment: each interface has a whole generation, state files can be
/// read, and the guard enforces.
#[track_caller]
pub fn holds(site: &Site, when: &str) {
    guards(site, when);
    assert_eq!(site.status()["stance"], "enforcing", "{when}");
}

/// The same, where no verb can tell.
#[track_caller]
pub fn guards(site: &Site, when: &str) {
    for device in [WAN, LAN] {
        let _ = generation_on(site, device, when);
    }
    for name in ["slots.json", "generation.json"] {
        let text = fs::read_to_string(site.state().join(name)).unwrap();
        let parsed: Result<Value, _> = serde_json::from_str(&text);
        assert!(parsed.is_ok(), "{when}: {name}: {parsed:?}");
    }
}

/// Whether one generation is on all interfaces, and is the one that is written down.
fn is_one(site: &Site, when: &str) -> bool {
    let text = fs::read_to_string(site.state().join("generation.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let number = record["number"].as_u64().unwrap();
    let on = [WAN, LAN].map(|device| generation_on(site, device, when));
    on == [number; 2] && site.status()["generation"]["number"] == number
}

/// Asserts that it comes to be of one piece: one generation on all interfaces, the one that is
/// written down, no other pinned, and it is that of one of these configurations, which is
/// returned.
#[track_caller]
pub fn settles<const N: usize>(site: &Site, texts: [String; N], when: &str) -> String {
    assert!(eventually(SOON, || is_one(site, when)), "{when}: {:?}", site.status());
    let clean = || programs(site).len() == 1;
    assert!(eventually(SOON, clean), "{when}: left behind: {:?}", programs(site));
    let is_live = |text: &String| {
        let file = site.path("asked.toml");
        fs::write(&file, text).unwrap();
        site.guard(&["diff", &file.to_string_lossy()]).code == Some(0)
    };
    let live = texts.into_iter().find(is_live);
    live.unwrap_or_else(|| panic!("{when}: neither the old configuration nor the new"))
}

/// Which part of a sweep is taken, so that a run stays bounded: all of it with `GUARD_FAULTS=all`.
pub fn is_full() -> bool {
    std::env::var_os("GUARD_FAULTS") == Some(OsString::from("all"))
}
