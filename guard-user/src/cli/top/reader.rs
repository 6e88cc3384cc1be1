//! Where the figures come from: counters when asked, samples from a thread that follows them.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use guard_user::drops::{Drop, Follow};
use guard_user::live::{Live, LiveError};
use guard_user::report::{self, Asked, DropRow, PsapRow, Pulse};

/// Samples that wait to be shown; what is more is left out.
const WAITING: usize = 4096;
/// How long a follower that failed waits.
const RESPITE: Duration = Duration::from_secs(2);

/// All figures of a moment.
pub struct Reading {
    /// How the guard is.
    pub pulse: Pulse,
    /// Counters by PSAP.
    pub psaps: Vec<PsapRow>,
    /// Counters by PSAP and reason.
    pub drops: Vec<DropRow>,
}

/// What the follower has.
pub enum Sampled {
    /// A frame that was dropped, or would have been.
    Drop(Box<Drop>),
    /// Why there are none.
    Failed(String),
}

/// Reads them.
pub struct Reader<'a> {
    live: &'a Live,
    samples: Receiver<Sampled>,
}

impl<'a> Reader<'a> {
    /// Begins to follow samples.
    pub fn new(live: &'a Live) -> Self {
        let (to, samples) = sync_channel(WAITING);
        let followed = live.clone();
        // It ends with the process, which nothing keeps.
        let thread = thread::Builder::new().name("samples".to_owned());
        let _ = thread.spawn(move || follow(&followed, &to));
        Self { live, samples }
    }

    /// The figures now.
    pub fn read(&mut self) -> Result<Reading, LiveError> {
        let (live, all) = (self.live, Asked::default());
        Ok(Reading {
            pulse: report::pulse(live)?,
            psaps: report::psaps(live, &all)?,
            drops: report::drops(live, &all)?,
        })
    }

    /// Samples since the last call.
    pub fn samples(&self) -> Vec<Sampled> {
        let mut samples = Vec::new();
        loop {
            match self.samples.try_recv() {
                Ok(sampled) => samples.push(sampled),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return samples,
            }
        }
    }
}

/// Follows samples, again and again if that fails.
fn follow(live: &Live, to: &SyncSender<Sampled>) {
    loop {
        let error = match Follow::new(live) {
            Ok(mut follow) => loop {
                let next = follow.next(&mut |drop| {
                    // Where there is no room, the newest are left out: they are samples anyway.
                    let _ = to.try_send(Sampled::Drop(Box::new(drop)));
                });
                if let Err(error) = next {
                    break error;
                }
            },
            Err(error) => error,
        };
        let _ = to.try_send(Sampled::Failed(error.to_string()));
        thread::sleep(RESPITE);
    }
}
