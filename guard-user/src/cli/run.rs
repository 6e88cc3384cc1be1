//! `guard run`: the daemon. Loads the guard and keeps it awake.
//!
//! Ending it, in whatever way, leaves the guard on the interfaces: it opens when the watchdog
//! runs out, and the next start adopts it.

mod bypass;
mod overdue;
mod surroundings;
mod watchdog;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use aya_log::EbpfLogger;
use guard_user::calls::reader::Reader;
use guard_user::calls::tally::Tallies;
use guard_user::canary::watch::Watch;
use guard_user::config::{Attach, Config, ConfigError, Failsafe, LogFormat};
use guard_user::control::Server;
use guard_user::counted::Counting;
use guard_user::diff;
use guard_user::gates::Finding;
use guard_user::heartbeat::{self, Heartbeat, Proof, Watched, Worker};
use guard_user::kernel::clock;
use guard_user::kernel::interface::Placed;
use guard_user::live::{FileSays, Live, Missing, Outcome, Start, Started};
use guard_user::logging;
use guard_user::metrics::Exporter;
use guard_user::notify::notify;
use guard_user::recorded::Recorder;
use guard_user::report;
use guard_user::watching::Watching;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use self::bypass::BypassWatch;
use self::overdue::look_at_deadline;
use self::surroundings::Surroundings;
use self::watchdog::WatchdogWatch;
use super::{Places, places_in};

/// The usual configuration file.
pub const CONFIG: &str = "/etc/guard/guard.toml";
/// How often interfaces and the host's addresses are looked at.
const LOOK_AROUND: Duration = Duration::from_secs(2);
/// How often it is seen whether a confirmation is overdue, and another generation live.
const DEADLINE: Duration = Duration::from_millis(500);
/// How often the kernel half's log is passed on; it only ever has rare lines.
const FLUSH: Duration = Duration::from_millis(250);

/// What a change that the main loop makes may take besides, waiting for links included.
const CHANGE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// How the log is written [default: the configuration's, or auto]
    #[arg(long, value_enum, env = "GUARD_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Also log what the kernel half says (rare changes of state)
    #[arg(long)]
    kernel_log: bool,
}

pub fn run(places: &Places, arguments: &Arguments) -> Result<()> {
    logging::start(arguments.log_format.unwrap_or_else(|| log_format(&arguments.config)));
    heartbeat::lock_memory();
    let says = read(&arguments.config);
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
    let patience = heartbeat::patience(config.guard.watchdog.0);
    let main_loop = Worker::new("the main loop", patience + CHANGE);
    main_loop.tick();
    let calls = Worker::new("the reader of signalling", patience);
    let (whole, passes) = (Proof::default(), Proof::default());
    let watched = Watched {
        workers: vec![main_loop.clone(), calls.clone()],
        proofs: vec![whole.clone(), passes.clone()],
    };
    let note = watchdog::note(&live);
    let heart = Heartbeat::start(live.pins.switches()?, &config.guard, note, watched)?;
    let tallies = Tallies::default();
    let _reader = Reader::start(&live, &calls, &tallies);
    let _canary = Watch::start(&live, passes);
    let _watching = Watching::start(&live, &tallies);
    let _recorder = Recorder::start(&live);
    let _counting = Counting::start(&live);
    let mut exporter = Exporter::new(&live, &tallies);
    exporter.follow(&config.metrics);
    let _control = config.guard.oncall_group.as_deref().and_then(|group| {
        let failed = |error| error!("oncall-group {group} can ask for nothing: {error}");
        Server::start(&live, group).map_err(failed).ok()
    });
    tell(&live, &config, &outcome)?;
    tell_file(&arguments.config, &file, &notes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the daemon")?;
    let seen = Surroundings::new(&live, &outcome.missing, whole)?;
    let mut watchdog = WatchdogWatch::new(heart, note);
    let looks = Looks { seen, bypass: BypassWatch::default(), watchdog: &mut watchdog, exporter };
    runtime.block_on(stay(&live, arguments, &outcome, &main_loop, looks))?;
    watchdog.end(&live);
    Ok(())
}

/// The configuration file. Where the usual one is not there, nothing is configured; one that was
/// named has to be there.
fn read(file: &Path) -> Result<Config, ConfigError> {
    if file == Path::new(CONFIG) && matches!(file.try_exists(), Ok(false)) {
        return Ok(Config::default());
    }
    Config::load(file)
}

/// What a configuration says about the log, whatever else is wrong with it: that is what the log
/// has to tell.
fn log_format(config: &Path) -> LogFormat {
    let said = places_in(config).and_then(|guard| guard.get("log-format").cloned());
    said.and_then(|said| said.try_into().ok()).unwrap_or_default()
}

/// Says what the start did.
fn tell(
    live: &Live,
    config: &Config,
    Outcome { started, generation, placed, missing, findings, took: _ }: &Outcome,
) -> Result<()> {
    let how = match started {
        Started::Fresh => "loaded",
        Started::Adopted => "adopted what was pinned, untouched",
        Started::Swapped => "replaced what was pinned, without a gap",
    };
    let stance = report::stance(&live.pins.switches()?.overview()?, clock::now());
    info!(generation, ?stance, "guard {how}");
    if config.is_nothing() {
        warn!(
            "nothing is configured: on no interface, nobody is protected, nothing is dropped; \
             write {CONFIG}, then `guard check` and `guard apply --confirm-within 5m`"
        );
    }
    if config.guard.failsafe == Failsafe::Hold {
        warn!("failsafe is hold: what is denied or over a limit is dropped with this dead, too");
    }
    for (name, placed) in placed {
        match placed {
            Placed::Native => info!("{name}: attached in native mode"),
            Placed::Replaced => info!("{name}: program replaced"),
            Placed::Generic => warn!("{name}: attached in generic mode, as configured: slow"),
            Placed::FellBack => {
                warn!("{name}: the driver cannot run XDP; attached in generic mode: slow");
            }
            Placed::Taken => error!("{name}: another program is on it, and was left alone"),
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

/// What is looked after every two seconds.
struct Looks<'a> {
    seen: Surroundings,
    bypass: BypassWatch,
    watchdog: &'a mut WatchdogWatch,
    exporter: Exporter,
}

impl Looks<'_> {
    fn around(&mut self, live: &Live) {
        self.seen.look(live);
        self.bypass.look(live);
        self.watchdog.look(live);
        self.exporter.follow(&self.seen.config().metrics);
    }
}

/// Waits for the end, and looks around meanwhile.
async fn stay(
    live: &Live,
    arguments: &Arguments,
    outcome: &Outcome,
    main_loop: &Worker,
    mut looks: Looks<'_>,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut logger = if arguments.kernel_log { kernel_log(live, outcome.generation) } else { None };
    let mut flushes = interval(FLUSH);
    let mut ticks = interval(LOOK_AROUND);
    let mut deadlines = interval(DEADLINE);
    deadlines.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if let Err(error) = notify("READY=1") {
        warn!("the service manager could not be told: {error}");
    }
    loop {
        main_loop.tick();
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = deadlines.tick() => look_at_deadline(live),
            _ = ticks.tick() => looks.around(live),
            _ = flushes.tick(), if logger.is_some() => {
                if let Some(logger) = &mut logger {
                    logger.flush();
                }
            }
        }
    }
    info!("ending; the guard stays on the interfaces, as `guard status` says");
    Ok(())
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
