//! Real calls while a flood flows, with and without the guard: the demo, in a process of its own,
//! because it takes signals and namespaces for itself.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};

use crate::flood::shape::Shape;

/// Argument by which this program plays the demo instead: where its figures go.
pub const PLAY: &str = "--play-calls-into";

/// Calls without a flood, during one, and during one with the guard.
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    /// What the flood looks like.
    pub name: &'static str,
    /// In this order.
    pub phases: Vec<Phase>,
}

/// A phase, as the demo writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// `quiet`, `unguarded` or `guarded`.
    pub phase: String,
    /// Frames a second of the flood.
    pub flood_rate: Option<f64>,
    /// One for each caller and PSAP.
    pub callers: Vec<Caller>,
}

/// Calls of one caller to one PSAP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Caller {
    /// Who: `carrier` or `stranger`.
    pub caller: String,
    /// Whom.
    pub psap: String,
    /// INVITEs sent, retransmissions not counted.
    pub tried: u32,
    /// Answered in time.
    pub answered: u32,
    /// Set-up times of the answered ones.
    pub set_up: Option<SetUp>,
}

/// From INVITE to 200, by time stamps of packets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SetUp {
    /// Half were faster.
    pub median_ms: f64,
    /// Of a hundred, ninety-nine were faster.
    pub p99_ms: f64,
}

impl Calls {
    /// The phase of this name.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.phase == name)
    }
}

impl Phase {
    /// Calls of all callers.
    #[must_use]
    pub fn tried(&self) -> u32 {
        self.callers.iter().map(|caller| caller.tried).sum()
    }

    /// Answered calls of all callers.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.callers.iter().map(|caller| caller.answered).sum()
    }

    /// The time of the caller that fared worst; none if nobody was answered.
    #[must_use]
    pub fn worst(&self, time: impl Fn(&SetUp) -> f64) -> Option<f64> {
        self.callers.iter().filter_map(|caller| caller.set_up.as_ref().map(&time)).reduce(f64::max)
    }
}

/// Measures calls, begun for so many seconds in each phase, with floods of a shape.
///
/// # Errors
///
/// The demo could not be shown.
pub fn calls(shape: Shape, seconds: u32) -> Result<Calls> {
    let folder = tempfile::tempdir().context("no folder for the demo's figures")?;
    let file = folder.path().join("calls.json");
    let own = env::current_exe().context("this program does not know where it is")?;
    let flood = shape.to_possible_value().context("a shape without a name")?;
    let mut command = Command::new(own);
    command.arg(PLAY).arg(&file).args(["--seconds", &seconds.to_string()]);
    command.args(["--flood", flood.get_name()]);
    // Whether calls were hurt, which its exit code says, is in the figures.
    command.stdout(Stdio::null()).status().context("cannot start the demo")?;
    Ok(Calls { name: shape.name(), phases: read(&file)? })
}

fn read(file: &Path) -> Result<Vec<Phase>> {
    /// Of all that the demo writes.
    #[derive(Deserialize)]
    struct Demo {
        phases: Vec<Phase>,
    }
    let text = fs::read_to_string(file).context("the demo did not get to its end; see above")?;
    Ok(serde_json::from_str::<Demo>(&text).context("the demo's figures")?.phases)
}
