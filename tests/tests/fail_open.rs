//! G2: what the guard does not understand, or cannot find, passes and is counted with its reason.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use guard_common::abi::ABI_VERSION;
use guard_common::abi::state::{MODE_ENFORCE, NO_DEADLINE, alarm, switch};
use guard_tests::fixtures::all;
use guard_tests::fixtures::limited::{OF_ONE_FRAME, frame_of};
use guard_tests::fixtures::network::{BOSTON, DENIED, Network, WAN};
use guard_tests::fixtures::run::{Both, Kernel, verdict};
use guard_tests::packet::{NETWORK, udp};
use guard_tests::privilege::require_bpf;
use guard_user::policy::PolicyTables;

/// Runs every frame of every fixture through a guard with these tables, enforcing: each passes,
/// under this reason.
fn everything_passes(network: &Network, tables: &PolicyTables, reason: &str) {
    let mut both = Both::new(tables);
    let steps: Vec<_> = all().into_iter().flat_map(|fixture| fixture.steps).collect();
    verdict(steps.iter().filter(|step| step.frame.len() >= NETWORK).map(|step| {
        let answer = both.run(&step.frame, network.interface(step.interface))?;
        let is = answer.reason().name();
        if answer.dropped || is != reason || answer.slot != 0 {
            return Err(format!("{answer:?} is {is}, should pass as {reason}"));
        }
        Ok(())
    }));
}

fn denied() -> Vec<u8> {
    udp(DENIED, BOSTON, [7; 40]).frame()
}

#[test]
fn without_a_policy_everything_passes() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tables.policy.abi = 0;
    everything_passes(&network, &tables, "no_policy");
}

#[test]
fn with_a_policy_of_another_version_everything_passes() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tables.policy.abi = ABI_VERSION + 1;
    everything_passes(&network, &tables, "no_policy");
}

#[test]
fn only_enforce_with_a_deadline_ahead_and_without_bypass_drops() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let wan = network.interface(WAN);
    let modes = [0, 1, MODE_ENFORCE, 3, 255, u64::MAX];
    for (mode, bypass, until) in modes.into_iter().flat_map(|mode| {
        [0, 1, u64::MAX]
            .into_iter()
            .flat_map(move |bypass| [0, 1, NO_DEADLINE].map(|until| (mode, bypass, until)))
    }) {
        kernel.set(switch::MODE, mode);
        kernel.set(switch::BYPASS, bypass);
        kernel.set(switch::DROP_UNTIL, until);
        let answer = kernel.run(&denied(), wan);
        let enforcing = mode == MODE_ENFORCE && bypass == 0;
        assert_eq!(answer.dropped, enforcing && until == NO_DEADLINE, "{mode} {bypass} {until}");
        assert_eq!(answer.reason().name(), "denied", "counted as what it is in every mode");
        let opened = answer.alarms.get(alarm::WATCHDOG_OPEN as usize).copied();
        assert_eq!(opened, Some(u64::from(enforcing && until != NO_DEADLINE)));
    }
}

#[test]
fn what_the_controller_opened_is_open_and_so_is_what_nobody_confirmed() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let wan = network.interface(WAN);
    for (opened, confirm_by) in [(0, 0), (0, 1), (0, NO_DEADLINE), (1, 0), (u64::MAX, NO_DEADLINE)]
    {
        kernel.set(switch::OPENED, opened);
        kernel.set(switch::CONFIRM_BY, confirm_by);
        let dropped = kernel.run(&denied(), wan).dropped;
        assert_eq!(dropped, opened == 0 && confirm_by != 1, "{opened} {confirm_by}");
    }
}

#[test]
fn a_slot_without_counters_and_buckets_passes_and_is_an_alarm() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tables.parties4.values_mut().for_each(|party| party.slot = 1_000_000);
    let mut both = Both::new(&tables);
    for kind in OF_ONE_FRAME {
        for _ in 0..20 {
            let answer = both
                .run(&frame_of(kind, "198.18.1.1"), network.interface(WAN))
                .expect("host and kernel agree");
            assert!(!answer.dropped, "{kind:?}");
            assert_eq!(answer.slot, 0, "{kind:?}");
            assert_eq!(answer.alarms.get(alarm::STATE_MISSING as usize), Some(&2), "{kind:?}");
        }
    }
}

#[test]
fn a_list_entry_without_its_rules_says_nothing() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    for entry in tables.acl4.values_mut() {
        entry.block = u32::MAX;
        entry.deny_until = 0;
    }
    let mut both = Both::new(&tables);
    let answer = both.run(&denied(), network.interface(WAN)).expect("host and kernel agree");
    assert_eq!(answer.reason().name(), "sip_within");
}

#[test]
fn a_party_that_its_bucket_does_not_name_is_a_stranger() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tables.party_lengths4.fill(0);
    tables.party_lengths6.fill(0);
    let mut both = Both::new(&tables);
    let frame = udp("198.18.7.7:5060", BOSTON, [7; 40]).frame();
    let answer = both.run(&frame, network.interface(WAN)).expect("host and kernel agree");
    assert_eq!((answer.dropped, answer.reason().name()), (false, "transit"));
}
