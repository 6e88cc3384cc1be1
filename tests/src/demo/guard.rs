//! The real `guard` on the core: configured, started, asked, unloaded.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::Value;

use super::stage::{CARRIER, EAST, Psap, SIP, Stage, WAN, WEST};
use super::stop::Stop;
use super::workplace::Workplace;
use crate::netns::Namespace;

/// How long the guard may take to load and attach; most of it is the kernel's verifier.
const READY: Duration = Duration::from_secs(30);
/// How long it may take to end.
const END: Duration = Duration::from_secs(5);

/// A running guard; its daemon is killed when dropped.
#[derive(Debug)]
pub struct Guard {
    core: Namespace,
    binary: PathBuf,
    pins: PathBuf,
    state: PathBuf,
    log: PathBuf,
    daemon: Child,
    stop: Stop,
}

/// What the guard says at the end.
#[derive(Debug, Serialize)]
pub struct Tables {
    /// `guard psaps`, as printed.
    #[serde(skip)]
    pub psaps: String,
    /// `guard drops`, as printed.
    #[serde(skip)]
    pub drops: String,
    /// `guard psaps --json`.
    #[serde(rename = "psaps")]
    pub psaps_json: Value,
    /// `guard drops --json`.
    #[serde(rename = "drops")]
    pub drops_json: Value,
}

impl Guard {
    /// Starts it on all of the core's interfaces, in mode enforce.
    ///
    /// # Errors
    ///
    /// It does not get ready; its own last words are in the error.
    pub fn start(
        stage: &Stage,
        workplace: &Workplace,
        binary: &Path,
        bpffs: &Path,
        stop: &Stop,
    ) -> Result<Self> {
        let (pins, state) = (bpffs.join("guard"), workplace.path("state"));
        let (config, log) = (workplace.path("guard.toml"), workplace.path("guard.log"));
        fs::write(&config, configuration(&pins, &state)).context("writing guard.toml")?;
        // The way systemd learns that a service is ready.
        let ready = workplace.path("ready");
        let listener = UnixDatagram::bind(&ready).context("cannot listen for the guard")?;
        listener.set_nonblocking(true)?;
        let mut command = stage.core.command(binary);
        dress(&mut command, &pins, &state);
        let daemon = command
            .args(["run", "--config"])
            .arg(&config)
            .env("NOTIFY_SOCKET", &ready)
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut guard = Self {
            core: stage.core.clone(),
            binary: binary.to_path_buf(),
            pins,
            state,
            log,
            daemon,
            stop: stop.clone(),
        };
        guard.await_ready(&listener)?;
        Ok(guard)
    }

    fn await_ready(&mut self, listener: &UnixDatagram) -> Result<()> {
        let mut said = [0; 64];
        let stop = self.stop.clone();
        let ready = stop.wait(READY, || {
            if let Some(status) = self.daemon.try_wait()? {
                bail!("`guard run` ended with {status}:\n{}", self.last_words());
            }
            let length = listener.recv(&mut said).unwrap_or_default();
            Ok(said.get(..length).is_some_and(|said| said.starts_with(b"READY=1")))
        })?;
        if !ready {
            bail!("`guard run` is not ready after {READY:?}:\n{}", self.last_words());
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Names of the interfaces that have it in native mode.
    ///
    /// # Errors
    ///
    /// `guard status` fails.
    pub fn interfaces(&self) -> Result<Vec<String>> {
        let status: Value = serde_json::from_str(&self.ask(&["status", "--json"])?)?;
        let interfaces = status.get("interfaces").and_then(Value::as_array);
        let native = interfaces
            .into_iter()
            .flatten()
            .filter(|interface| interface.get("mode").and_then(Value::as_str) == Some("native"));
        Ok(native.filter_map(|it| Some(it.get("name")?.as_str()?.to_owned())).collect())
    }

    /// What was dropped, and why.
    ///
    /// # Errors
    ///
    /// The daemon has ended, or a verb fails.
    pub fn tables(&self) -> Result<Tables> {
        Ok(Tables {
            psaps: self.ask(&["psaps"])?,
            drops: self.ask(&["drops"])?,
            psaps_json: serde_json::from_str(&self.ask(&["psaps", "--json"])?)?,
            drops_json: serde_json::from_str(&self.ask(&["drops", "--json"])?)?,
        })
    }

    /// Ends the daemon and takes the guard off.
    ///
    /// # Errors
    ///
    /// The daemon had ended before, or does not end, or `guard unload` fails.
    pub fn unload(mut self) -> Result<()> {
        if let Some(status) = self.daemon.try_wait()? {
            bail!("`guard run` had ended with {status}:\n{}", self.last_words());
        }
        signal::kill(Pid::from_raw(i32::try_from(self.daemon.id())?), Signal::SIGTERM)?;
        let stop = self.stop.clone();
        if !stop.wait(END, || Ok(self.daemon.try_wait()?.is_some()))? {
            bail!("`guard run` does not end on SIGTERM:\n{}", self.last_words());
        }
        self.ask(&["unload"])?;
        Ok(())
    }

    /// Runs a verb; what it prints.
    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let verb = arguments.join(" ");
        let mut command = self.core.command(&self.binary);
        dress(&mut command, &self.pins, &self.state);
        let output = command.args(arguments).output();
        let output = output.with_context(|| format!("cannot start `guard {verb}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`guard {verb}`: {}: {}", output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Errors mean that it has ended already. The pins go with their file system.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Points a `guard` to this run's directories, whatever the user's environment says.
fn dress(command: &mut Command, pins: &Path, state: &Path) {
    command
        .env("GUARD_PIN_DIR", pins)
        .env("GUARD_STATE_DIR", state)
        .env_remove("RUST_LOG")
        .env("GUARD_LOG_FORMAT", "human");
    // Wherever it is shown from: that is no station of the demo's.
    command.env("SSH_CONNECTION", "");
}

fn configuration(pins: &Path, state: &Path) -> String {
    let psap = |psap: &Psap| {
        let Psap { id, name, device, .. } = psap;
        format!(
            "[[interface]]\nname = \"{device}\"\nrole = \"trusted\"\n\n\
             [[psap]]\nid = \"{id}\"\nname = \"{name}\"\n\
             services = [\"{}/udp\"]\nbind = [\"{device}\"]\n\n",
            psap.service(),
        )
    };
    format!(
        "[guard]\nmode = \"enforce\"\npin-dir = {pins:?}\nstate-dir = {state:?}\n\n\
         [[interface]]\nname = \"{WAN}\"\nrole = \"untrusted\"\n\n\
         [[interface]]\nname = \"carrier0\"\nrole = \"untrusted\"\n\n\
         [[peer]]\nid = \"carrier\"\naddresses = [\"{CARRIER}\"]\n\
         services = [\"{SIP}/udp\"]\nbind = [\"carrier0\"]\n\n{}{}",
        psap(&EAST),
        psap(&WEST),
    )
}
