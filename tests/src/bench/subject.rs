//! A program and a frame: what one frame costs, by the kernel's own test run.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};

use super::configuration::{OTHERS, Size};
use super::figure::Row;
use super::frames::{self, Case, XDP_DROP, XDP_PASS};
use super::programs::{Program, Shared, shared};
use crate::packet::udp;

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
    rounds: Vec<f64>,
}

impl Subject {
    /// One round.
    ///
    /// # Errors
    ///
    /// The kernel does not run the program.
    pub fn measure(&mut self, repeat: u32) -> Result<()> {
        let mut program = self.program.borrow_mut();
        for frame in &self.case.before {
            program.run(frame)?;
        }
        let time = program.time(&self.case.frame, repeat, self.case.drained)?;
        self.rounds.push(time.as_secs_f64() * 1e9);
        Ok(())
    }

    /// An error if the frame is not decided as the row says, in the state that it is measured in.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn verify(&mut self, repeat: u32) -> Result<()> {
        let before = self.program.borrow().counted()?;
        self.measure(repeat)?;
        self.rounds.clear();
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

/// Everything that is measured.
///
/// # Errors
///
/// A program is missing, or the kernel does not take one.
pub fn subjects() -> Result<Vec<Subject>> {
    let flood = frames::cases().into_iter().next().context("no flood")?;
    let mut subjects = Vec::new();
    let mut add = |case: &Case, program: &Shared| {
        let (case, program) = (case.clone(), Rc::clone(program));
        subjects.push(Subject { case, program, rounds: Vec::new() });
    };
    let pass = Case { action: XDP_PASS, ..renamed(&flood, FLOOR.to_owned()) };
    add(&pass, &shared(Program::floor("floor_pass")?));
    let drop = shared(Program::floor("floor_drop")?);
    add(&renamed(&flood, "floor: drop".to_owned()), &drop);
    if let Some(filter) = Program::xdp_filter()? {
        add(&renamed(&flood, XDP_FILTER.to_owned()), &shared(filter));
    }
    let small = shared(Program::guard(Size::SMALL, None)?);
    let large = shared(Program::guard(Size::LARGE, None)?);
    for (end, guard) in [("", &small), (LARGE, &large)] {
        for case in frames::cases().into_iter().chain(frames::cases6()) {
            add(&renamed(&case, format!("{}{end}", case.name)), guard);
        }
    }
    for (what, behind) in [("floor", &drop), ("UDP flood", &small)] {
        for (sources, bits) in [("1", 0), ("16,384", TEN_THOUSAND), ("a million", MILLION)] {
            let case = Case { reason: ANY, ..spread(format!("{what}, sources: {sources}")) };
            add(&case, &shared(Program::drawn(behind, bits, 0)?));
        }
    }
    for (what, behind) in [("floor", &drop), ("UDP flood", &large)] {
        let name = format!("{what}, a million at 4,096 PSAPs");
        let case = Case { frame: elsewhere(), reason: ANY, ..spread(name) };
        add(&case, &shared(Program::drawn(behind, MILLION, PSAPS)?));
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
