//! Real calls while a flood flows, with and without the guard: the demo, in a process of its own,
//! because it takes signals and namespaces for itself.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Argument by which this program plays the demo instead: where its figures go.
pub const PLAY: &str = "--play-calls-into";

/// What the demo measured: phases, each with calls tried and answered and set-up times.
///
/// # Errors
///
/// The demo could not be shown.
pub fn calls(seconds: u32) -> Result<Value> {
    let folder = tempfile::tempdir().context("no folder for the demo's figures")?;
    let file = folder.path().join("calls.json");
    let own = env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(own);
    command.arg(PLAY).arg(&file).args(["--seconds", &seconds.to_string()]);
    command.stdout(Stdio::null()).status().context("cannot start the demo")?;
    read(&file)
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).context("the demo did not get to its end; see above")?;
    Ok(serde_json::from_str(&text)?)
}
