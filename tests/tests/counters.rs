//! G3: every frame is counted exactly once. The sum over all slots and reasons is the number of
//! frames seen, and of bytes; on several CPUs at once, too.
//!
//! That a single frame moves a single counter is checked with every frame of every other test
//! here: `fixtures::run` looks at nothing else.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::thread;

use aya::programs::{TestRun as _, TestRunOptions};
use guard_common::guard::{Scratch, observe};
use guard_common::leaving::Leaving;
use guard_common::reason::{REASONS, Reason};
use guard_tests::fixtures::all;
use guard_tests::fixtures::network::{Network, now};
use guard_tests::fixtures::run::{Kernel, dropped, moved, total};
use guard_tests::privilege::{require_bpf, skip};
use guard_user::kernel::object;
use guard_user::kernel::private::PrivateGuard;
use guard_user::kernel::state::OutSlots;
use guard_user::policy::PolicyTables;
use guard_user::policy::model::Model;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

#[test]
fn the_sum_over_reasons_is_the_number_of_frames() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let (mut frames, mut bytes, mut dropped) = (0, 0, 0);
    for step in all().iter().flat_map(|fixture| &fixture.steps) {
        frames += 1;
        bytes += step.frame.len() as u64;
        dropped += u64::from(kernel.drops(&step.frame, network.interface(step.interface)));
    }
    let counters = kernel.counters();
    assert_eq!(total(&counters), frames);
    let all = counters.iter().flat_map(|slot| &slot.counters);
    assert_eq!(all.map(|counter| counter.bytes).sum::<u64>(), bytes);
    let gone = counters.iter().flat_map(|slot| slot.counters.iter().skip(REASONS));
    assert_eq!(
        gone.map(|counter| counter.packets).sum::<u64>(),
        dropped,
        "drops are counted apart"
    );
    assert!(dropped > 100, "this test saw only {dropped} drops");
}

/// Frames that each CPU runs.
const FRAMES: u64 = 100_000;

#[test]
fn no_frame_is_lost_or_counted_twice_on_two_cpus() {
    if !require_bpf() {
        return;
    }
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return skip("there is only one CPU");
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let fixtures = all();
    let frames: Vec<_> =
        fixtures.iter().flat_map(|fixture| &fixture.steps).map(|step| &step.frame).collect();
    let program = &*kernel.guard.generation().program().expect("the program");
    let run = |cpu: usize| {
        let mut only = CpuSet::new();
        only.set(cpu).expect("a CPU");
        sched_setaffinity(Pid::from_raw(0), &only).expect("a CPU of ours");
        let mut dropped_here = 0;
        for (_, frame) in (0..FRAMES).zip(frames.iter().cycle()) {
            let mut options = TestRunOptions::new();
            options.data_in = Some(frame);
            let result = program.test_run(options).expect("a test run");
            dropped_here += u64::from(dropped(result.return_value, frame));
        }
        dropped_here
    };
    let gone: u64 = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || run(cpu)));
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    });
    let counters = kernel.counters();
    assert_eq!(total(&counters), 2 * FRAMES);
    let apart = counters.iter().flat_map(|slot| slot.counters.iter().skip(REASONS));
    assert_eq!(apart.map(|counter| counter.packets).sum::<u64>(), gone);
}

/// Frames of all fixtures as if they left: kernel and host have to agree on the one counter that
/// each moves, and there is no frame without one.
#[test]
fn what_leaves_is_counted_once_under_the_reason_it_has() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut reasons = leave(&network.tables);
    let mut unloaded = network.tables.clone();
    unloaded.policy.abi += 1;
    reasons.extend(leave(&unloaded));
    let seen = |leaving: &&Leaving| !reasons.contains(&leaving.reason());
    let unseen: Vec<_> = Leaving::ALL.iter().filter(seen).map(|leaving| leaving.reason()).collect();
    // The kernel makes no packet of a frame that is shorter than its header.
    assert_eq!(unseen, [Reason::UNREADABLE]);
}

/// Runs every frame through the program that watches what leaves; the reasons it was counted under.
fn leave(tables: &PolicyTables) -> BTreeSet<Reason> {
    let mut guard = PrivateGuard::load(tables).expect("the kernel half loads");
    let counters = guard.generation().take_map(object::OUT_COUNTERS).expect("a map");
    let counters = OutSlots::new(counters, object::OUT_COUNTERS).expect("counters");
    let read = || -> Vec<_> {
        (0..tables.policy.slots).map(|slot| counters.slot(slot).expect("a slot")).collect()
    };
    let program = guard.generation().load_classifier(object::OUT_PROGRAM).expect("it loads");
    let model = Model::new(tables.clone(), now());
    let mut scratch = Scratch::default();
    let (mut reasons, mut before, mut frames) = (BTreeSet::new(), read(), 0);
    for step in all().iter().flat_map(|fixture| &fixture.steps) {
        let frame = step.frame.as_slice();
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        // As it makes none of some that end within theirs.
        if program.test_run(options).is_err() {
            continue;
        }
        frames += 1;
        let leaving = observe(&frame, &model, &mut scratch);
        let after = read();
        let (slot, counter) = model.last();
        assert_eq!(counter, leaving.reason().counter());
        assert_eq!(moved(&before, &after), [(slot, counter, 1, frame.len() as u64)], "{leaving:?}");
        reasons.insert(leaving.reason());
        before = after;
    }
    assert!(frames > 300, "only {frames}");
    reasons
}
