//! An ESRP made by others: Kamailio as a proxy that stays in the path of each call.

use std::fs;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guard_process::eventually;
use crate::netns::{Namespace, device};

const SETTINGS: &str = include_str!("../../scenarios/calls/esrp.cfg");

/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(15);

/// A running Kamailio; gone with all its processes when dropped.
#[derive(Debug)]
pub struct Esrp {
    child: Child,
    output: PathBuf,
}

impl Esrp {
    /// Starts to proxy what comes to one address on to another, over UDP and TCP.
    ///
    /// # Errors
    ///
    /// Kamailio is missing, or cannot listen there.
    pub fn start(
        namespace: &Namespace,
        folder: &Path,
        at: SocketAddrV4,
        desk: SocketAddrV4,
    ) -> Result<Self> {
        let (settings, output) = (folder.join("esrp.cfg"), folder.join("esrp.out"));
        let text = SETTINGS.replace("SELF", &at.to_string()).replace("DESK", &desk.to_string());
        fs::write(&settings, text)?;
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o644))?;
        let file = fs::File::create(&output)?;
        // Kamailio is many processes; in a process namespace they end with their first.
        let child = namespace
            .command("unshare")
            .args(["--pid", "--fork", "--kill-child", "kamailio", "-DD", "-E", "-m", "64"])
            .arg("-f")
            .arg(&settings)
            .arg("-Y")
            .arg(folder)
            .stdout(Stdio::from(file.try_clone()?))
            .stderr(Stdio::from(file))
            .spawn()
            .context("cannot start `kamailio`; run `cargo xtask setup`")?;
        let mut esrp = Self { child, output };
        let ready = |esrp: &mut Self| {
            let ended = esrp.child.try_wait().is_ok_and(|status| status.is_some());
            ended || device::await_udp_port(namespace, at.port(), Duration::ZERO).is_ok()
        };
        if !eventually(READY, || ready(&mut esrp)) || esrp.child.try_wait()?.is_some() {
            bail!("kamailio does not get ready: {}", esrp.said());
        }
        Ok(esrp)
    }

    /// What it said: at this level of its log, complaints.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Esrp {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
