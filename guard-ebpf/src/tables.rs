//! BPF maps as [`Tables`].

use core::ffi::c_void;

use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_log_ebpf::macro_support::{AYA_LOGS, Level, level_enabled};
use aya_log_ebpf::warn;
use guard_common::abi::acl::{AclBlock, AclEntry};
use guard_common::abi::copy::{CONFIGURED_ENDS, CopyHeader};
use guard_common::abi::party::{Bucket4, Bucket6, Party, Prefix4, Prefix6};
use guard_common::abi::policy::Policy;
use guard_common::abi::sample::SampleHeader;
use guard_common::abi::state::{Cell, Cells, alarm, switch};
use guard_common::tables::{Step, Tables};
use guard_common::verdict::Switches;

use crate::clock::Clock;
use crate::context::Context;
use crate::packet::{GO_ON, LEAVE};
use crate::{copies, maps, samples};

/// Bytes in the log's ring beyond which a line may find no room: aya-log makes it of 128 KiB, and
/// a line takes a few hundred.
const LOG_FULL: u64 = (1 << 17) - 1024;

/// The maps of this program, for the frame of one context.
///
/// The policy is looked up once: a look-up by a constant takes three nanoseconds, and there are a
/// dozen places that ask.
pub struct KernelTables<'a, C> {
    ctx: &'a C,
    clock: &'a Clock,
    policy: Option<&'a Policy>,
}

impl<'a, C: Context> KernelTables<'a, C> {
    /// Tables for the frame of this context.
    #[inline(always)]
    pub fn new(ctx: &'a C, clock: &'a Clock) -> Self {
        Self { ctx, clock, policy: maps::POLICY.get(0) }
    }
}

impl<C: Context> Tables for KernelTables<'_, C> {
    #[inline(always)]
    fn policy(&self) -> Option<&Policy> {
        self.policy
    }

    #[inline(always)]
    fn party_lengths4(&self, bucket: u32) -> u32 {
        maps::PARTY_LENGTHS4.get(bucket).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn party_lengths6(&self, bucket: u32) -> u32 {
        maps::PARTY_LENGTHS6.get(bucket).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn party_bucket4(&self, bucket: u32) -> Option<&Bucket4> {
        maps::PARTY_INDEX4.get(bucket)
    }

    #[inline(always)]
    fn party_bucket6(&self, bucket: u32) -> Option<&Bucket6> {
        maps::PARTY_INDEX6.get(bucket)
    }

    #[inline(always)]
    fn party(&self, number: u32) -> Option<&Party> {
        maps::PARTIES.get(number)
    }

    /// By `bpf_loop`, which the verifier follows once.
    #[inline(always)]
    fn repeat<S: Step>(&self, most: u32, step: &mut S) {
        let step: *mut S = step;
        // SAFETY: the callback has the signature that `bpf_loop` asks for and gets the pointer to
        // the step, which lives until the loop is over.
        unsafe { bpf_loop(most, take::<S> as *mut c_void, step.cast(), 0) };
    }

    #[inline(always)]
    fn acl_lengths4(&self, bucket: u32) -> u32 {
        maps::ACL_LENGTHS4.get(bucket).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn acl_lengths6(&self, bucket: u32) -> u32 {
        maps::ACL_LENGTHS6.get(bucket).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn acl4(&self, prefix: &Prefix4) -> Option<AclEntry> {
        let entry = maps::ACL4.get_ptr(prefix)?;
        // SAFETY: the pointer is valid for the whole run. A live change may take the element's
        // place for another prefix meanwhile, hence the volatile copy; then the entry's words may
        // be of two entries, which can only exchange "allowed" and "denied" for this one frame.
        Some(unsafe { entry.read_volatile() })
    }

    #[inline(always)]
    fn acl6(&self, prefix: &Prefix6) -> Option<AclEntry> {
        let entry = maps::ACL6.get_ptr(prefix)?;
        // SAFETY: as for `acl4`.
        Some(unsafe { entry.read_volatile() })
    }

    #[inline(always)]
    fn acl_block(&self, block: u32) -> Option<&AclBlock> {
        maps::ACL_BLOCKS.get(block)
    }

    #[inline(always)]
    fn switches(&self) -> Option<Switches> {
        Some(Switches {
            mode: maps::SWITCHES.get(switch::MODE)?.load(),
            bypass: maps::SWITCHES.get(switch::BYPASS)?.load(),
            drop_until: maps::SWITCHES.get(switch::DROP_UNTIL)?.load(),
            opened: maps::SWITCHES.get(switch::OPENED)?.load(),
            confirm_by: maps::SWITCHES.get(switch::CONFIRM_BY)?.load(),
        })
    }

    #[inline(always)]
    fn place<const N: usize>(&self, table: Cells, place: u32) -> Option<&[Cell; N]> {
        maps::place(table, place)
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        self.clock.now()
    }

    #[inline(always)]
    fn count(&self, slot: u32, counter: u32, bytes: u32) -> Option<u64> {
        let counter = C::counter(slot, counter)?;
        counter.packets += 1;
        counter.bytes += u64::from(bytes);
        Some(counter.packets)
    }

    #[inline(always)]
    fn copy(&self, header: &CopyHeader, payload: usize) -> bool {
        let ring = if header.flags & CONFIGURED_ENDS != 0 {
            &maps::COPIES
        } else {
            &maps::STRANGER_COPIES
        };
        copies::write(self.ctx, ring, header, payload)
    }

    #[inline(always)]
    fn are_sampled(&self) -> bool {
        samples::are_wanted()
    }

    #[inline(always)]
    fn drop_interval(&self) -> u64 {
        samples::drop_interval()
    }

    #[inline(always)]
    fn sample(&self, header: &SampleHeader) -> bool {
        samples::write(self.ctx, header)
    }

    #[inline(always)]
    fn alarm(&self, number: u32) {
        let first = raise(number);
        // A rare change of state, so worth a line; the count itself is in the map.
        if first && number == alarm::WATCHDOG_OPEN && level_enabled(Level::Warn) {
            // aya-log says nothing of a line that finds no room.
            if AYA_LOGS.query(BPF_RB_AVAIL_DATA.into()) > LOG_FULL {
                raise(alarm::LOG_LOST);
                return;
            }
            warn!(self.ctx, "watchdog ran out: frames over their limits pass");
        }
    }
}

/// Counts an alarm; whether it is the first of its number on this CPU.
#[inline(always)]
fn raise(number: u32) -> bool {
    let Some(count) = maps::ALARMS.get_ptr_mut(number) else {
        return false;
    };
    // SAFETY: per-CPU memory, valid for the whole run of the program, which nothing on this CPU
    // interrupts to run it again.
    unsafe {
        *count += 1;
        *count == 1
    }
}

/// One round of a loop.
extern "C" fn take<S: Step>(_round: u64, step: *mut S) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer it was given, to a live step that nobody else uses.
    let Some(step) = (unsafe { step.as_mut() }) else {
        return LEAVE;
    };
    if step.take().is_break() { LEAVE } else { GO_ON }
}
