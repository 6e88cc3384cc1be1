//! The data plane's tables on the host: the same brain, another memory.
//!
//! Holds [`PolicyTables`] and a state of its own, so that a frame can be decided without a
//! kernel: to explain, to replay, to try a change, and to hold the kernel's answers against.
//! Decides nothing itself.

use std::cell::{Cell as Slot, RefCell};
use std::collections::{BTreeMap, HashMap};

use guard_common::abi::acl::{AclBlock, AclEntry};
use guard_common::abi::copy::CopyHeader;
use guard_common::abi::party::{Bucket4, Bucket6, Party, Prefix4, Prefix6};
use guard_common::abi::policy::Policy;
use guard_common::abi::sample::SampleHeader;
use guard_common::abi::state::{Cell, Cells, SlotCounters, alarm};
use guard_common::tables::{Step, Tables};
use guard_common::verdict::Switches;

use super::parties::Parties;
use super::{Constants, PolicyTables};

/// Words of a place of somebody else's state; as many as it has are taken.
pub type Words = [u64; 4];
/// Reads a place of somebody else's state.
type Before = Box<dyn Fn(Cells, u32) -> Option<Words>>;

/// Tables of a generation and a state that nobody else shares. For one thread.
pub struct Model {
    policy: Policy,
    parties: Parties,
    party_lengths4: Vec<u32>,
    party_lengths6: Vec<u32>,
    acl4: HashMap<Prefix4, AclEntry>,
    acl6: HashMap<Prefix6, AclEntry>,
    acl_lengths4: Vec<u32>,
    acl_lengths6: Vec<u32>,
    acl_blocks: Vec<AclBlock>,
    constants: Constants,
    /// By [`Cells`].
    cells: [Vec<Cell>; Cells::ALL.len()],
    copies: RefCell<Vec<CopyHeader>>,
    samples: RefCell<Vec<SampleHeader>>,
    switches: Slot<Option<Switches>>,
    now: Slot<u64>,
    counters: RefCell<Vec<SlotCounters>>,
    alarms: RefCell<[u64; alarm::COUNT as usize]>,
    /// What took the last frame: slot and counter.
    last: Slot<(u32, u32)>,
    /// The state that this one goes on from, read where it is looked at for the first time.
    before: Option<Before>,
    /// What was read of it.
    fetched: RefCell<BTreeMap<(Cells, u32), Words>>,
}

fn cells(table: Cells, slots: u32) -> Vec<Cell> {
    let places = usize::try_from(table.count(slots)).unwrap_or(0);
    (0..places.saturating_mul(table.words())).map(|_| Cell::new(0)).collect()
}

impl Model {
    /// Tables with a fresh state: enforcing, no deadline, the clock at `now` nanoseconds.
    #[must_use]
    pub fn new(tables: PolicyTables, now: u64) -> Self {
        let slots = tables.policy.slots;
        let counters = vec![SlotCounters::default(); usize::try_from(slots).unwrap_or(0)];
        let enforcing = Switches::DROPPING;
        // Without an index everybody is a stranger to whom nothing belongs: everything passes.
        let none = || Parties { records: vec![], index4: vec![], index6: vec![] };
        let parties = Parties::of(&tables).unwrap_or_else(none);
        let PolicyTables {
            policy,
            parties4: _,
            parties6: _,
            party_lengths4,
            party_lengths6,
            acl4,
            acl6,
            acl_lengths4,
            acl_lengths6,
            acl_blocks,
            constants,
        } = tables;
        Self {
            policy: parties.complete(policy),
            parties,
            party_lengths4,
            party_lengths6,
            acl4: acl4.into_iter().collect(),
            acl6: acl6.into_iter().collect(),
            acl_lengths4,
            acl_lengths6,
            acl_blocks,
            constants,
            cells: Cells::ALL.map(|table| cells(table, slots)),
            copies: RefCell::default(),
            samples: RefCell::default(),
            switches: Slot::new(Some(enforcing)),
            now: Slot::new(now),
            counters: RefCell::new(counters),
            alarms: RefCell::new([0; alarm::COUNT as usize]),
            last: Slot::new((0, 0)),
            before: None,
            fetched: RefCell::default(),
        }
    }

    /// The same, going on from somebody else's state, which is only read.
    #[must_use]
    pub fn going_on(self, before: impl Fn(Cells, u32) -> Option<Words> + 'static) -> Self {
        Self { before: Some(Box::new(before)), ..self }
    }

    /// What was read so far of the state that this one goes on from.
    #[must_use]
    pub fn fetched(&self) -> BTreeMap<(Cells, u32), Words> {
        self.fetched.borrow().clone()
    }

    /// Slot and counter that took the last frame.
    #[must_use]
    pub const fn last(&self) -> (u32, u32) {
        self.last.get()
    }

