//! Floods over a cable: how many frames a second come through when the core that decides about
//! them also makes them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aya::programs::XdpMode;

use super::configuration::{Size, WAN};
use super::figure::Row;
use super::neighbour::{self, Hook};
use super::passed::{self, Passed};
use super::programs::{Counted, Program};
use crate::flood::frame::Path4;
use crate::flood::shape::Shape;
use crate::flood::{self, Flood, Plan};
use crate::guard_process::{eventually, generator_object};
use crate::netns::Namespace;
use crate::netns::device::{self, Meter};
use crate::netns::veth::{End, connect};

/// The end of the cable from which floods come.
const FAR: &str = "far0";
/// How long it may take until a flood flows.
const RISE: Duration = Duration::from_secs(60);
/// How long a flood flows before it counts.
const WARM_UP: Duration = Duration::from_millis(60);
/// Before all floods, by rank.
const FIRST: i32 = 2;

/// The bits of a source address that are drawn, and how many sources that makes.
const SOURCES: [(&str, u32); 3] =
    [("1 source", 0), ("16,384 sources", (1 << 14) - 1), ("a million sources", (1 << 20) - 1)];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plans {
    /// All shapes of floods and numbers of sources.
    pub all: bool,
    /// Rounds.
    pub rounds: usize,
    /// How long each flood is measured in a round.
    pub time: Duration,
}

/// Frames a second by flood and by who decides; then the same with two cores.
///
/// # Errors
///
/// No privilege, or a program is missing.
pub fn floods(plans: Plans) -> Result<Vec<Row>> {
    // It goes to other namespaces for good.
    let measured = thread::spawn(move || Ground::lay()?.measure(plans));
    measured.join().map_err(|_| anyhow!("the thread of the floods panicked"))?
}

/// Who decides.
enum Decider {
    Xdp(Program),
    Nftables(Hook),
}

impl Decider {
    /// Whether it lets pass what is within limits, as opposed to nothing.
    const fn limits(&self) -> bool {
        matches!(self, Self::Nftables(_) | Self::Xdp(Program::Guard(..)))
    }

    /// What it counted so far, if it is a guard.
    fn counted(&self) -> Result<Option<Counted>> {
        match self {
            Self::Xdp(program) => program.counted(),
            Self::Nftables(_) => Ok(None),
        }
    }
}

struct Ground {
    outside: Namespace,
    host: Namespace,
    deciders: Vec<(&'static str, Decider)>,
    cpus: Vec<usize>,
}

/// A flood that all deciders get in turns.
struct Series {
    shape: Shape,
    /// How many sources, and the bits that make them.
    sources: (&'static str, u32),
    cpus: Vec<usize>,
}

impl Series {
    fn name(&self) -> String {
        let cores = if self.cpus.len() == 1 { "1 core" } else { "2 cores" };
        format!("{}, {}, {cores}", self.shape.name(), self.sources.0)
    }
}

impl Ground {
    fn lay() -> Result<Self> {
        let outside = Namespace::create("outside")?;
        let host = Namespace::create("host")?;
        connect(
            End { namespace: &host, device: WAN, addresses: &["198.51.100.1/24"] },
            End { namespace: &outside, device: FAR, addresses: &["198.51.100.2/24"] },
        )?;
        device::queue_per_cpu(&outside, FAR)?;
        let wan = device::index(&host, WAN)?;
        let mut deciders = vec![("floor", Decider::Xdp(Program::floor("floor_drop")?))];
        if let Some(filter) = Program::xdp_filter()? {
            deciders.push(("xdp-filter", Decider::Xdp(filter)));
        }
        deciders.push(("guard", Decider::Xdp(Program::guard(Size::SMALL, Some(wan))?)));
        deciders.push(("nftables raw", Decider::Nftables(Hook::Raw)));
        deciders.push(("nftables ingress", Decider::Nftables(Hook::Ingress)));
        // Whatever passes goes nowhere from there, and is counted: see `passed`.
        host.set("ipv4/ip_forward", "0")?;
        // Devices are looked up where the calling thread is.
        host.enter()?;
        Ok(Self { outside, host, deciders, cpus: flood::cpus()? })
    }

