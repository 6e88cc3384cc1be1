//! What this process may do: capabilities and limits. The daemon's own are those of its unit.

use std::fs;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::Finding;

const TOPIC: &str = "rights";
/// Capabilities the guard needs, by bit and name.
const NEEDED: [(u32, &str); 3] = [(12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON"), (39, "CAP_BPF")];
/// Has them all.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_IPC_LOCK: u32 = 14;
/// What program, libraries and the first heap take, with room: packaging/guard.service says the same.
const LOCKED: u64 = 64 << 20;

pub fn look() -> Vec<Finding> {
    let mask = capabilities();
    let has = |bit: u32| mask.is_some_and(|mask| mask & 1 << bit != 0);
    let locked = getrlimit(Resource::RLIMIT_MEMLOCK).map(|(soft, _)| soft);
    vec![needed(mask), memory(has(CAP_IPC_LOCK), locked), priority()]
}

/// The mask of effective capabilities.
pub fn capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether this process may load programs.
pub fn may_load() -> bool {
    capabilities().is_some_and(|mask| missing(mask).is_empty())
}

fn missing(mask: u64) -> Vec<&'static str> {
    if mask & 1 << CAP_SYS_ADMIN != 0 && mask & 1 << 12 != 0 {
        return Vec::new();
    }
    NEEDED.iter().filter(|(bit, _)| mask & 1 << bit == 0).map(|(_, name)| *name).collect()
}

fn needed(mask: Option<u64>) -> Finding {
    let subject = "capabilities";
    let Some(mask) = mask else {
        let next = "mount /proc, or look with `capsh --print`";
        return Finding::unknown(TOPIC, subject, "/proc/self/status says nothing", next);
    };
    let missing = missing(mask);
    if missing.is_empty() {
        return Finding::ok(TOPIC, subject, "this process may load and attach programs");
    }
    Finding::unknown(
        TOPIC,
        subject,
        format!("this process has no {}: some of what follows is not known", missing.join(", ")),
        "run this as root; the daemon gets its own by its unit, guard.service",
    )
}

/// Whether so many bytes of memory may be locked, or as many as one likes.
fn memory(may_lock: bool, limit: nix::Result<u64>) -> Finding {
    let subject = "memory-lock";
    match limit {
        Ok(soft) if may_lock || soft == RLIM_INFINITY || soft >= LOCKED => {
            Finding::ok(TOPIC, subject, "the heartbeat's memory can be locked")
        }
        Ok(soft) => Finding::warn(
            TOPIC,
            subject,
            format!("{} KiB of memory may be locked: a disk can hold up the heartbeat", soft >> 10),
            "LimitMEMLOCK=64M in the unit, or `ulimit -l 65536`",
        ),
        Err(error) => Finding::unknown(TOPIC, subject, error.to_string(), "`ulimit -l`"),
    }
}

fn priority() -> Finding {
    let subject = "real-time";
    const CAP_SYS_NICE: u32 = 23;
    let may = capabilities().is_some_and(|mask| mask & 1 << CAP_SYS_NICE != 0);
    // nix has no name for it on every libc.
    let limit = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limit.lines().find_map(|line| line.strip_prefix("Max realtime priority"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    match soft {
        _ if may => Finding::ok(TOPIC, subject, "the heartbeat may have a real-time priority"),
        Some(5..) => Finding::ok(TOPIC, subject, "the heartbeat may have a real-time priority"),
        _ => Finding::warn(
            TOPIC,
            subject,
            "no real-time priority for the heartbeat: a flood may hold it up",
            "LimitRTPRIO=5 in the unit, or CAP_SYS_NICE",
        ),
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::super::Mark;
    use super::*;

    #[test]
    fn memory_that_cannot_be_locked_is_a_warning() {
        let marks = |may_lock, limit| memory(may_lock, limit).mark;
        for limit in [LOCKED, RLIM_INFINITY] {
            assert_eq!(marks(false, Ok(limit)), Mark::Ok, "{limit}");
        }
        assert_eq!(marks(true, Ok(0)), Mark::Ok, "a capability stands above the limit");
        assert_eq!(marks(false, Err(Errno::EPERM)), Mark::Unknown);
        let found = memory(false, Ok(LOCKED - 1));
        assert_eq!(found.mark, Mark::Warn);
        assert!(found.text.starts_with("65535 KiB"), "{}", found.text);
        assert!(found.next.is_some_and(|next| next.contains("LimitMEMLOCK")));
    }

    #[test]
    fn rights_that_are_missing_are_named() {
        let all = NEEDED.iter().fold(0, |mask, (bit, _)| mask | 1 << bit);
        assert_eq!(needed(Some(all)).mark, Mark::Ok);
        // CAP_SYS_ADMIN stands for those to load, not for that to attach.
        assert_eq!(needed(Some(1 << CAP_SYS_ADMIN | 1 << 12)).mark, Mark::Ok);
        assert_eq!(needed(Some(1 << CAP_SYS_ADMIN)).mark, Mark::Unknown);
        assert_eq!(needed(None).mark, Mark::Unknown);
        let found = needed(Some(1 << 12));
        assert!(found.text.contains("no CAP_PERFMON, CAP_BPF:"), "{}", found.text);
        // The unit's name, which is the same wherever it is installed.
        assert!(found.next.is_some_and(|next| next.ends_with("its unit, guard.service")));
    }
}
