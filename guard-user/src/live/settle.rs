//! One interface at a time: the next one only when the last has its link and its neighbours back.
//!
//! Some drivers reset the link when a program is attached or detached, and negotiating takes
//! seconds. On all interfaces at once that would be an outage made by the guard.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kernel::neighbour::{self, Neighbour};
use crate::kernel::pins::PinDir;
use crate::kernel::{KernelError, interface};

/// How long an interface may take.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long it has to be well: drivers tell of the loss of a link somewhat later.
const WELL: Duration = Duration::from_millis(250);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks between two searches for lost neighbours.
const SEARCH: u32 = 10;

/// How an interface was before something is done to it.
#[derive(Debug)]
pub struct Calm {
    name: String,
    running: bool,
    neighbours: Vec<Neighbour>,
}

impl Calm {
    /// Takes note of an interface. What cannot be found out is not waited for.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut neighbours = known(name);
        neighbours.retain(Neighbour::is_reachable);
        let running = interface::is_running(name).unwrap_or(false);
        Self { name: name.to_owned(), running, neighbours }
    }

    /// Waits until the interface is as it was: running, and with the neighbours that answered.
    pub fn again(&self, patience: Duration) -> Result<(), KernelError> {
        if !self.running {
            return Ok(());
        }
        let begun = Instant::now();
        let mut well = begun;
        let mut looks = 0_u32;
        loop {
            let missing = self.missing(looks.is_multiple_of(SEARCH));
            let now = Instant::now();
            match missing {
                None if now.duration_since(well) >= WELL => return Ok(()),
                None => {}
                Some(what) if now.duration_since(begun) >= patience => {
                    return Err(KernelError::Unsettled {
                        name: self.name.clone(),
                        what,
                        seconds: patience.as_secs(),
                        step: "nothing was done to the interfaces after it; see `ip link`, \
                               `ip neighbour` and `dmesg`, mend it and try again",
                    });
                }
                Some(_) => well = now,
            }
            looks = looks.wrapping_add(1);
            sleep(PAUSE);
        }
    }

    /// What is not as it was; lost neighbours are looked for if `search`.
    fn missing(&self, search: bool) -> Option<String> {
        match interface::is_running(&self.name) {
            Ok(true) => {}
            Ok(false) => return Some("the link did not come up again".to_owned()),
            // It has gone altogether, which is told elsewhere.
            Err(_) => return None,
        }
        let now = known(&self.name);
        let is_lost =
            |before: &&Neighbour| !now.iter().any(|found| found.is(before) && found.is_resolved());
        let lost: Vec<&Neighbour> = self.neighbours.iter().filter(is_lost).collect();
        if search && let Ok(index) = interface::index(&self.name) {
            for neighbour in &lost {
                // One that cannot be asked for stays lost.
                let _ = neighbour::look_for(index, neighbour);
            }
        }
        let answered = self.neighbours.len();
        (!lost.is_empty())
            .then(|| format!("{} of {answered} neighbours that answered before do not", lost.len()))
    }
}

/// Takes the program off an interface and waits until that is well again.
pub fn detach(name: &str, pins: &PinDir) -> Result<(), KernelError> {
    let calm = Calm::of(name);
    interface::detach(name, pins)?;
    calm.again(PATIENCE)
}

fn known(name: &str) -> Vec<Neighbour> {
    let found = interface::index(name).ok().and_then(|index| neighbour::neighbours(index).ok());
    found.unwrap_or_default()
}
