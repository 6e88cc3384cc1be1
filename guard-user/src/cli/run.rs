//! `guard run`: the daemon. Loads the guard and keeps it awake.
//!
//! Ending it, in whatever way, leaves the guard on the interfaces: it opens when the watchdog
//! runs out, and the next start adopts it.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use aya_log::EbpfLogger;
use guard_common::abi::state::switch;
use guard_user::calls::reader::Reader;
use guard_user::canary::watch::Watch;
use guard_user::config::{Attach, Config};
use guard_user::diff;
use guard_user::gates::Finding;
use guard_user::kernel::clock;
use guard_user::kernel::interface::{self, Placed};
use guard_user::kernel::tc::Side;
use guard_user::live::{FileSays, Live, Missing, Outcome, Start, Started};
use guard_user::notify::notify;
use guard_user::report;
use guard_user::store::Record;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use super::Places;
use super::follow::{Beating, look_at_deadline};

/// The usual configuration file.
pub const CONFIG: &str = "/etc/guard/guard.toml";
/// How often interfaces and the host's addresses are looked at.
const LOOK_AROUND: Duration = Duration::from_secs(2);
/// How often it is seen whether a confirmation is overdue, and another generation live.
const DEADLINE: Duration = Duration::from_millis(500);
/// How often the kernel half's log is passed on; it only ever has rare lines.
const FLUSH: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Log JSON lines
    #[arg(long)]
    log_json: bool,
    /// Also log what the kernel half says (rare changes of state)
    #[arg(long)]
    kernel_log: bool,
}

