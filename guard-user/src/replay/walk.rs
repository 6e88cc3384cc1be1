//! Where and when each frame of a capture comes in.

use std::time::Duration;

use crate::capture::Frame;
use crate::config::{ConfigError, Problem};
use crate::live::LiveError;
use crate::policy::model::Model;
use crate::trial::{Entrance, Ground, How, Pace};

/// What a frame of a capture is to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It comes in.
    In {
        /// There.
        entrance: Entrance<'a>,
    },
    /// It left the host it was captured on.
    Leaving,
    /// Its link type carries no IP that could be found.
    NoIp,
}

/// A frame, with where and when.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Number in the capture, from 1.
    pub number: u64,
    /// Its time stamp.
    pub at: Option<Duration>,
    /// The frame, beginning with an Ethernet header.
    pub bytes: &'a [u8],
    /// Bytes at its end that the capture left out.
    pub left_out: usize,
    /// What it is.
    pub fate: Fate<'a>,
    /// The data plane's clock when it comes in.
    pub now: u64,
}

/// A walk through a capture.
pub struct Walk<'a> {
    ground: &'a Ground,
    asked: Option<Entrance<'a>>,
    pace: Pace,
    begin: u64,
}

impl<'a> Walk<'a> {
    /// For frames that come in by the interface that was asked for, or where they would.
    ///
    /// # Errors
    ///
    /// The policy has no such interface, or none at all.
    pub fn new(ground: &'a Ground, asked: Option<&str>) -> Result<Self, LiveError> {
        let known: Vec<_> = ground.interfaces.keys().map(String::as_str).collect();
        let wrong = |reason: String| {
            let next = match known.is_empty() {
                true => "add an [[interface]] to it".to_owned(),
                false => format!("name one of {}", known.join(", ")),
            };
            LiveError::Config(ConfigError::internal(Problem::new(reason, next)))
        };
        if known.is_empty() {
            return Err(wrong(format!("{} has no interface for frames to come in", ground.name)));
        }
        let asked =
            match asked {
                None => None,
                Some(name) => {
                    let found = ground.interface(name, How::Asked);
                    Some(found.ok_or_else(|| {
                        wrong(format!("{} has no interface {name:?}", ground.name))
                    })?)
                }
            };
        let mut pace = Pace::from_now();
        Ok(Self { ground, asked, begin: pace.at(None), pace })
    }

    /// The moment in which the first frame comes in.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.begin
    }

    /// The next frame; `model` knows who is bound where.
    pub fn step<'f>(&mut self, frame: &Frame<'f>, model: &Model) -> Step<'f>
    where
        'a: 'f,
    {
        let Frame { number, at, interface, leaving, left_out, bytes, .. } = *frame;
        let now = self.pace.at(at);
        let entrance = |bytes| self.asked.or_else(|| self.ground.entrance(model, interface, bytes));
        let fate = match bytes {
            _ if leaving => Fate::Leaving,
            Some(bytes) => entrance(bytes).map_or(Fate::NoIp, |entrance| Fate::In { entrance }),
            None => Fate::NoIp,
        };
        Step { number, at, bytes: bytes.unwrap_or_default(), left_out, fate, now }
    }
}
