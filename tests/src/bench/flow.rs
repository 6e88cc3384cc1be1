//! Floods over a cable: how many frames a second come through when the core that decides about
//! them also makes them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aya::programs::XdpMode;

use super::configuration::{Size, WAN};
use super::figure::Row;
use super::neighbour::{self, Hook};
use super::programs::Program;
use crate::flood::{self, Flood, Path4, Plan};
use crate::guard_process::generator_object;
use crate::netns::Namespace;
use crate::netns::device::{self, Meter};
use crate::netns::veth::{End, connect};
use crate::packet::{Tcp, tcp, udp};

/// The end of the cable from which floods come.
const FAR: &str = "far0";
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
    /// All kinds of floods and numbers of sources.
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

struct Ground {
    outside: Namespace,
    host: Namespace,
    deciders: Vec<(&'static str, Decider)>,
    cpus: Vec<usize>,
}

/// A kind of flood.
struct Kind {
    name: &'static str,
    frame: Vec<u8>,
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
        // Devices are looked up where the calling thread is.
        host.enter()?;
        Ok(Self { outside, host, deciders, cpus: flood::cpus()? })
    }

    fn measure(mut self, plans: Plans) -> Result<Vec<Row>> {
        let kinds = self.kinds()?;
        // The floods take whole CPUs; whoever measures them has to get in.
        flood::outrank(FIRST);
        let last = self.cpus.last().copied().context("no CPU")?;
        let mut series = Vec::new();
        for kind in kinds.iter().take(if plans.all { kinds.len() } else { 1 }) {
            for (sources, bits) in SOURCES {
                if plans.all || bits == 0 || bits > 1 << 16 {
                    series.push((kind, sources, bits, vec![last]));
                }
            }
        }
        if let (Some(first), [one, .., two]) = (kinds.first(), &*self.cpus) {
            for (sources, bits) in SOURCES {
                series.push((first, sources, bits, vec![*one, *two]));
            }
        }
        let mut rows = Vec::new();
        for (kind, sources, bits, cpus) in series {
            let deciders = self.deciders.len();
            let mut rounds = vec![Vec::new(); deciders];
            for _ in 0..plans.rounds {
                for (decider, rates) in rounds.iter_mut().enumerate() {
                    rates.push(self.rate(decider, kind, bits, &cpus, plans.time)?);
                }
            }
            let cores = if cpus.len() == 1 { "1 core" } else { "2 cores" };
            for ((name, _), rates) in self.deciders.iter().zip(&rounds) {
                let name = format!("{}, {sources}, {cores}: {name}", kind.name);
                rows.push(Row::of(name, rates)?);
            }
        }
        Ok(rows)
    }

    /// Frames a second that a decider takes.
    fn rate(
        &mut self,
        decider: usize,
        kind: &Kind,
        spoofed: u32,
        cpus: &[usize],
        time: Duration,
    ) -> Result<f64> {
        let (_, decider) = self.deciders.get_mut(decider).context("no such decider")?;
        let mut link = None;
        match decider {
            Decider::Nftables(hook) => hook.set(&self.host)?,
            Decider::Xdp(program) => {
                link = Some(program.xdp()?.attach(WAN, XdpMode::Driver)?);
            }
        }
        let mut floods = Vec::new();
        for cpu in cpus {
            let plan = Plan { frames: vec![kind.frame.clone()], spoofed, cpu: Some(*cpu) };
            floods.push(Flood::start(&generator_object(), &self.outside, FAR, plan)?);
        }
        thread::sleep(WARM_UP);
        let meter = Meter::start(&self.host, WAN)?;
        thread::sleep(time);
        let rate = meter.rate()?;
        for flood in floods {
            flood.stop()?;
        }
        match decider {
            Decider::Nftables(_) => neighbour::clear(&self.host)?,
            Decider::Xdp(program) => {
                if let Some(link) = link {
                    program.xdp()?.detach(link)?;
                }
            }
        }
        Ok(rate)
    }

    fn kinds(&self) -> Result<Vec<Kind>> {
        let path = |port| -> Result<Path4> {
            Ok(Path4 {
                from: device::hardware_address(&self.outside, FAR)?,
                to: device::hardware_address(&self.host, WAN)?,
                source: SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, 0), 40_000),
                destination: SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 10), port),
            })
        };
        let dress = |mut frame: Vec<u8>| -> Result<Vec<u8>> {
            let path = path(9)?;
            let addresses = [path.to, path.from].concat();
            frame.get_mut(..12).context("a short frame")?.copy_from_slice(&addresses);
            frame.resize(frame.len().max(60), 0);
            Ok(frame)
        };
        let (from, psap) = ("172.16.0.0:40000", "198.51.100.10:5060");
        let [_, later] = udp(from, psap, [0; 560]).fragments(504);
        let syn = tcp(from, "198.51.100.10:5061", Tcp::Syn, "").frame();
        Ok(vec![
            Kind { name: "64-byte UDP", frame: flood::udp(&path(9)?, &[0; 18])? },
            Kind { name: "SIP", frame: flood::invite(&path(5060)?)? },
            Kind { name: "SYN", frame: dress(syn)? },
            Kind { name: "fragments", frame: dress(later)? },
        ])
    }
}