    fn measure(mut self, plans: Plans) -> Result<Vec<Row>> {
        // The floods take whole CPUs; whoever measures them has to get in.
        flood::outrank(FIRST);
        let mut rows = Vec::new();
        for series in self.series(plans.all)? {
            let frame = series.shape.frame(&self.path(series.shape)?)?;
            let mut rounds = vec![Vec::new(); self.deciders.len()];
            for _ in 0..plans.rounds {
                for ((who, decider), rates) in self.deciders.iter_mut().zip(&mut rounds) {
                    let flood = || start(&self.outside, &frame, &series);
                    let rate = rate(&self.host, decider, &series, flood, plans.time);
                    rates.push(rate.with_context(|| format!("{}: {who}", series.name()))?);
                }
            }
            for ((who, _), rates) in self.deciders.iter().zip(&rounds) {
                rows.push(Row::of(format!("{}: {who}", series.name()), rates)?);
            }
        }
        Ok(rows)
    }

    /// All of them, or those of the least frames that say most.
    fn series(&self, all: bool) -> Result<Vec<Series>> {
        let last = self.cpus.last().copied().context("no CPU")?;
        let shapes = if all { &Shape::ALL[..] } else { &[Shape::Udp] };
        let mut series = Vec::new();
        for shape in shapes.iter().copied() {
            for sources in SOURCES {
                let (_, bits) = sources;
                if all || bits == 0 || bits > 1 << 16 {
                    series.push(Series { shape, sources, cpus: vec![last] });
                }
            }
            if let [one, .., two] = *self.cpus {
                let both = SOURCES.map(|sources| Series { shape, sources, cpus: vec![one, two] });
                series.extend(both);
            }
        }
        Ok(series)
    }

    /// To a PSAP, at a port where a guard takes frames for what their shape says.
    fn path(&self, shape: Shape) -> Result<Path4> {
        let port = match shape {
            Shape::Udp | Shape::Fragment => 9,
            Shape::Sip => 5060,
            Shape::Syn => 5061,
        };
        Ok(Path4 {
            from: device::hardware_address(&self.outside, FAR)?,
            to: device::hardware_address(&self.host, WAN)?,
            source: SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, 0), 40_000),
            destination: SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 10), port),
        })
    }
}

/// Starts a flood on each CPU of a series.
fn start(outside: &Namespace, frame: &[u8], series: &Series) -> Result<Vec<Flood>> {
    let plan = |cpu| Plan { frames: vec![frame.to_vec()], spoofed: series.sources.1, cpu };
    let object = generator_object();
    let cpus = series.cpus.iter();
    cpus.map(|cpu| Flood::start(&object, outside, FAR, plan(Some(*cpu)))).collect()
}

/// Frames a second that a decider takes; an error if it decides otherwise than it is there for.
fn rate(
    host: &Namespace,
    decider: &mut Decider,
    series: &Series,
    flood: impl FnOnce() -> Result<Vec<Flood>>,
    time: Duration,
) -> Result<f64> {
    let link = match decider {
        Decider::Nftables(hook) => {
            hook.set(host)?;
            None
        }
        Decider::Xdp(program) => Some(program.xdp()?.attach(WAN, XdpMode::Driver)?),
    };
    let counted = decider.counted()?;
    let passed = Passed::start(host)?;
    let floods = flood()?;
    if !eventually(RISE, || floods.iter().all(Flood::flows)) {
        floods.into_iter().try_for_each(Flood::stop)?;
        bail!("no flood after {RISE:?}: try again on an idle machine");
    }
    thread::sleep(WARM_UP);
    let meter = Meter::start(host, WAN)?;
    thread::sleep(time);
    let rate = meter.rate()?;
    for flood in floods {
        flood.stop()?;
    }
    let Series { shape, sources: (_, spoofed), cpus } = series;
    passed.verify(*shape, *spoofed, cpus.len(), decider.limits())?;
    if let (Some(before), Some(after)) = (counted, decider.counted()?) {
        passed::verify_reason(*shape, after.most_since(&before))?;
    }
    match (decider, link) {
        (Decider::Xdp(program), Some(link)) => program.xdp()?.detach(link)?,
        _ => neighbour::clear(host)?,
    }
    Ok(rate)
}
