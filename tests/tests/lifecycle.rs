//! The life of a guard on real interfaces: attaching, dying, swapping, switching, leaving.
//!
//! Each test has namespaces, a BPF file system and directories of its own and leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "lifecycle/attach.rs"]
mod attach;
#[path = "lifecycle/death.rs"]
mod death;
#[path = "lifecycle/interfaces.rs"]
mod interfaces;
#[path = "lifecycle/live.rs"]
mod live;
#[path = "lifecycle/occupied.rs"]
mod occupied;
#[path = "lifecycle/refused.rs"]
mod refused;
#[path = "lifecycle/state.rs"]
mod state;
#[path = "lifecycle/swap.rs"]
mod swap;
#[path = "lifecycle/switches.rs"]
mod switches;
#[path = "lifecycle/unload.rs"]
mod unload;

use guard_tests::guard_process::{STRANGERS, Site};

/// A site whose guard denies the first stranger; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(denying)
}

/// The site's configuration with a watchdog that does not run out in the time of a test, however slow
/// the disk is that a start has to wait for: nothing is let pass by that.
fn patient(site: &Site) -> String {
    site.config().replace("watchdog = '5s'", "watchdog = '60s'")
}

/// The same with a deny entry for the first stranger.
fn denying(site: &Site) -> String {
    format!(
        "{}\n[[deny]]\nsource = '{}'\nowner = 'noc'\nreason = 'scanner'\n",
        patient(site),
        STRANGERS[0]
    )
}
