//! What the kernel knows about a device of a namespace: index, hardware address, frames received.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use super::Namespace;

/// The kernel's number of a device.
///
/// # Errors
///
/// There is no such device.
pub fn index(namespace: &Namespace, device: &str) -> Result<u32> {
    namespace.run(|| if_nametoindex(device))?.with_context(|| missing(namespace, device))
}

/// The hardware address of a device.
///
/// # Errors
///
/// There is no such device, or it has no Ethernet address.
pub fn hardware_address(namespace: &Namespace, device: &str) -> Result<[u8; 6]> {
    let text = details(namespace, device)?;
    let address = text
        .pointer("/0/address")
        .and_then(Value::as_str)
        .with_context(|| missing(namespace, device))?;
    let mut bytes = [0; 6];
    let mut parts = address.split(':');
    for byte in &mut bytes {
        let part = parts.next().unwrap_or_default();
        *byte = u8::from_str_radix(part, 16)
            .with_context(|| format!("{device}: {address} is no Ethernet address"))?;
    }
    Ok(bytes)
}

/// Frames that a device has received since it exists, those included that an XDP program dropped.
///
/// # Errors
///
/// There is no such device.
pub fn received(namespace: &Namespace, device: &str) -> Result<u64> {
    let table = namespace
        .run(|| fs::read_to_string("/proc/thread-self/net/dev"))?
        .context("cannot read /proc/thread-self/net/dev")?;
    table
        .lines()
        .filter_map(|line| line.trim().split_once(':'))
        .find(|(name, _)| *name == device)
        // Bytes come first.
        .and_then(|(_, counts)| counts.split_whitespace().nth(1)?.parse().ok())
        .with_context(|| missing(namespace, device))
}

/// Measures how fast frames come in, by the receiver's own count.
#[derive(Debug)]
pub struct Meter<'a> {
    namespace: &'a Namespace,
    device: &'a str,
    since: Instant,
    before: u64,
}

impl<'a> Meter<'a> {
    /// Begins to measure.
    ///
    /// # Errors
    ///
    /// There is no such device.
    pub fn start(namespace: &'a Namespace, device: &'a str) -> Result<Self> {
        let before = received(namespace, device)?;
        Ok(Self { namespace, device, since: Instant::now(), before })
    }

    /// Frames since the start, and how long ago that was.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn read(&self) -> Result<(u64, Duration)> {
        let now = received(self.namespace, self.device)?;
        Ok((now.saturating_sub(self.before), self.since.elapsed()))
    }

    /// Frames a second since the start.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn rate(&self) -> Result<f64> {
        let (frames, time) = self.read()?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is read to three digits; 2^53 frames take years"
        )]
        let frames = frames as f64;
        Ok(frames / time.as_secs_f64().max(f64::EPSILON))
    }
}

/// Waits until something listens on a UDP port of the namespace.
///
/// # Errors
///
/// Nothing does within `patience`.
pub fn await_udp_port(namespace: &Namespace, port: u16, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    let suffix = format!(":{port:04X}");
    loop {
        let table = namespace.run(|| fs::read_to_string("/proc/thread-self/net/udp"))?;
        let listens = table
            .context("cannot read /proc/thread-self/net/udp")?
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .any(|local| local.ends_with(&suffix));
        if listens {
            return Ok(());
        }
        if Instant::now() > deadline {
            let name = namespace.name();
            bail!("nothing listens on UDP port {port} in {name} after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What `ip` says about a device.
fn details(namespace: &Namespace, device: &str) -> Result<Value> {
    let mut command: Command = namespace.command("ip");
    let output = command
        .args(["-json", "link", "show", "dev", device])
        .output()
        .context("cannot start `ip`; is iproute2 installed?")?;
    serde_json::from_slice(&output.stdout).with_context(|| missing(namespace, device))
}

fn missing(namespace: &Namespace, device: &str) -> io::Error {
    let name = namespace.name();
    io::Error::new(ErrorKind::NotFound, format!("there is no device {device} in {name}"))
}

/// Gives each CPU a queue of the device to send by (transmit packet steering), as drivers of NICs
/// do. Of a veth that is also the far end's queue to receive by, so what one CPU sends never
/// waits behind what another does.
///
/// # Errors
///
/// There is no such device, it has more queues than there are CPUs, or the kernel has no packet
/// steering.
pub fn queue_per_cpu(namespace: &Namespace, device: &str) -> Result<()> {
    let queues = format!("/sys/class/net/{device}/queues");
    let steer = || -> Result<()> {
        // Devices show in the sysfs that was mounted in their namespace; this mount ends with
        // the thread.
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing)?;
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), nothing)?;
        let queue = |cpu: usize| PathBuf::from(format!("{queues}/tx-{cpu}"));
        for cpu in (0..).take_while(|cpu| queue(*cpu).is_dir()) {
            fs::write(queue(cpu).join("xps_cpus"), cpu_mask(cpu))?;
        }
        Ok(())
    };
    namespace
        .run(steer)?
        .with_context(|| format!("cannot give each CPU a queue of {device} by {queues}"))
}

/// A mask with one CPU as the kernel reads it: hexadecimal words of 32 bits, the highest first.
fn cpu_mask(cpu: usize) -> String {
    let mut mask = format!("{:x}", 1_u32 << (cpu % 32));
    mask.push_str(&",00000000".repeat(cpu / 32));
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_the_bit_of_its_cpu() {
        assert_eq!(cpu_mask(0), "1");
        assert_eq!(cpu_mask(5), "20");
        assert_eq!(cpu_mask(33), "2,00000000");
    }
}
