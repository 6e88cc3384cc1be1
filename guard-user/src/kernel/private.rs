//! A guard of its own: loaded, attached to nothing, sharing nothing.
//!
//! Tests, benches and proofs run frames through it: `BPF_PROG_TEST_RUN` on the live program would
//! move its counters and buckets.

use std::path::Path;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use aya::programs::{ProgramError, ProgramInfo, TestRun as _, TestRunOptions};
use guard_common::abi::policy::Policy;
use guard_common::abi::state::{
    MODE_ENFORCE, MODE_MONITOR, NO_DEADLINE, SlotCounters, alarm, switch,
};

use super::error::KernelError;
use super::load::{self, Generation, Purpose, State, load, load_copy};
use super::object;
use super::state::{Counts, Switches};
use crate::policy::{Constants, PolicyTables};

/// Bytes of the kernel's `struct xdp_md`: six 32-bit words, the fourth the interface.
const CONTEXT_BYTES: usize = 24;

/// A private guard.
pub struct PrivateGuard {
    generation: Generation,
    switches: Switches,
    counts: Counts,
    rings: [RingBuf<MapData>; 3],
}

impl PrivateGuard {
    /// Loads the program with these tables; monitor mode, watchdog never set.
    pub fn load(tables: &PolicyTables) -> Result<Self, KernelError> {
        Self::around(load(tables, &State::Private, None)?, &tables.policy, MODE_MONITOR)
    }

    /// A copy of a generation that is pinned in this folder: it shares all policy maps but the
    /// policy that is no table, enforces, and opens for nothing. All its frames are counted in
    /// slot 0.
    pub fn copy(
        folder: &Path,
        policy: &Policy,
        constants: &Constants,
    ) -> Result<Self, KernelError> {
        Self::copy_for(Purpose::Proof, folder, policy, constants)
    }

    /// The same with all slots, and a clock that [`Self::set_now`] sets: to try frames.
    pub fn trial_copy(
        folder: &Path,
        policy: &Policy,
        constants: &Constants,
    ) -> Result<Self, KernelError> {
        Self::copy_for(Purpose::Trial, folder, policy, constants)
    }

    /// A guard of its own with these tables and such a clock; enforces, and opens for nothing.
    pub fn trial(tables: &PolicyTables) -> Result<Self, KernelError> {
        Self::enforcing(load(tables, &State::Told, None)?, &tables.policy)
    }

    /// What [`Self::copy`] makes of a generation, made of tables that are in no generation.
    pub fn proof(tables: &PolicyTables) -> Result<Self, KernelError> {
        Self::enforcing(load(tables, &State::Proof, None)?, &tables.policy)
    }

    fn copy_for(
        purpose: Purpose,
        folder: &Path,
        policy: &Policy,
        constants: &Constants,
    ) -> Result<Self, KernelError> {
        Self::enforcing(load_copy(folder, policy, constants, purpose)?, policy)
    }

    fn enforcing(generation: Generation, policy: &Policy) -> Result<Self, KernelError> {
        let mut guard = Self::around(generation, policy, MODE_ENFORCE)?;
        guard.set_switch(switch::DROP_UNTIL, NO_DEADLINE)?;
        Ok(guard)
    }

    /// Sets the clock of a guard that frames are tried in, in monotonic nanoseconds.
    pub fn set_now(&mut self, now: u64) -> Result<(), KernelError> {
        self.set_switch(switch::CLOCK, now)
    }

    fn around(mut generation: Generation, policy: &Policy, mode: u64) -> Result<Self, KernelError> {
        let mut switches = Switches::new(generation.take_map(object::SWITCHES)?)?;
        load::initialise(&mut switches, policy, mode)?;
        let counts = Counts::new(
            generation.take_map(object::COUNTERS)?,
            generation.take_map(object::ALARMS)?,
        )?;
        let rings = [
            ring(&mut generation, object::COPIES)?,
            ring(&mut generation, object::STRANGER_COPIES)?,
            ring(&mut generation, object::SAMPLES)?,
        ];
        Ok(Self { generation, switches, counts, rings })
    }

    /// Sets a switch of [`guard_common::abi::state::switch`].
    pub fn set_switch(&mut self, number: u32, value: u64) -> Result<(), KernelError> {
        self.switches.set(number, value)
    }

