//! What came through of a flood: a decider that lets pass more, or drops for another reason, than
//! it is there for would be measured at something else.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use guard_common::class::Kind;
use guard_user::config::{Limits, Rate};

use super::frames::XDP_DROP;
use crate::flood::shape::Shape;
use crate::netns::Namespace;

/// Frames that reached the stack of a host that does not route, for an address behind it.
#[derive(Debug)]
pub struct Passed<'a> {
    host: &'a Namespace,
    since: Instant,
    before: u64,
}

impl<'a> Passed<'a> {
    /// Begins to count.
    ///
    /// # Errors
    ///
    /// The kernel does not say.
    pub fn start(host: &'a Namespace) -> Result<Self> {
        Ok(Self { host, since: Instant::now(), before: without_way(host)? })
    }

    /// An error unless as many passed as may: nothing, or what is within the default limits of
    /// that shape, from so many sources beside one, decided by so many CPUs.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn verify(&self, shape: Shape, spoofed: u32, cpus: usize, is_limit: bool) -> Result<()> {
        let passed = without_way(self.host)?.saturating_sub(self.before);
        let most = if is_limit { within(shape, spoofed, self.since.elapsed(), cpus) } else { 0 };
        ensure!(
            passed <= most && (passed > 0 || !is_limit),
            "{passed} frames passed and not up to {most}: the bench does not measure what it says"
        );
        Ok(())
    }
}

/// How many frames the limits let pass in a time. CPUs that look into a bucket at once may all
/// find the same room.
fn within(shape: Shape, spoofed: u32, time: Duration, cpus: usize) -> u64 {
    let (source, psap) = Limits::default().of(kind(shape));
    let (rate, burst) = if spoofed == 0 { source } else { psap };
    let Rate::Limit { frames, per } = rate else { return u64::MAX };
    let since = u128::from(frames) * time.as_nanos() / u128::from(per.max(1));
    let each = burst.saturating_add(u64::try_from(since).unwrap_or(u64::MAX));
    each.saturating_mul(u64::try_from(cpus).unwrap_or(u64::MAX))
}

/// An error unless a guard dropped most frames for being over the limits of that shape.
///
/// # Errors
///
/// That one.
pub fn verify_reason(shape: Shape, most: Option<(u32, &'static str)>) -> Result<()> {
    let kind = kind(shape).name();
    let is_right = most.is_some_and(|(action, reason)| {
        let over = reason.strip_prefix(kind);
        action == XDP_DROP && matches!(over, Some("_over_source" | "_over_psap"))
    });
    ensure!(is_right, "{most:?} and not over a limit of {kind}: another flood is measured");
    Ok(())
}

/// What frames of a shape are to a guard, at the ports that they are sent to.
const fn kind(shape: Shape) -> Kind {
    match shape {
        Shape::Udp => Kind::Udp,
        Shape::Sip => Kind::Sip,
        Shape::Syn => Kind::Syn,
        Shape::Fragment => Kind::Fragment,
    }
}

/// The kernel's count of IPv4 packets that it had no way for.
fn without_way(host: &Namespace) -> Result<u64> {
    let text = host.run(|| fs::read_to_string("/proc/thread-self/net/snmp"))??;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = lines.next().zip(lines.next()).context("no counts of IPv4")?;
    let mut counts = names.split(' ').zip(values.split(' '));
    let count = counts.find(|(name, _)| *name == "InAddrErrors");
    count.and_then(|(_, value)| value.parse().ok()).context("the kernel does not count them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_a_burst_and_what_comes_after() {
        let second = Duration::from_secs(1);
        assert_eq!(within(Shape::Sip, 0, second, 1), 60 + 20);
        assert_eq!(within(Shape::Sip, 1, second / 2, 1), 1000 + 250);
        assert_eq!(within(Shape::Fragment, 0, second, 2), 2 * (20 + 10));
    }

    #[test]
    fn a_flood_dropped_for_another_reason_is_another_flood() {
        assert!(verify_reason(Shape::Syn, Some((XDP_DROP, "syn_over_psap"))).is_ok());
        assert!(verify_reason(Shape::Syn, Some((XDP_DROP, "tcp_over_psap"))).is_err());
        assert!(verify_reason(Shape::Syn, Some((XDP_DROP, "syn_within"))).is_err());
        assert!(verify_reason(Shape::Syn, None).is_err());
    }
}
