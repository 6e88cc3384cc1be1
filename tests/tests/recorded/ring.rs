//! The ring between kernel and recorder: rationed, and when it is full, counted.

use std::time::Instant;

use guard_common::abi::sample::{REASON_CELLS, SAMPLES_BYTES, SLOT_CELLS, SampleRecord};
use guard_common::abi::state::{Cells, alarm};
use guard_common::class::Kind;
use guard_common::hash::keyed;
use guard_common::reason::Droppable;
use guard_tests::fixtures::network::{BOSTON, Network, WAN};
use guard_tests::fixtures::run::Kernel;
use guard_tests::fixtures::sip;
use guard_tests::packet::udp;
use guard_tests::privilege::require_bpf;

/// Frames of a counter of which one is looked at.
const EVERY: u32 = 16;

fn stranger(number: u32) -> String {
    format!("{}:5060", std::net::Ipv4Addr::from(0x0a00_0000 | number))
}

/// What is no call, and comes from so many that the PSAP's limit drops it.
fn noise(number: u32) -> Vec<u8> {
    udp(&stranger(number), BOSTON, [7; 200]).frame()
}

/// So many frames of one source that one is looked at. One by one: the kernel takes its time to
/// prepare for many.
fn run(kernel: &mut Kernel, source: u32, interface: u32) {
    for _ in 0..EVERY {
        kernel.guard.time(&noise(source), interface, 1).unwrap();
    }
}

#[test]
fn a_full_ring_loses_samples_and_no_frame() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let (wan, slot) = (network.interface(WAN), network.slot("boston"));
    let dropped = Droppable::over_psap(Kind::Sip).dropped_counter();
    let of_slot = keyed(network.tables.policy.hash_key, u64::from(slot), u64::from(dropped));
    let rations = [dropped, REASON_CELLS + (of_slot as u32 & (SLOT_CELLS - 1))];
    let room = SAMPLES_BYTES / u32::try_from(size_of::<SampleRecord>()).unwrap();
    let mut sources = 0..3 * room;
    while kernel.alarms()[alarm::SAMPLE_LOST as usize] == 0 {
        // As if no time were too short for the next sample.
        for place in rations {
            kernel.store(Cells::Samples, place, [0; 4]);
        }
        let source = sources.next().expect("the ring is never full");
        run(&mut kernel, source, wan);
    }
    assert!(sources.start > room / 2, "full after {}", sources.start);
    // A call passes, as ever, and the flood does not.
    let call = udp(&stranger(1 << 23), BOSTON, sip::emergency_invite()).frame();
    kernel.guard.time(&call, wan, 1).unwrap();
    assert_eq!(kernel.frames(slot, "marked"), (1, 0));
    let (_, before) = kernel.frames(slot, "sip_over_psap");
    run(&mut kernel, 1 << 22, wan);
    let (_, after) = kernel.frames(slot, "sip_over_psap");
    assert_eq!(after - before, u64::from(EVERY));
    let samples = kernel.guard.drain();
    assert!(samples > usize::try_from(room / 2).unwrap(), "{samples}");
}

#[test]
fn a_flood_takes_its_ration_and_no_more() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let wan = network.interface(WAN);
    let began = Instant::now();
    for number in 0..20_000 {
        kernel.guard.time(&noise(number), wan, 1).unwrap();
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let samples = kernel.guard.drain();
    // Ten a second for each of the two that a frame of it is: within the limit, and over.
    assert!((2..=30 * seconds).contains(&samples), "{samples} in {seconds} s");
    assert_eq!(kernel.alarms()[alarm::SAMPLE_LOST as usize], 0);
}

#[test]
fn without_sampling_nothing_is_taken() {
    if !require_bpf() {
        return;
    }
    let mut network = Network::in_kernel();
    network.tables.constants.sampling = 0;
    let mut kernel = Kernel::new(&network.tables);
    for number in 0..100 {
        kernel.guard.time(&noise(number), network.interface(WAN), 1).unwrap();
    }
    assert_eq!(kernel.guard.drain(), 0);
}
