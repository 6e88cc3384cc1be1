//! One phase: everybody calls for some seconds, flooded or not, guarded or not.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::figures::{CallerFigures, Figures};
use super::options::{Options, Tools};
use super::screen::Screen;
use super::stage::{self, CARRIER, EAST, Psap, SIP, STRANGER, Stage, UPLINK, WAN, WEST};
use super::stop::Stop;
use super::workplace::Workplace;
use crate::flood::frame::{Path4, invite, udp};
use crate::flood::{Flood, Plan};
use crate::netns::Namespace;
use crate::netns::device::Meter;
use crate::sip::ear::{Ear, Log};
use crate::sip::{Calls, Uac, Uas};

/// How long a caller waits for an answer. An INVITE that nothing answers within four seconds is
/// an outage to the guard's own detectors, too.
const PATIENCE: Duration = Duration::from_secs(4);
/// After the last call was given up, how long the rest may take: the calls' half second and BYE.
const ENDING: Duration = Duration::from_millis(1500);
/// How long a flood flows before calls begin.
const WARM_UP: Duration = Duration::from_millis(500);

/// The phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Calls and nothing else.
    Quiet,
    /// Calls and the flood, no guard.
    Unguarded,
    /// Calls, the flood and the guard.
    Guarded,
}

impl Phase {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Unguarded => "flood, no guard",
            Self::Guarded => "flood, guard",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::Quiet => "1-quiet",
            Self::Unguarded => "2-unguarded",
            Self::Guarded => "3-guarded",
        }
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// A configured peer, which dials 911.
    Carrier,
    /// Somebody unknown, who dials the service URN.
    Stranger,
}

impl Caller {
    /// The name in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Carrier => "carrier",
            Self::Stranger => "stranger",
        }
    }

    const fn address(self) -> Ipv4Addr {
        match self {
            Self::Carrier => CARRIER,
            Self::Stranger => STRANGER,
        }
    }

    const fn namespace(self, stage: &Stage) -> &Namespace {
        match self {
            Self::Carrier => &stage.carrier,
            Self::Stranger => &stage.stranger,
        }
    }

    /// Numbers from 555-0100 to 555-0199 belong to nobody.
    const fn number(self) -> &'static str {
        match self {
            Self::Carrier => "+14135550143",
            Self::Stranger => "+14135550177",
        }
    }

    fn uri(self, psap: &Psap) -> String {
        match self {
            Self::Carrier => format!("sip:911@{}", psap.address),
            Self::Stranger => "urn:service:sos".to_owned(),
        }
    }
}

/// Everything a phase needs.
#[derive(Debug)]
pub struct Company<'a> {
    /// Where it plays.
    pub stage: &'a Stage,
    /// Where files go.
    pub workplace: &'a Workplace,
    /// What floods.
    pub tools: &'a Tools,
    /// How long and how many.
    pub options: &'a Options,
    /// The flood's CPU.
    pub cpu: Option<usize>,
    /// The PSAPs' receive buffers.
    pub buffer: usize,
}

impl Company<'_> {
    /// Plays a phase.
    ///
    /// # Errors
    ///
    /// Interrupted, or something could not be started or read.
    pub fn play(&self, phase: Phase, screen: &Screen, stop: &Stop) -> Result<Figures> {
        let folder = self.workplace.folder(phase.folder())?;
        let show = screen.begin(phase.name(), self.longest());
        let stage = self.stage;
        let answer = |namespace, psap: &Psap| {
            Uas::start_with_buffer(namespace, &folder, psap.id, psap.service(), self.buffer)
        };
        let _psaps = [answer(&stage.east, &EAST)?, answer(&stage.west, &WEST)?];
        let flood = match phase {
            Phase::Quiet => None,
            Phase::Unguarded | Phase::Guarded => Some(self.flood(stop)?),
        };
        let ears = [Ear::open(&stage.carrier)?, Ear::open(&stage.stranger)?];
        let meter = Meter::start(&stage.core, WAN)?;
        let mut callers = self.callers(&folder)?;
        let begun = Instant::now();
        stop.wait(self.longest(), || {
            let rate = if flood.is_some() { Some(meter.rate()?) } else { None };
            show.update(begun.elapsed(), heard(&ears), rate);
            let mut ended = true;
            for caller in &mut callers {
                ended &= caller.uac.has_ended()?;
            }
            Ok(ended)
        })?;
        let flood_rate = match flood {
            None => None,
            Some(flood) => {
                let rate = meter.rate()?;
                flood.stop()?;
                Some(rate)
            }
        };
        let mut log = Log::new();
        for ear in ears {
            log.extend(ear.close()?);
        }
        let figures = Figures { phase, flood_rate, callers: finish(callers, &log)? };
        show.end(&figures);
        Ok(figures)
    }

    /// How long a phase can take: all calls begun, the last given up, and all hung up.
    fn longest(&self) -> Duration {
        Duration::from_secs(self.options.seconds.into()) + PATIENCE + ENDING
    }

    fn flood(&self, stop: &Stop) -> Result<Flood> {
        let path = self.stage.attack(&EAST)?;
        let plan = Plan {
            frames: match self.options.flood {
                Some(shape) => vec![shape.frame(&path)?],
                None => mixed(&path)?,
            },
            spoofed: stage::SPOOFED_BITS,
            cpu: self.cpu,
        };
        let internet = &self.stage.internet;
        let flood = Flood::start(&self.tools.generator, internet, UPLINK, plan)?;
        stop.wait(WARM_UP, || Ok(false))?;
        Ok(flood)
    }

    fn callers(&self, folder: &Path) -> Result<Vec<Calling>> {
        let Options { seconds, rate, .. } = self.options;
        let mut callers = Vec::new();
        for caller in [Caller::Carrier, Caller::Stranger] {
            for (port, psap) in (SIP..).step_by(10).zip([EAST, WEST]) {
                let name = format!("{}-{}", caller.name(), psap.id);
                let calls = Calls {
                    from: SocketAddrV4::new(caller.address(), port),
                    to: psap.service(),
                    uri: caller.uri(&psap),
                    number: caller.number().to_owned(),
                    count: seconds * rate,
                    rate: *rate,
                };
                let uac = Uac::start(caller.namespace(self.stage), folder, &name, &calls)
                    .with_context(|| format!("starting {name}"))?;
                callers.push(Calling { caller, psap, name, uac });
            }
        }
        Ok(callers)
    }
}

/// Mostly calls that are none, which are work for whoever gets them, and some noise.
fn mixed(path: &Path4) -> Result<Vec<Vec<u8>>> {
    let invite = invite(path)?;
    Ok(vec![udp(path, b"")?, invite.clone(), invite.clone(), invite])
}

/// A caller at work.
struct Calling {
    caller: Caller,
    psap: Psap,
    name: String,
    uac: Uac,
}

fn heard(ears: &[Ear]) -> (usize, usize) {
    let both = ears.iter().map(Ear::so_far);
    both.fold((0, 0), |sum, ear| (sum.0 + ear.0, sum.1 + ear.1))
}

fn finish(mut callers: Vec<Calling>, log: &Log) -> Result<Vec<CallerFigures>> {
    for caller in &mut callers {
        caller.uac.hang_up()?;
    }
    let mut figures = Vec::new();
    for Calling { caller, psap, name, uac } in callers {
        let tally = uac.finish()?;
        figures.push(CallerFigures::of(caller, &psap, &name, tally, log, PATIENCE));
    }
    Ok(figures)
}
