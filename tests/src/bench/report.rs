//! All figures of a run, as `--json` writes them, and what an earlier run said.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use super::calls::Calls;
use super::figure::Row;
use super::memory::{Memory, Verified};
use super::target::Target;

/// Version of the JSON.
pub const SCHEMA: u32 = 3;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Where.
    pub machine: String,
    /// Nanoseconds for a frame.
    pub frames: Vec<Row>,
    /// Frames a second through a cable.
    pub floods: Vec<Row>,
    /// Milliseconds for a change.
    pub changes: Vec<Row>,
    /// Kernel memory.
    pub memory: Vec<Memory>,
    /// What the verifier looked at.
    pub verified: Vec<Verified>,
    /// Calls during floods.
    pub calls: Vec<Calls>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
    /// What shall come of all that.
    pub targets: Vec<Target>,
}

impl Report {
    /// Writes the JSON.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// An earlier run.
#[derive(Clone, Debug)]
pub struct Earlier(Value);

impl Earlier {
    /// Reads a JSON.
    ///
    /// # Errors
    ///
    /// There is none, or it is of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let value: Value =
            serde_json::from_str(&text).with_context(|| format!("{name} is no bench JSON"))?;
        let schema = value.get("schema").and_then(Value::as_u64);
        anyhow::ensure!(
            schema == Some(SCHEMA.into()),
            "{name} is of another version; measure anew with `cargo xtask bench -- --json`"
        );
        Ok(Self(value))
    }

    /// The number `field` of the row `name` of a section.
    #[must_use]
    pub fn number(&self, section: &str, name: &str, field: &str) -> Option<f64> {
        let rows = self.0.get(section)?.as_array()?;
        let named = |row: &&Value| row.get("name").and_then(Value::as_str) == Some(name);
        rows.iter().find(named)?.get(field)?.as_f64()
    }
}

/// The machine the figures are from.
#[must_use]
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cpus} CPUs, Linux {}", release.trim())
}
