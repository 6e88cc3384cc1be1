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
    let mut found = versions(release());
    found.push(types());
    found.extend(program(config));
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

fn versions(known: Option<(String, (u32, u32))>) -> Vec<Finding> {
    let Some((release, version)) = known else {
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

const JIT_OFF: &str = "the JIT is off: programs are interpreted, ten times as slow";
const JIT_NEXT: &str = "`sysctl -w net.core.bpf_jit_enable=1`, and in /etc/sysctl.d to keep it so";

/// What the kernel made of our own program; other network namespaces do not see its switch.
fn compiled(is_compiled: bool) -> Finding {
    match is_compiled {
        true => Finding::ok(TOPIC, "jit", "programs are compiled (JIT)"),
        false => Finding::fail(TOPIC, "jit", JIT_OFF, JIT_NEXT),
    }
}

/// What the kernel's switch says, for who may load nothing.
fn switch() -> Finding {
    let path = "/proc/sys/net/core/bpf_jit_enable";
    match fs::read_to_string(path).map(|text| text.trim().to_owned()) {
        Ok(on) if on == "0" => Finding::fail(TOPIC, "jit", JIT_OFF, JIT_NEXT),
        Ok(_) => compiled(true),
        Err(error) => {
            Finding::unknown(TOPIC, "jit", format!("{path}: {error}"), "run this as root")
        }
    }
}

/// A policy for who has none.
const ANY: &str = "[[interface]]\nname = 'lo'\nrole = 'trusted'\n\
    [[psap]]\nid = 'x'\nservices = ['192.0.2.1:5060/udp']\n";
/// An Ethernet frame of nobody's protocol.
const FRAME: [u8; 60] = [0; 60];

/// The whole proof: the verifier, all map types, `bpf_loop`, BTF, the JIT, a frame by test run.
fn program(config: Option<&Config>) -> [Finding; 2] {
    let subject = "program";
    if !rights::may_load() {
        let text = "whether the kernel takes the guard's program cannot be tried";
        return [Finding::unknown(TOPIC, subject, text, "run this as root"), switch()];
    }
    match tried(config) {
        Ok((instructions, is_compiled)) => {
            let looked_at = instructions
                .map_or(String::new(), |count| format!(" ({count} instructions looked at)"));
            let text = format!("it takes the guard's program{looked_at} and runs a frame");
            [Finding::ok(TOPIC, subject, text), compiled(is_compiled)]
        }
        Err(error) => {
            let next = "see the kernel table in README.md; report it with `uname -a` if this \
                        kernel is in it";
            [Finding::fail(TOPIC, subject, one_line(&error.to_string()), next), switch()]
        }
    }
}

fn tried(config: Option<&Config>) -> Result<(Option<u32>, bool), KernelError> {
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
    Ok((guard.verified_instructions()?, guard.is_compiled()?))
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

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    /// The marks of a release, by subject.
    fn marks(version: (u32, u32)) -> Vec<(String, Mark)> {
        let found = versions(Some((format!("{}.{}", version.0, version.1), version)));
        found.into_iter().map(|finding| (finding.subject, finding.mark)).collect()
    }

    #[test]
    fn a_kernel_that_is_too_old_fails() {
        for (version, mark) in
            [((4, 19), Mark::Fail), ((5, 17), Mark::Fail), ((5, 18), Mark::Ok), ((6, 1), Mark::Ok)]
        {
            assert!(marks(version).contains(&("version".to_owned(), mark)), "{version:?}");
        }
        assert_eq!(versions(None).first().map(|finding| finding.mark), Some(Mark::Unknown));
    }

    #[test]
    fn readers_without_capabilities_need_a_newer_one() {
        let warned = ("readers".to_owned(), Mark::Warn);
        assert!(marks((5, 18)).contains(&warned));
        assert!(!marks((5, 19)).contains(&warned));
        // Without TCX the guard does as well.
        assert!(marks((6, 5)).contains(&("tcx".to_owned(), Mark::Ok)));
    }
}
