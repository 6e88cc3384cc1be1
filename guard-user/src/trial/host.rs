//! The brain in memory, with the controller's part beside it.

use std::cell::RefCell;
use std::rc::Rc;

use guard_common::abi::copy::{COPY_BYTES, COPY_RECORDS, CopyHeader};
use guard_common::abi::state::{Cell, Cells, PORT_WORDS};
use guard_common::guard::{Scratch, process};
use guard_common::reason::Reason;
use guard_common::tables::Tables as _;
use guard_common::verdict::{Switches, Verdict};

use crate::calls::Follower;
use crate::calls::copies::Copy;
use crate::calls::counts::Counts;
use crate::calls::directory::Directory;
use crate::calls::pins::{Pin, Ports};
use crate::policy::PolicyTables;
use crate::policy::model::Model;

/// How often the controller sees after its calls, in nanoseconds.
const TICK: u64 = 1_000_000_000;
/// Ticks that are made up for at once: by then every call has ended.
const TICKS_MAX: u64 = 60;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it passes.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Slot under which it was counted.
    pub slot: u32,
    /// Counter that took it.
    pub counter: u32,
}

/// A policy in memory that frames are run through. For one thread.
pub struct Host {
    model: Rc<Model>,
    scratch: Scratch,
    follower: Option<Follower<PortCells>>,
    ticked: u64,
    /// What the controller wrote.
    pins: Written,
}

/// Pins with their places, in the order they were written.
type Written = Rc<RefCell<Vec<(u32, Pin)>>>;

impl Host {
    /// The data plane alone: with nothing in its state, dropping what can be dropped.
    #[must_use]
    pub fn new(tables: PolicyTables, now: u64) -> Self {
        Self::of(Model::new(tables, now))
    }

    /// The data plane with a state of its own.
    #[must_use]
    pub fn of(model: Model) -> Self {
        Self {
            model: Rc::new(model),
            scratch: Scratch::default(),
            follower: None,
            ticked: 0,
            pins: Written::default(),
        }
    }

    /// With the controller, which opens the ports that elements name in their signalling.
    #[must_use]
    pub fn following(self, directory: Directory) -> Self {
        let cells = PortCells { model: Rc::clone(&self.model), written: Rc::clone(&self.pins) };
        let follower = Some(Follower::new(directory, cells, Counts::default()));
        Self { follower, ..self }
    }

    /// The state.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What was found out about the last frame.
    #[must_use]
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Sets the switches.
    pub fn set_switches(&self, switches: Switches) {
        self.model.set_switches(Some(switches));
    }

    /// Runs a frame that came in by the interface with this index.
    pub fn run(&mut self, frame: &[u8], interface: u32, now: u64) -> Judged {
        self.tick(now);
        self.model.set_now(now);
        let judgement = process(&frame, self.model.as_ref(), &mut self.scratch, interface);
        let copies = self.model.take_copies();
        // Nobody reads these.
        let _ = self.model.take_samples();
        if let Some(follower) = &mut self.follower {
            let begin = usize::from(self.scratch.frame.payload);
            for header in copies {
                let length = usize::try_from(header.payload_length).unwrap_or(0);
                let payload = frame.get(begin..begin.saturating_add(length)).unwrap_or_default();
                let records = payload.chunks(COPY_BYTES).take(COPY_RECORDS as usize);
                for (number, bytes) in (0..).zip(records) {
                    let offset = number * COPY_BYTES as u32;
                    let length = u32::try_from(bytes.len()).unwrap_or(0);
                    let header = CopyHeader { offset, length, ..header };
                    follower.hear(&Copy { header, bytes }, now);
                }
            }
        }
        let (slot, counter) = self.model.last();
        Judged { verdict: judgement.verdict, reason: judgement.reason, slot, counter }
    }

    /// The controller's round of every second, as many as have passed.
    fn tick(&mut self, now: u64) {
        let Some(follower) = &mut self.follower else { return };
        if self.ticked == 0 {
            self.ticked = now;
        }
        let due = now.saturating_sub(self.ticked) / TICK;
        let last = self.ticked + due * TICK;
        for left in (0..due.min(TICKS_MAX)).rev() {
            follower.tick(last - left * TICK);
        }
        self.ticked = last;
    }

    /// Takes what the controller wrote since the last time: places and pins, in order.
    #[must_use]
    pub fn take_pins(&self) -> Vec<(u32, Pin)> {
        self.pins.take()
    }
}

/// The places of ports in the model's state; notes what is written there.
struct PortCells {
    model: Rc<Model>,
    written: Written,
}

impl Ports for PortCells {
    fn read(&self, place: u32) -> Option<Pin> {
        let cells: &[Cell; PORT_WORDS] = self.model.place(Cells::Ports, place)?;
        Some(cells.each_ref().map(Cell::load))
    }

    fn write(&mut self, place: u32, pin: Pin) -> bool {
        let cells: Option<&[Cell; PORT_WORDS]> = self.model.place(Cells::Ports, place);
        let Some(cells) = cells else { return false };
        cells.iter().zip(pin).for_each(|(cell, word)| cell.store(word));
        self.written.borrow_mut().push((place, pin));
        true
    }
}
