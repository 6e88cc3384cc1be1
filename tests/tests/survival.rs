//! What a guard survives, and what it does meanwhile: faults of its controller, of its host and of
//! its users. In each it passes rather than drops, and says what is wrong.
//!
//! Each test has namespaces, a BPF file system and directories of its own and leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "survival/bypass.rs"]
mod bypass;
#[path = "survival/clock.rs"]
mod clock;
#[path = "survival/disk.rs"]
mod disk;
#[path = "survival/foreign.rs"]
mod foreign;
#[path = "survival/memory.rs"]
mod memory;
#[path = "survival/pins.rs"]
mod pins;
#[path = "survival/privilege.rs"]
mod privilege;
#[path = "survival/settle.rs"]
mod settle;
#[path = "survival/watchdog.rs"]
mod watchdog;

use std::time::Duration;

use guard_tests::guard_process::{STRANGERS, Site, eventually};

/// How long anything may take that the daemon does by itself, on a disk that is slow.
const SOON: Duration = Duration::from_secs(40);

/// A site whose guard denies the first stranger, and `[guard]` keys besides; `None`, said loudly,
/// where no test can run.
fn site_with(keys: &str) -> Option<Site> {
    Site::with(|site| {
        let config = site.config().replace("[guard]\n", &format!("[guard]\n{keys}\n"));
        format!(
            "{config}\n[[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
            STRANGERS[0]
        )
    })
}

fn site() -> Option<Site> {
    site_with("")
}

/// Waits until `guard status` says this; whether it did.
fn stands(site: &Site, stance: &str) -> bool {
    eventually(SOON, || site.status()["stance"] == stance)
}
