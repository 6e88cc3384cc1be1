//! Whole captures through one policy, or through what is live and what would be.
//!
//! ```text
//! capture -> walk: where and when a frame comes in -> trial -> summary, differences
//! ```
//!
//! Frames are judged as if the guard enforced, with nothing in its state at first: a capture that
//! comes in from now on, at its own pace. What left the host it was captured on is not judged:
//! no XDP program sees it. Memory is bounded by the number of PSAPs and reasons.

mod change;
mod line;
mod summary;
mod walk;

pub use self::change::{Change, Changes};
pub use self::line::{FrameLine, Judgement, time};
pub use self::summary::{Disagreement, Ran, Row, Summary};
pub use self::walk::{Fate, Step, Walk};

use crate::capture::{Capture, CaptureError};
use crate::live::LiveError;
use crate::trial::{Ground, Trial};

/// Hears of each frame, and of how many bytes of the capture are done and there.
pub type Tell<'a> = dyn FnMut(&FrameLine<'_>, (u64, Option<u64>)) + 'a;

/// What a capture came to: as far as it could be read.
pub struct Replayed {
    /// All frames, counted.
    pub summary: Summary,
    /// What is wrong with the capture, if it is broken.
    pub broken: Option<CaptureError>,
}

/// Replays a capture before and, perhaps, after a change; tells each frame. `asked` is the
/// interface by which all frames come in.
///
/// # Errors
///
/// A policy without interfaces, or without the one that was asked for.
pub fn replay(
    capture: &mut Capture,
    before: &Ground,
    after: Option<&Ground>,
    asked: Option<&str>,
    tell: &mut Tell<'_>,
) -> Result<Replayed, LiveError> {
    let mut walk = Walk::new(before, asked)?;
    let mut one = Side::new(before, walk.now());
    let mut other = after.map(|ground| Side::new(ground, walk.now()));
    let mut summary = Summary::new(after.is_some());
    let broken = loop {
        let progress = capture.progress();
        let frame = match capture.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let step = walk.step(&frame, one.trial.host().model());
        let judged = one.judge(&step);
        let changed = other.as_mut().map(|side| side.judge(&step));
        let line = FrameLine::new(&step, judged, changed);
        summary.count(&line);
        tell(&line, progress);
    };
    summary.close(one, other);
    Ok(Replayed { summary, broken })
}

/// A policy and what frames are run through on it.
struct Side<'a> {
    ground: &'a Ground,
    trial: Trial,
}

impl<'a> Side<'a> {
    fn new(ground: &'a Ground, now: u64) -> Self {
        Self { ground, trial: Trial::fresh(ground, now) }
    }

    /// What becomes of a frame; `None` if it is none that the guard sees.
    fn judge(&mut self, step: &Step<'_>) -> Option<Judgement<'a>> {
        let Fate::In { entrance } = step.fate else { return None };
        // The other policy may not have the interface: then nobody looks at it.
        let index = *self.ground.interfaces.get(entrance.name)?;
        let outcome = self.trial.run(step.number, step.bytes, index, step.now);
        Some(Judgement::new(outcome, self.ground))
    }
}
