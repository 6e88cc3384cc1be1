//! What the daemon keeps an eye on, besides its own work: addresses, interfaces, tc programs, pins.
//!
//! What is wrong is told once, and put right where nobody else has a say in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Result;
use guard_common::abi::state::switch;
use guard_user::config::Config;
use guard_user::heartbeat::Proof;
use guard_user::kernel::interface;
use guard_user::kernel::tc::Side;
use guard_user::live::{Live, Missing};
use guard_user::store::Record;
use tracing::{error, info, warn};

/// What the daemon keeps an eye on.
pub struct Surroundings {
    /// Passes as long as the guard is on all its interfaces that are there.
    whole: Proof,
    /// Addresses of the host that are part of the policy.
    addresses: Vec<IpAddr>,
    /// The generation that is live, and its file.
    generation: u64,
    config: Config,
    /// Interfaces without the guard, and how they were found.
    bare: BTreeMap<String, Bare>,
    /// Tc programs that are not where they should be, and the kernel index of their interface.
    missing: BTreeMap<(String, Side), Option<u32>>,
    /// Whether the pins are out of sight.
    lost: bool,
    /// Whether a change was under way at the last look, or killed.
    in_pieces: bool,
}

/// An interface without the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bare {
    /// Its kernel index; none if it is not there.
    index: Option<u32>,
    /// The program that is on it instead.
    occupant: Option<u32>,
}

impl Surroundings {
    /// Begins with what a start left undone; `whole` is where to tell how interfaces are.
    pub fn new(live: &Live, missing: &[Missing], whole: Proof) -> Result<Self> {
        let missing = missing.iter().map(|Missing { interface, side, reason: _ }| {
            ((interface.clone(), *side), interface::index(interface).ok())
        });
        let Record { number: generation, config, host: addresses, .. } = live.record()?;
        Ok(Self {
            whole,
            addresses,
            generation,
            config,
            bare: BTreeMap::new(),
            missing: missing.collect(),
            lost: false,
            in_pieces: false,
        })
    }

    /// The live configuration, as of the last look.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Looks at everything once.
    pub fn look(&mut self, live: &Live) {
        if self.sees_pins(live) {
            self.look_at_pieces(live);
            self.look_at_addresses(live);
            let whole = self.look_at_interfaces(live);
            self.whole.tried(whole);
            self.look_at_sides(live);
        } else {
            self.whole.tried(false);
        }
    }

    /// Whether the pins are there: without them nothing can be changed, while what is loaded
    /// works on for as long as this process holds it.
    fn sees_pins(&mut self, live: &Live) -> bool {
        let seen = live.pins.must_be_loaded();
        let lost = seen.is_err();
        if let (Err(error), false) = (&seen, self.lost) {
            error!("the pins are gone, the guard works on without them until this ends: {error}");
        }
        if self.lost && !lost {
            info!("the pins are there again");
        }
        self.lost = lost;
        !lost
    }

    /// What a killed change left is put together. One that is still under way at the second look
    /// is waited for: it has the lock.
    fn look_at_pieces(&mut self, live: &Live) {
        let before = self.in_pieces;
        self.in_pieces = live.is_in_pieces().unwrap_or(false);
        if !before || !self.in_pieces {
            return;
        }
        match live.put_together() {
            Ok(notes) => notes.iter().for_each(|note| warn!("{note}")),
            Err(error) => error!("what a killed change left is not put together: {error}"),
        }
    }

    /// New addresses of the host become part of the policy; tried again until it works.
    fn look_at_addresses(&mut self, live: &Live) {
        let addresses = interface::host_addresses();
        if addresses == self.addresses {
            return;
        }
        match live.refresh() {
            Ok(generation) => {
                info!(generation, "the host's addresses changed");
                self.addresses = addresses;
            }
            Err(error) => error!("the host's addresses changed, the policy could not: {error}"),
        }
    }

    /// An interface that lost the guard is told, and guarded again when it returns; where
    /// somebody else's program is, the guard leaves it alone. Whether all that are there have it.
    fn look_at_interfaces(&mut self, live: &Live) -> bool {
        let (Ok(names), Ok(switches)) = (live.pins.linked(), live.pins.switches()) else {
            return false;
        };
        let Ok(generation) = switches.get(switch::GENERATION) else {
            return false;
        };
        let mut whole = true;
        for name in names {
            if live.guards(generation, &name) {
                if self.bare.remove(&name).is_some() {
                    info!("{name}: guarded again");
                }
                continue;
            }
            let occupant = interface::attached(&name).ok().flatten();
            let now = Bare {
                index: interface::index(&name).ok(),
                occupant: occupant.map(|occupant| occupant.program),
            };
            whole &= now.index.is_none();
            let before = self.bare.insert(name.clone(), now);
            if before != Some(now) && told(&name, before, now) {
                // Back, and nobody else is on it: once for each time that happens.
                if let Err(error) = live.refresh() {
                    error!("{name}: cannot be guarded again: {error}");
                }
                return false;
            }
        }
        whole
    }
}

/// Tells how an interface without the guard was found; whether it can be guarded again.
fn told(name: &str, before: Option<Bare>, Bare { index, occupant }: Bare) -> bool {
    match occupant {
        Some(program) => error!(
            "{name}: the guard is not on it, program {program} is, and was left alone; `bpftool \
             prog show id {program}` says whose it is, and `ip link` whether it is gone"
        ),
        None if before.is_none() => {
            error!("{name}: the guard is not on it any more; see `guard status`");
        }
        None => {}
    }
    index.is_some() && occupant.is_none()
}

impl Surroundings {
    /// A tc program that somebody took away is put back, once for each time its interface comes.
    fn look_at_sides(&mut self, live: &Live) {
        let Ok(generation) = live.pins.switches().and_then(|it| it.get(switch::GENERATION)) else {
            return;
        };
        if generation != self.generation {
            // Read once for each: a large one takes a while.
            let Ok(record) = live.record() else {
                return;
            };
            (self.config, self.generation) = (record.config, record.number);
        }
        let missing = live.missing_sides(&self.config, self.generation);
        self.missing.retain(|(name, side), _| {
            let still = missing.iter().any(|(other, same)| other == name && same == side);
            if !still {
                info!("{name}: {} again", side.program());
            }
            still
        });
        let mut is_new = false;
        for (name, side) in missing {
            let index = interface::index(&name).ok();
            is_new |= self.missing.insert((name, side), index) != Some(index);
        }
        if !is_new {
            return;
        }
        match live.mend_sides() {
            Ok(missing) => {
                for Missing { interface, side, reason } in missing {
                    error!("{interface}: {}: {reason}", side.lost());
                }
            }
            Err(error) => error!("tc programs cannot be put back: {error}"),
        }
    }
}