    /// Runs one frame as if it came in by the interface with this kernel index, which must exist
    /// here; the XDP action. The kernel wants at least 14 bytes.
    pub fn run(&mut self, frame: &[u8], interface: u32) -> Result<u32, KernelError> {
        let action = self.run_undrained(frame, interface)?;
        self.drain();
        Ok(action)
    }

    /// The same for many frames: copies of signalling stay until [`Self::drain`]. The first copy in
    /// an empty ring wakes its reader, which costs more than all the rest of a run.
    pub fn run_undrained(&mut self, frame: &[u8], interface: u32) -> Result<u32, KernelError> {
        Ok(self.test_run(frame, interface, 1)?.0)
    }

    /// The mean time of `repeat` runs of one frame.
    pub fn time(
        &mut self,
        frame: &[u8],
        interface: u32,
        repeat: u32,
    ) -> Result<Duration, KernelError> {
        Ok(self.test_run(frame, interface, repeat)?.1)
    }

    /// Throws away copies of signalling and samples, which in a full ring would count as lost;
    /// how many samples there were.
    pub fn drain(&mut self) -> usize {
        let [copies @ .., _] = &mut self.rings;
        for ring in copies {
            while ring.next().is_some() {}
        }
        self.samples().count()
    }

    /// Takes the samples there are, as records of their ring.
    pub fn samples(&mut self) -> impl Iterator<Item = Vec<u8>> {
        let [.., samples] = &mut self.rings;
        std::iter::from_fn(|| samples.next().map(|record| record.to_vec()))
    }

    fn test_run(
        &mut self,
        frame: &[u8],
        interface: u32,
        repeat: u32,
    ) -> Result<(u32, Duration), KernelError> {
        let mut context = [0u8; CONTEXT_BYTES];
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        // data, data_end, data_meta, ingress_ifindex; the kernel wants the real length.
        for (word, value) in context.chunks_exact_mut(4).zip([0, length, 0, interface]) {
            word.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.ctx_in = Some(&context);
        options.repeat = repeat;
        let result =
            self.generation.program()?.test_run(options).map_err(|error| KernelError::Load {
                reason: format!("a test run of {length} bytes failed: {}", load::chain(&error)),
                step: "check that the interface exists in this network namespace",
            })?;
        Ok((result.return_value, result.duration))
    }

    /// Counters of a slot.
    pub fn counters(&self, slot: u32) -> Result<SlotCounters, KernelError> {
        self.counts.slot(slot)
    }

    /// Alarms.
    pub fn alarms(&self) -> Result<[u64; alarm::COUNT as usize], KernelError> {
        self.counts.alarms()
    }

    /// The kernel's tag of the program: a hash of its instructions.
    pub fn tag(&mut self) -> Result<u64, KernelError> {
        let info = self.generation.program()?.info().map_err(|error| KernelError::Load {
            reason: load::chain(&error),
            step: "try again; if it lasts, report it with `uname -a`",
        })?;
        Ok(info.tag())
    }

    /// Whether the kernel made machine code of the program, or interprets it.
    pub fn is_compiled(&mut self) -> Result<bool, KernelError> {
        let info = self.generation.program()?.info();
        let info = info.map_err(|error| KernelError::map(object::PROGRAM, error))?;
        Ok(info.size_jitted() > 0)
    }

    /// Instructions the verifier looked at, where the kernel tells.
    pub fn verified_instructions(&mut self) -> Result<Option<u32>, KernelError> {
        verified(self.generation.program()?.info())
    }

    /// The same of the program for the inside of tunnels.
    pub fn verified_instructions_inside(&mut self) -> Result<Option<u32>, KernelError> {
        verified(self.generation.inside_program()?.info())
    }

    /// The same of a tc program, which this loads.
    pub fn verified_instructions_of(&mut self, name: &str) -> Result<Option<u32>, KernelError> {
        verified(self.generation.load_classifier(name)?.info())
    }

    /// The generation, for what this type does not offer.
    pub fn generation(&mut self) -> &mut Generation {
        &mut self.generation
    }
}

fn verified(info: Result<ProgramInfo, ProgramError>) -> Result<Option<u32>, KernelError> {
    let failed =
        |error| KernelError::Load { reason: load::chain(&error), step: "a newer kernel tells" };
    Ok(info.map_err(failed)?.verified_instruction_count())
}

fn ring(generation: &mut Generation, name: &str) -> Result<RingBuf<MapData>, KernelError> {
    let map = generation.take_map(name)?;
    RingBuf::try_from(map).map_err(|error| KernelError::map(name, error))
}