pub fn run(places: &Places, arguments: &Arguments) -> Result<()> {
    start_logging(arguments.log_json);
    let says = Config::load(&arguments.config);
    let live = match &says {
        Ok(config) => Live::new(
            places.pin_dir.as_deref().unwrap_or(&config.guard.pin_dir),
            places.state_dir.as_deref().unwrap_or(&config.guard.state_dir),
        ),
        Err(_) => places.beside(&arguments.config),
    };
    let live = live.of_daemon();
    if let Err(error) = &says
        && matches!(live.store.record(), Ok(None))
    {
        // A first start, of nothing.
        return Err(error.clone().into());
    }
    let _locks = live.lock_daemon()?;
    let Start { outcome, config, file, notes } =
        live.start(&arguments.config, says, arguments.kernel_log)?;
    let heartbeat = Beating::start(&live, &config)?;
    let _reader = Reader::start(&live);
    let _canary = Watch::start(&live);
    tell(&live, &config, &outcome)?;
    tell_file(&arguments.config, &file, &notes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the daemon")?;
    runtime.block_on(stay(&live, arguments, &outcome, heartbeat))
}

fn start_logging(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Only fails where a subscriber is set already; nobody else sets one.
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

/// Says what the start did.
fn tell(
    live: &Live,
    config: &Config,
    Outcome { started, generation, placed, missing, findings }: &Outcome,
) -> Result<()> {
    let how = match started {
        Started::Fresh => "loaded",
        Started::Adopted => "adopted what was pinned, untouched",
        Started::Swapped => "replaced what was pinned, without a gap",
    };
    let stance = report::stance(&live.pins.switches()?.overview()?, clock::now());
    info!(generation, ?stance, "guard {how}");
    for (name, placed) in placed {
        match placed {
            Placed::Native => info!("{name}: attached in native mode"),
            Placed::Replaced => info!("{name}: program replaced"),
            Placed::Generic => warn!("{name}: attached in generic mode, as configured: slow"),
            Placed::FellBack => {
                warn!("{name}: the driver cannot run XDP; attached in generic mode: slow");
            }
            Placed::Absent => error!("{name}: NOT THERE; it is guarded again when it returns"),
        }
    }
    for Missing { interface, side, reason } in missing {
        error!("{interface}: {}: {reason}", side.lost());
    }
    for Finding { text, next, .. } in findings {
        warn!("{text}; {next}");
    }
    for interface in &config.interface {
        let name = &interface.name;
        if interface.attach == Attach::Generic && placed.is_empty() {
            warn!("{name}: in generic mode, as configured: slow");
        }
        if !interface.vlans.is_empty() {
            warn!(
                "{name}: bindings to its VLANs hold only for tags that the card leaves on the \
                 frame; `ethtool -K {name} rxvlan off` leaves them"
            );
        }
    }
    Ok(())
}

/// Says what was found half done, and how the file differs from what is live.
fn tell_file(file: &Path, says: &FileSays, notes: &[String]) {
    for note in notes {
        warn!("{note}");
    }
    let file = file.display();
    match says {
        FileSays::Same => {}
        FileSays::Other(differences) => warn!(
            differences = differences.len(),
            "{file} differs from what is live, which goes on: {}; see `guard diff {file}`, and \
             `guard apply {file}` brings it live",
            diff::summary(differences)
        ),
        FileSays::Wrong(error) => error!("what was live goes on, but {error}"),
    }
}

/// Waits for the end, and looks around meanwhile.
async fn stay(
    live: &Live,
    arguments: &Arguments,
    outcome: &Outcome,
    mut heartbeat: Beating,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut logger = if arguments.kernel_log { kernel_log(live, outcome.generation) } else { None };
    let mut flushes = interval(FLUSH);
    let mut ticks = interval(LOOK_AROUND);
    let mut deadlines = interval(DEADLINE);
    deadlines.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Surroundings::new(live, &outcome.missing)?;
    if let Err(error) = notify("READY=1") {
        warn!("the service manager could not be told: {error}");
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = deadlines.tick() => {
                look_at_deadline(live);
                if let Err(error) = heartbeat.follow(live) {
                    error!("the generation that is live cannot be followed: {error}");
                }
            }
            _ = ticks.tick() => seen.look(live),
            _ = flushes.tick(), if logger.is_some() => {
                if let Some(logger) = &mut logger {
                    logger.flush();
                }
            }
        }
    }
    info!("ending; the guard stays on the interfaces and opens when the watchdog runs out");
    Ok(())
}

/// What the daemon keeps an eye on.
struct Surroundings {
    /// Addresses of the host that are part of the policy.
    addresses: Vec<IpAddr>,
    /// The generation that is live, and its file.
    generation: u64,
    config: Config,
    /// Interfaces without the guard, and the kernel index at which it was last tried to return.
    bare: BTreeMap<String, Option<u32>>,
    /// Tc programs that are not where they should be, likewise.
    missing: BTreeMap<(String, Side), Option<u32>>,
}

impl Surroundings {
    fn new(live: &Live, missing: &[Missing]) -> Result<Self> {
        let missing = missing.iter().map(|Missing { interface, side, reason: _ }| {
            ((interface.clone(), *side), interface::index(interface).ok())
        });
        let Record { number: generation, config, host: addresses, .. } = live.record()?;
        Ok(Self {
            addresses,
            generation,
            config,
            bare: BTreeMap::new(),
            missing: missing.collect(),
        })
    }

    fn look(&mut self, live: &Live) {
        self.look_at_addresses(live);
        self.look_at_interfaces(live);
        self.look_at_sides(live);
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

    /// An interface that lost the guard is told once, and guarded again when it returns.
    fn look_at_interfaces(&mut self, live: &Live) {
        let (Ok(names), Ok(switches)) = (live.pins.linked(), live.pins.switches()) else {
            return;
        };
        let Ok(generation) = switches.get(switch::GENERATION) else {
            return;
        };
        for name in names {
            if live.holds(generation, &name) {
                if self.bare.remove(&name).is_some() {
                    info!("{name}: guarded again");
                }
                continue;
            }
            let index = interface::index(&name).ok();
            let tried = self.bare.insert(name.clone(), index);
            if tried.is_none() {
                error!("{name}: the guard is not on it any more; see `guard status`");
            }
            // Back, and nobody else is on it: once for each time it returns.
            let free = matches!(interface::attached(&name), Ok(None));
            if tried != Some(index) && free {
                if let Err(error) = live.refresh() {
                    error!("{name}: cannot be guarded again: {error}");
                }
                return;
            }
        }
    }
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

/// The kernel half's log, if it can be had. Generations share it.
fn kernel_log(live: &Live, generation: u64) -> Option<EbpfLogger<&'static dyn log::Log>> {
    let opened = ProgramInfo::from_pin(live.pins.program(generation))
        .map_err(|error| error.to_string())
        .and_then(|program| {
            EbpfLogger::init_from_id(program.id()).map_err(|error| error.to_string())
        });
    match opened {
        Ok(logger) => Some(logger),
        Err(error) => {
            warn!("the kernel half's log cannot be read: {error}");
            None
        }
    }
}
