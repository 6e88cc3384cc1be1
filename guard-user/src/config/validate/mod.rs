//! Validation of a configuration as a whole: what single values cannot know about each other.
//!
//! Each module below holds one family of rules and stops at the first entry that breaks one.
//! Everything here is pure: no rule may look at this host, so that a file that is right on one
//! machine is right on all.

mod binding;
mod breadth;
mod capacity;
mod interfaces;
mod lists;
mod naming;
mod overlap;
mod tunnels;

use std::time::Duration;

use super::Config;
use super::endpoint::{Endpoint, MediaSpec};
use super::error::{At, Fault, Place, Section};
use super::port::Transport;
use super::settings::{Mode, Settings};

/// A watchdog below this would open the guard for a pause of the scheduler.
const WATCHDOG_MIN: Duration = Duration::from_secs(5);
/// A watchdog above this would leave a dead controller's rules in force for too long.
const WATCHDOG_MAX: Duration = Duration::from_secs(600);
/// Less stable time is none.
const CLOSE_AFTER_MIN: Duration = Duration::from_secs(1);
/// The longest that doubling leads to.
const CLOSE_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The first rule that the configuration breaks.
pub(super) fn check(config: &Config, mode: Mode) -> Result<(), Fault> {
    settings(&config.guard)?;
    interfaces::check(config, mode)?;
    naming::check(config)?;
    tunnels::check(config)?;
    binding::check(config)?;
    overlap::check(config)?;
    lists::check(config)?;
    config.gates.check().map_err(|(key, problem)| {
        section(Section::Gates).key(key).fault(problem.reason, problem.next)
    })?;
    breadth::check(config)?;
    for (name, outcome) in [
        (Section::Limits, config.limits.check()),
        (Section::Pins, config.pins.check()),
        (Section::Bursts, config.bursts.check()),
    ] {
        outcome.map_err(|problem| section(name).fault(problem.reason, problem.next))?;
    }
    for (name, outcome) in [
        (Section::Labels, config.labels.check()),
        (Section::Samples, config.samples.check()),
        (Section::Metrics, config.metrics.check()),
    ] {
        outcome
            .map_err(|(key, problem)| section(name).key(key).fault(problem.reason, problem.next))?;
    }
    media(config, mode)?;
    capacity::check(config)
}

/// A section that has no entries.
const fn section(section: Section) -> At<'static> {
    At::new(section, Place::LIVE, "")
}

fn settings(settings: &Settings) -> Result<(), Fault> {
    let at = section(Section::Guard);
    let Settings {
        mode: _,
        watchdog,
        failsafe: _,
        close_after,
        read_group: _,
        oncall_group: _,
        pin_dir,
        state_dir,
        transit: _,
        mpls: _,
        capacity: _,
        log_format: _,
    } = settings;
    if !(WATCHDOG_MIN..=WATCHDOG_MAX).contains(&watchdog.0) {
        return Err(at.key("watchdog").fault(
            format!("a watchdog of {watchdog} is out of range"),
            "write 5s to 10m; 30s is usual",
        ));
    }
    if !(CLOSE_AFTER_MIN..=CLOSE_AFTER_MAX).contains(&close_after.0) {
        return Err(at.key("close-after").fault(
            format!("a stable time of {close_after} is out of range"),
            "write 1s to 1h; 1m is usual",
        ));
    }
    for (key, path) in [("pin-dir", pin_dir), ("state-dir", state_dir)] {
        if !path.is_absolute() {
            return Err(at.key(key).fault(
                format!("{} depends on where the guard is started", path.display()),
                "write a path that begins with /",
            ));
        }
    }
    Ok(())
}

/// Rules about media: none inside itself, and none hidden by TLS once the guard drops.
fn media(config: &Config, mode: Mode) -> Result<(), Fault> {
    for (at, services, media) in reached(config) {
        let tls = services.iter().find(|endpoint| endpoint.transport == Transport::Tls);
        match (tls, media) {
            (Some(tls), None) if mode == Mode::Enforce => {
                return Err(at.fault(
                    format!("the service {tls} hides where its media goes, and no media ranges are configured"),
                    "add media = [\"address:first-last\"], as the element itself is configured",
                ));
            }
            (_, Some([])) => {
                return Err(at.key("media").fault(
                    "the list of media ranges is empty, but signalling without media is no call",
                    "write its ranges, or leave media out for all UDP ports from 1024",
                ));
            }
            _ => media_and_services(at, services, media.unwrap_or_default())?,
        }
    }
    for peer in &config.peer {
        let at = At::new(Section::Peer, peer.place, peer.id.as_str()).key("media");
        if peer.media.as_ref().is_some_and(Vec::is_empty) {
            return Err(at.fault(
                "the list of media ranges is empty, but signalling without media is no call",
                "write its ranges, or leave media out for all UDP ports from 1024",
            ));
        }
    }
    Ok(())
}

/// What calls reach: PSAPs, sites and elements with services of their own.
fn reached(config: &Config) -> impl Iterator<Item = (At<'_>, &[Endpoint], Option<&[MediaSpec]>)> {
    let at = |section, place, id| At::new(section, place, id);
    let psaps = config.psap.iter().map(move |e| {
        (at(Section::Psap, e.place, e.id.as_str()), e.services.as_slice(), e.media.as_deref())
    });
    let sites = config.site.iter().map(move |e| {
        (at(Section::Site, e.place, e.id.as_str()), e.services.as_slice(), e.media.as_deref())
    });
    let elements = config.element.iter().map(move |e| {
        (at(Section::Element, e.place, e.id.as_str()), e.services.as_slice(), e.media.as_deref())
    });
    psaps.chain(sites).chain(elements)
}

/// A written media range must not hold one of the same address's SIP ports: one of the two is a
/// mistake, and what arrives there would be read as SIP.
fn media_and_services(at: At<'_>, services: &[Endpoint], media: &[MediaSpec]) -> Result<(), Fault> {
    for range in media.iter().filter(|range| range.ports != super::port::PortRange::MEDIA) {
        let inside = services.iter().find(|endpoint| {
            let (a, b) = (endpoint.network.net(), range.network.net());
            endpoint.transport == Transport::Udp
                && range.ports.contains(endpoint.port)
                && (a.contains(&b) || b.contains(&a))
        });
        if let Some(endpoint) = inside {
            return Err(at.key("media").fault(
                format!("the service {endpoint} lies inside the media range {range}"),
                "correct one of the two: no element takes SIP and media on the same port",
            ));
        }
    }
    Ok(())
}
