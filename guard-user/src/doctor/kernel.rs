//! The kernel: old enough to know better, and whether it takes the guard's own program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use nix::sys::utsname::uname;

use super::{Finding, rights};
use crate::config::{Config, Format};
use crate::kernel::private::PrivateGuard;
use crate::kernel::{KernelError, clock as monotonic, netdev};
use crate::policy::{self, Clock, Inputs, slots};

const TOPIC: &str = "kernel";
/// Multi-buffer XDP.
const OLDEST: (u32, u32) = (5, 18);
/// TCX links.
const TCX: (u32, u32) = (6, 6);
/// A process without CAP_BPF may open maps for reading.
const READERS: (u32, u32) = (5, 19);

pub fn look(config: Option<&Config>) -> Vec<Finding> {
    let mut found = versions();
    found.push(types());
    found.push(compiler());
    found.push(program(config));
    found.push(features());
    found
}

fn release() -> Option<(String, (u32, u32))> {
    let name = uname().ok()?;
    let release = name.release().to_str()?.to_owned();
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((release, version))
}

fn versions() -> Vec<Finding> {
    let Some((release, version)) = release() else {
        return vec![Finding::unknown(TOPIC, "version", "uname says nothing", "`uname -r`")];
    };
    let mut found = vec![if version < OLDEST {
        Finding::fail(
            TOPIC,
            "version",
            format!("Linux {release} is too old: frames above a page would not be seen"),
            "install 5.18 or newer; Debian 12 has 6.1",
        )
    } else {
        Finding::ok(TOPIC, "version", format!("Linux {release}"))
    }];
    if version < READERS {
        found.push(Finding::warn(
            TOPIC,
            "readers",
            "`read-group` cannot read maps without capabilities on this kernel",
            "Linux 5.19 or newer; until then root reads",
        ));
    }
    found.push(if version < TCX {
        Finding::ok(TOPIC, "tcx", "no TCX links before 6.6: clsact filters watch what leaves")
    } else {
        Finding::ok(TOPIC, "tcx", "TCX links, by which what leaves is watched")
    });
    found
}

fn types() -> Finding {
    let path = "/sys/kernel/btf/vmlinux";
    match Path::new(path).try_exists() {
        Ok(true) => Finding::ok(TOPIC, "btf", "the kernel describes its types (BTF)"),
        Ok(false) => Finding::fail(
            TOPIC,
            "btf",
            format!("no {path}: programs cannot be fitted to this kernel"),
            "a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it",
        ),
        Err(error) => Finding::unknown(TOPIC, "btf", format!("{path}: {error}"), "run as root"),
    }
}

fn compiler() -> Finding {
    let path = "/proc/sys/net/core/bpf_jit_enable";
    let next = "`sysctl -w net.core.bpf_jit_enable=1`, and in /etc/sysctl.d to keep it so";
    match fs::read_to_string(path).map(|text| text.trim().to_owned()) {
        Ok(on) if on == "1" => Finding::ok(TOPIC, "jit", "programs are compiled (JIT)"),
        Ok(on) if on == "2" => Finding::warn(
            TOPIC,
            "jit",
            "programs are compiled, and dumped to the kernel's log",
            next,
        ),
        Ok(_) => Finding::fail(
            TOPIC,
            "jit",
            "the JIT is off: programs are interpreted, ten times as slow, or refused",
            next,
        ),
        // Where it is always on, some kernels have no switch; containers do not show it.
        Err(error) => Finding::unknown(TOPIC, "jit", format!("{path}: {error}"), next),
    }
}

/// A policy for who has none.
const ANY: &str = "[[interface]]\nname = 'lo'\nrole = 'trusted'\n\
    [[psap]]\nid = 'x'\nservices = ['192.0.2.1:5060/udp']\n";
/// An Ethernet frame of nobody's protocol.
const FRAME: [u8; 60] = [0; 60];

/// The whole proof: the verifier, all map types, `bpf_loop`, BTF, and a frame by test run.
fn program(config: Option<&Config>) -> Finding {
    let subject = "program";
    if !rights::may_load() {
        let text = "whether the kernel takes the guard's program cannot be tried";
        return Finding::unknown(TOPIC, subject, text, "run this as root");
    }
    match tried(config) {
        Ok(instructions) => Finding::ok(
            TOPIC,
            subject,
            match instructions {
                Some(count) => format!(
                    "it takes the guard's program ({count} instructions looked at) and runs a frame"
                ),
                None => "it takes the guard's program and runs a frame".to_owned(),
            },
        ),
        Err(error) => Finding::fail(
            TOPIC,
            subject,
            one_line(&error.to_string()),
            "see the kernel table in README.md; report it with `uname -a` if this kernel is in it",
        ),
    }
}

fn tried(config: Option<&Config>) -> Result<Option<u32>, KernelError> {
    let internal = |error: crate::config::ConfigError| KernelError::map("POLICY", error);
    let any = Config::parse("doctor", ANY, Format::Toml).map_err(internal)?;
    let config = config.unwrap_or(&any);
    let slots = slots::assign(&BTreeMap::new(), config);
    // As if none of them were there at present.
    let names = config.interface.iter().map(|entry| (entry.name.clone(), 0));
    let inputs = Inputs {
        slots: &slots,
        capacity: slots::capacity(&slots, config),
        interfaces: &names.collect(),
        host: &[],
        clock: Clock { wall: SystemTime::now(), monotonic: monotonic::now() },
        generation: 1,
        hash_key: 1,
    };
    let tables = policy::build(config, &inputs).map_err(internal)?;
    let mut guard = PrivateGuard::load(&tables)?;
    guard.run(&FRAME, 1)?;
    guard.verified_instructions()
}

fn features() -> Finding {
    match netdev::xdp_features(1) {
        Ok(Some(_)) => Finding::ok(TOPIC, "xdp-features", "drivers say what XDP they can do"),
        Ok(None) => Finding::unknown(
            TOPIC,
            "xdp-features",
            "this kernel does not tell what XDP a driver can do (6.3 and newer do)",
            "go by the names of drivers below, and try: `attach = \"native\"` fails where it cannot be",
        ),
        Err(error) => Finding::unknown(TOPIC, "xdp-features", error.to_string(), "run as root"),
    }
}

/// An error on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
