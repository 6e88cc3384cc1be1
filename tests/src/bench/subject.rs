//! A program and a frame: what one frame costs, by the kernel's own test run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;

use super::configuration::{OTHERS, Size};
use super::figure::Row;
use super::frames::{self, Case, XDP_DROP, XDP_PASS};
use super::programs::{Program, Shared};
use crate::netns::Namespace;
use crate::packet::udp;

/// Runs of the first round: more than any burst that is let pass.
const FIRST: u32 = 30_000;

/// Bits of a million sources.
const MILLION: u32 = (1 << 20) - 1;
/// Bits of about ten thousand.
const TEN_THOUSAND: u32 = (1 << 14) - 1;
/// Bits of 4,096 PSAPs of the large configuration.
const PSAPS: u32 = (1 << 12) - 1;
/// Of a frame whose reason depends on what was drawn.
const ANY: &str = "";

/// Name of the row of an empty program that passes.
pub const FLOOR: &str = "floor: pass";
/// Name of the row of `xdp-filter`.
pub const XDP_FILTER: &str = "xdp-filter: drop by address";
/// End of the names of rows of the large configuration.
pub const LARGE: &str = ", large";

/// A program and a frame.
pub struct Subject {
    case: Case,
    program: Shared,
    /// Runs of a round.
    repeat: u32,
    rounds: Vec<f64>,
}

impl Subject {
    /// One round.
    ///
    /// # Errors
    ///
    /// The kernel does not run the program.
    pub fn measure(&mut self) -> Result<()> {
        let mut program = self.program.borrow_mut();
        for frame in &self.case.before {
            program.run(frame)?;
        }
        let time = program.time(&self.case.frame, self.repeat, self.case.drained)?;
        self.rounds.push(time.as_secs_f64() * 1e9);
        Ok(())
    }

    /// An error if the frame is not decided as the row says, in the state that it is measured in.
    /// Rounds take about so long from now on.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn verify(&mut self, round: Duration) -> Result<()> {
        let before = self.program.borrow().counted()?;
        self.measure()?;
        if let Some(time) = self.rounds.drain(..).next() {
            self.repeat = (round.as_secs_f64() * 1e9 / time.max(1.0)) as u32;
        }
        let Case { name, action, reason, frame, .. } = &self.case;
        if reason.is_empty() {
            return Ok(());
        }
        let mut program = self.program.borrow_mut();
        let found = match (before, program.counted()?) {
            (Some(before), Some(after)) => after.most_since(&before),
            // Only a guard has reasons.
            _ => Some((program.run(frame)?, *reason)),
        };
        ensure!(
            found == Some((*action, *reason)),
            "{name}: {found:?} and not {:?}: the bench does not measure what it says",
            (action, reason)
        );
        Ok(())
    }

    /// The figures of all rounds.
    ///
    /// # Errors
    ///
    /// There was no round.
    pub fn row(&self) -> Result<Row> {
        Row::of(self.case.name.as_str(), &self.rounds)
    }
}

/// Where programs are attached to what no frame ever comes by.
///
/// For a program in use nowhere, each test run would enter it in the kernel's table of XDP
/// programs and take it out again, and wait each time for all CPUs to notice.
struct Idle {
    namespace: Namespace,
    programs: Cell<u32>,
}

impl Idle {
    /// Moves the calling thread there for good: devices are looked up where it is.
    fn enter() -> Result<Self> {
        let namespace = Namespace::create("idle")?;
        namespace.enter()?;
        Ok(Self { namespace, programs: Cell::new(0) })
    }

    fn keep(&self, mut program: Program) -> Result<Shared> {
        let device = format!("idle{}", self.programs.replace(self.programs.get() + 1));
        self.namespace.ip(&["link", "add", &device, "type", "veth"])?;
        program.xdp()?.attach(&device, XdpMode::Driver)?;
        Ok(Rc::new(RefCell::new(program)))
    }
}

/// Everything that is measured. The calling thread has a network namespace of its own from now on.
///
/// # Errors
///
/// A program is missing, or the kernel does not take one.
pub fn subjects() -> Result<Vec<Subject>> {
    let flood = frames::cases().into_iter().next().context("no flood")?;
    let idle = Idle::enter()?;
    let mut subjects = Vec::new();
    let mut add = |case: &Case, program: &Shared| {
        let (case, program) = (case.clone(), Rc::clone(program));
        subjects.push(Subject { case, program, repeat: FIRST, rounds: Vec::new() });
    };
    let pass = Case { action: XDP_PASS, ..renamed(&flood, FLOOR.to_owned()) };
    add(&pass, &idle.keep(Program::floor("floor_pass")?)?);
    let drop = idle.keep(Program::floor("floor_drop")?)?;
    add(&renamed(&flood, "floor: drop".to_owned()), &drop);
    if let Some(filter) = Program::xdp_filter()? {
        add(&renamed(&flood, XDP_FILTER.to_owned()), &idle.keep(filter)?);
    }
    let small = idle.keep(Program::guard(Size::SMALL, None)?)?;
    let large = idle.keep(Program::guard(Size::LARGE, None)?)?;
    for (end, guard) in [("", &small), (LARGE, &large)] {
        for case in frames::cases().into_iter().chain(frames::cases6()) {
            add(&renamed(&case, format!("{}{end}", case.name)), guard);
        }
    }
    for (what, behind) in [("floor", &drop), ("UDP flood", &small)] {
        for (sources, bits) in [("1", 0), ("16,384", TEN_THOUSAND), ("a million", MILLION)] {
            let case = Case { reason: ANY, ..spread(format!("{what}, sources: {sources}")) };
            add(&case, &idle.keep(Program::drawn(behind, bits, 0)?)?);
        }
    }
    for (what, behind) in [("floor", &drop), ("UDP flood", &large)] {
        let name = format!("{what}, a million at 4,096 PSAPs");
        let case = Case { frame: elsewhere(), reason: ANY, ..spread(name) };
        add(&case, &idle.keep(Program::drawn(behind, MILLION, PSAPS)?)?);
    }
    Ok(subjects)
}

fn renamed(case: &Case, name: String) -> Case {
    Case { name, ..case.clone() }
}

/// A flood whose sources are drawn, in a network where nobody is configured.
fn spread(name: String) -> Case {
    let frame = udp("172.16.0.0:40000", "198.51.100.10:9", [0; 22]).frame();
    Case {
        name,
        frame,
        before: Vec::new(),
        action: XDP_DROP,
        reason: "udp_over_source",
        drained: false,
    }
}

/// The same, at the other PSAPs.
fn elsewhere() -> Vec<u8> {
    let [a, b, c, d] = OTHERS;
    udp("172.16.0.0:40000", &format!("{a}.{b}.{c}.{d}:9"), [0; 22]).frame()
}
