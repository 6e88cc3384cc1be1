//! The daemon's part in changes that verbs make: it goes by what is live, and takes back what
//! nobody confirms.

use std::time::Duration;

use anyhow::Result;
use guard_common::abi::state::switch;
use guard_user::config::Config;
use guard_user::heartbeat::Heartbeat;
use guard_user::live::{Live, Overdue};
use tracing::{error, info, warn};

/// The heartbeat, with the watchdog time of the configuration that is live.
pub struct Beating {
    /// None where it could not be started: the guard opens, and it is tried again.
    heartbeat: Option<Heartbeat>,
    generation: u64,
    watchdog: Duration,
}

impl Beating {
    pub fn start(live: &Live, config: &Config) -> Result<Self> {
        let watchdog = config.guard.watchdog.0;
        let switches = live.pins.switches()?;
        let generation = switches.get(switch::GENERATION)?;
        let heartbeat = Some(Heartbeat::start(switches, watchdog)?);
        Ok(Self { heartbeat, generation, watchdog })
    }

    /// Goes on with what a change made meanwhile.
    pub fn follow(&mut self, live: &Live) -> Result<()> {
        let generation = live.pins.switches()?.get(switch::GENERATION)?;
        if generation == self.generation {
            return Ok(());
        }
        let watchdog = live.record()?.config.guard.watchdog.0;
        info!(generation, "another generation is live");
        if watchdog != self.watchdog || self.heartbeat.is_none() {
            // The old one first: its last beat must not be the shorter one.
            self.heartbeat = None;
            self.heartbeat = Some(Heartbeat::start(live.pins.switches()?, watchdog)?);
        }
        (self.generation, self.watchdog) = (generation, watchdog);
        Ok(())
    }
}

/// Takes back, or opens, what nobody confirmed in time.
pub fn look_at_deadline(live: &Live) {
    if !live.is_overdue().unwrap_or(false) {
        return;
    }
    match live.take_back_overdue() {
        Ok(Some(Overdue::RolledBack(to))) => {
            warn!("nobody confirmed the change: back to what was made at {}", to.at);
        }
        Ok(Some(Overdue::Opened(why))) => {
            error!("nobody confirmed the change; the guard is OPEN until somebody does: {why}");
        }
        Ok(Some(Overdue::Lifted) | None) => {}
        Err(error) => error!("nobody confirmed the change, and it cannot be taken back: {error}"),
    }
}