    /// Reads a place of the state before, if that has not been done.
    fn fetch(&self, table: Cells, place: u32) -> Option<Words> {
        let before = self.before.as_ref()?;
        let mut fetched = self.fetched.borrow_mut();
        if fetched.contains_key(&(table, place)) {
            return None;
        }
        let words = before(table, place).unwrap_or_default();
        fetched.insert((table, place), words);
        Some(words)
    }

    /// Sets the clock, in monotonic nanoseconds.
    pub fn set_now(&self, now: u64) {
        self.now.set(now);
    }

    /// Sets the switches; `None` is a look-up that fails.
    pub fn set_switches(&self, switches: Option<Switches>) {
        self.switches.set(switches);
    }

    /// The counters of a slot.
    #[must_use]
    pub fn counters(&self, slot: u32) -> Option<SlotCounters> {
        at(&self.counters.borrow(), slot).copied()
    }

    /// Frames counted so far, over all slots and counters.
    #[must_use]
    pub fn frames(&self) -> u64 {
        let counters = self.counters.borrow();
        let all = counters.iter().flat_map(|slot| slot.counters.iter());
        all.map(|counter| counter.packets).sum()
    }

    /// Takes the headers of all copies made so far.
    #[must_use]
    pub fn take_copies(&self) -> Vec<CopyHeader> {
        self.copies.take()
    }

    /// Takes the headers of all samples taken so far.
    #[must_use]
    pub fn take_samples(&self) -> Vec<SampleHeader> {
        self.samples.take()
    }

    /// How often an alarm of [`alarm`] was raised.
    #[must_use]
    pub fn alarms(&self, number: u32) -> u64 {
        at(self.alarms.borrow().as_slice(), number).copied().unwrap_or(0)
    }
}

fn at<T>(items: &[T], place: u32) -> Option<&T> {
    items.get(usize::try_from(place).ok()?)
}

impl Tables for Model {
    fn policy(&self) -> Option<&Policy> {
        Some(&self.policy)
    }

    fn party_lengths4(&self, bucket: u32) -> u32 {
        at(&self.party_lengths4, bucket).copied().unwrap_or(0)
    }

    fn party_lengths6(&self, bucket: u32) -> u32 {
        at(&self.party_lengths6, bucket).copied().unwrap_or(0)
    }

    fn party_bucket4(&self, bucket: u32) -> Option<&Bucket4> {
        at(&self.parties.index4, bucket)
    }

    fn party_bucket6(&self, bucket: u32) -> Option<&Bucket6> {
        at(&self.parties.index6, bucket)
    }

    fn party(&self, number: u32) -> Option<&Party> {
        at(&self.parties.records, number)
    }

    fn repeat<S: Step>(&self, most: u32, step: &mut S) {
        for _ in 0..most {
            if step.take().is_break() {
                break;
            }
        }
    }

    fn acl_lengths4(&self, bucket: u32) -> u32 {
        at(&self.acl_lengths4, bucket).copied().unwrap_or(0)
    }

    fn acl_lengths6(&self, bucket: u32) -> u32 {
        at(&self.acl_lengths6, bucket).copied().unwrap_or(0)
    }

    fn acl4(&self, prefix: &Prefix4) -> Option<AclEntry> {
        self.acl4.get(prefix).copied()
    }

    fn acl6(&self, prefix: &Prefix6) -> Option<AclEntry> {
        self.acl6.get(prefix).copied()
    }

    fn acl_block(&self, block: u32) -> Option<&AclBlock> {
        at(&self.acl_blocks, block)
    }

    fn switches(&self) -> Option<Switches> {
        self.switches.get()
    }

    fn place<const N: usize>(&self, table: Cells, place: u32) -> Option<&[Cell; N]> {
        let cells = self.cells.get(table as usize)?;
        let first = usize::try_from(place).ok()?.checked_mul(table.words())?;
        let found: &[Cell; N] =
            (N == table.words()).then(|| cells.get(first..)?.first_chunk())??;
        if let Some(words) = self.fetch(table, place) {
            found.iter().zip(words).for_each(|(cell, word)| cell.store(word));
        }
        Some(found)
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn count(&self, slot: u32, counter: u32, bytes: u32) -> Option<u64> {
        let last = (slot, counter);
        let (slot, counter) = (usize::try_from(slot).ok()?, usize::try_from(counter).ok()?);
        let mut slots = self.counters.borrow_mut();
        let counter = slots.get_mut(slot)?.counters.get_mut(counter)?;
        counter.packets += 1;
        counter.bytes += u64::from(bytes);
        self.last.set(last);
        Some(counter.packets)
    }

    fn copy(&self, header: &CopyHeader, _payload: usize) -> bool {
        self.copies.borrow_mut().push(*header);
        true
    }

    fn are_sampled(&self) -> bool {
        self.constants.sampling != 0
    }

    fn drop_interval(&self) -> u64 {
        self.constants.drop_interval
    }

    fn sample(&self, header: &SampleHeader) -> bool {
        self.samples.borrow_mut().push(*header);
        true
    }

    fn alarm(&self, number: u32) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(count) = self.alarms.borrow_mut().get_mut(place) {
            *count += 1;
        }
    }
}
