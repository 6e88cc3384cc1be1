//! Whatever the maps may hold: limits of any size, deny entries for everybody, garbage in every
//! cell of the state, switches in any position. None of it may matter to a protected frame.

use guard_common::abi::acl::{AclEntry, NEVER};
use guard_common::abi::policy::LimitSpec;
use guard_common::abi::state::{MODE_ENFORCE, NO_DEADLINE};
use guard_common::prefix::{bit4, network4, network6};
use guard_common::verdict::Switches;
use guard_user::policy::PolicyTables;

use super::random::Random;

const MINUTE: u64 = 60_000_000_000;

/// How hostile the maps are.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// The switches.
    pub switches: Switches,
    /// State cells hold garbage: one in so many, 0 for none.
    pub garbage: usize,
}

/// Fills the tables with whatever may be in them; the rest goes into the state.
pub fn unleash(random: &mut Random, tables: &mut PolicyTables) -> Chaos {
    match random.below(4) {
        0 => {}
        1 => {
            let once = LimitSpec { interval: 60 * MINUTE, tolerance: 0 };
            tables.policy.per_source.fill(once);
            tables.policy.per_psap.fill(once);
        }
        _ => {
            let specs = tables.policy.per_source.iter_mut().chain(&mut tables.policy.per_psap);
            specs.for_each(|spec| *spec = limit(random));
        }
    }
    // The rest of a call is promised within its allowance.
    tables.policy.pin_allowance = LimitSpec::default();
    for spec in [
        &mut tables.policy.pin_others,
        &mut tables.policy.marked_per_source,
        &mut tables.policy.marked_per_psap,
    ] {
        *spec = limit(random);
    }
    if random.once_in(2) {
        deny_everybody(tables);
    }
    let mode = if random.once_in(8) { random.bits() % 5 } else { MODE_ENFORCE };
    let bypass = if random.once_in(16) { random.bits() } else { 0 };
    let drop_until = if random.once_in(16) { random.bits() } else { NO_DEADLINE };
    let garbage = random.pick(&[0, 0, 1, 1, 7]);
    let opened = if random.once_in(16) { random.bits() } else { 0 };
    let confirm_by = if random.once_in(16) { random.bits() } else { 0 };
    Chaos { switches: Switches { mode, bypass, drop_until, opened, confirm_by }, garbage }
}

/// A limit. Boundaries lie half a minute from any frame, so that host and kernel, whose clocks
/// are read one after the other, agree.
fn limit(random: &mut Random) -> LimitSpec {
    let interval = match random.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX / 2 + 1,
        _ => MINUTE * random.between(1, 10_000) as u64,
    };
    let tolerance = match random.below(5) {
        0 => 0,
        1 => u64::MAX,
        _ => interval.saturating_mul(random.below(50) as u64).saturating_add(interval / 2),
    };
    LimitSpec { interval, tolerance }
}

/// Deny entries for everybody, which no configuration may hold.
pub fn deny_everybody(tables: &mut PolicyTables) {
    let deny = AclEntry { deny_until: NEVER, ..AclEntry::default() };
    for half in [0, 128] {
        tables.acl4.insert(network4([half, 0, 0, 0], 1), deny);
        let mut address = [0; 16];
        if let Some(first) = address.first_mut() {
            *first = half;
        }
        tables.acl6.insert(network6(address, 1), deny);
    }
    tables.acl_lengths4.iter_mut().for_each(|lengths| *lengths |= bit4(1));
    tables.acl_lengths6.fill(1);
    let mut lengths = [0; guard_common::abi::policy::LENGTHS6_MAX];
    if let Some(first) = lengths.first_mut() {
        *first = 1;
    }
    tables.policy.acl_lengths6 = lengths;
}

/// What a cell may hold: nothing that means anything, a moment near `now`, or the end of time.
pub fn garbage(random: &mut Random, now: u64) -> u64 {
    let near = random.bits() % (200 * MINUTE);
    match random.below(6) {
        0 => u64::MAX,
        1 => now.wrapping_add(near),
        2 => now.wrapping_sub(near),
        // A pin of now, of whatever conversation.
        3 => random.bits() & !0x007f_ffff | (now >> 27) & 0x007f_ffff,
        _ => random.bits(),
    }
}
