//! The ring between kernel and recorder: rationed, and when it is full, counted.

use std::time::Instant;

use guard_common::abi::sample::{
    REASON_CELLS, SAMPLES_BYTES, SLOT_CELLS, SampleHeader, SampleRecord,
};
use guard_common::abi::state::{Cells, alarm};
use guard_common::class::Kind;
use guard_common::hash::keyed;
use guard_common::reason::Droppable;
use guard_tests::fixtures::network::{BOSTON, Network, WAN};
use guard_tests::fixtures::run::{Host, Kernel, Mode};
use guard_tests::fixtures::sip;
use guard_tests::packet::udp;
use guard_tests::privilege::require_bpf;
use guard_user::recorded::Sample;

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
    // Ten a second for each of the two that a frame of it is, within the limit and over; and of
    // what is over, twenty a second on each CPU, and as many at once.
    assert!((2..=70 * (seconds + 1)).contains(&samples), "{samples} in {seconds} s");
    assert_eq!(kernel.alarms()[alarm::SAMPLE_LOST as usize], 0);
}

/// A guard that samples nothing but what is over its limit, so many a second.
fn of_drops_alone(network: &mut Network, per_second: u64) {
    network.tables.constants.sampling = 0;
    network.tables.constants.drop_interval = 1_000_000_000_u64.checked_div(per_second).unwrap_or(0);
}

#[test]
fn without_sampling_nothing_is_taken() {
    if !require_bpf() {
        return;
    }
    let mut network = Network::in_kernel();
    of_drops_alone(&mut network, 0);
    let mut kernel = Kernel::new(&network.tables);
    for number in 0..10_000 {
        kernel.guard.time(&noise(number), network.interface(WAN), 1).unwrap();
    }
    assert_eq!(kernel.guard.drain(), 0);
}

#[test]
fn what_is_over_its_limit_has_a_ration_of_its_own() {
    if !require_bpf() {
        return;
    }
    let mut network = Network::in_kernel();
    of_drops_alone(&mut network, 20);
    let wan = network.interface(WAN);
    let mut kernel = Kernel::new(&network.tables);
    for number in 0..100 {
        let call = udp(&stranger(number), BOSTON, sip::emergency_invite()).frame();
        kernel.guard.time(&call, wan, 1).unwrap();
    }
    assert_eq!(kernel.guard.drain(), 0, "what passes is none of it");
    let began = Instant::now();
    for number in 0..20_000 {
        kernel.guard.time(&noise(number), wan, 1).unwrap();
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let taken: Vec<_> = kernel.guard.samples().collect();
    let cpus = std::thread::available_parallelism().unwrap().get();
    let most = 20 * (seconds + 1) * cpus;
    assert!((20..=most).contains(&taken.len()), "{} in {seconds} s", taken.len());
    let dropped = Droppable::over_psap(Kind::Sip).dropped_counter();
    for record in &taken {
        let Sample { header, bytes } = Sample::parse(record).unwrap();
        assert_eq!((header.counter, header.interface), (dropped, wan));
        assert_eq!((header.slot, header.stands_for), (network.slot("boston"), 0));
        assert_eq!(bytes.len(), noise(0).len());
        assert_eq!(header.length as usize, bytes.len());
    }
}

/// What is recorded stands for others, and leaves them out; what is over its limit is shown frame by
/// frame all the same, and what passes is not.
#[test]
fn each_of_a_few_drops_is_sampled() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let (wan, slot) = (network.interface(WAN), network.slot("boston"));
    let mut kernel = Kernel::new(&network.tables);
    let dropped = Droppable::over_psap(Kind::Sip).dropped_counter();
    let mut source = 0;
    while kernel.frames(slot, "sip_over_psap") == (0, 0) {
        source += 1;
        kernel.guard.time(&noise(source), wan, 1).unwrap();
    }
    kernel.guard.drain();
    let call = udp(&stranger(1 << 23), BOSTON, sip::emergency_invite()).frame();
    for _ in 0..10 {
        kernel.guard.time(&noise(source), wan, 1).unwrap();
        kernel.guard.time(&call, wan, 1).unwrap();
    }
    let (_, of_drops) = kernel.frames(slot, "sip_over_psap");
    let mut taken = [0, 0];
    for record in kernel.guard.samples() {
        let Sample { header, .. } = Sample::parse(&record).unwrap();
        taken[usize::from(header.counter == dropped)] += 1;
    }
    assert_eq!(taken, [1, of_drops - 1], "of {of_drops} the first came before");
}

/// What is sampled of what is over its limit is the same on the host and in the kernel, dropped or
/// not.
#[test]
fn host_and_kernel_sample_the_same_drops() {
    if !require_bpf() {
        return;
    }
    let mut network = Network::in_kernel();
    // As many as there are: what differs then is no matter of time.
    of_drops_alone(&mut network, 1_000_000_000);
    let wan = network.interface(WAN);
    let (mut kernel, mut host) = (Kernel::new(&network.tables), Host::new(&network.tables));
    let mut compared = 0;
    for mode in Mode::ALL {
        kernel.set_mode(mode);
        host.set_mode(mode);
        for fixture in guard_tests::fixtures::all() {
            for step in &fixture.steps {
                for frame in [step.frame.as_slice(), &noise(compared)] {
                    host.run(frame, wan);
                    kernel.guard.run_undrained(frame, wan).unwrap();
                    let records: Vec<_> = kernel.guard.samples().collect();
                    kernel.guard.drain();
                    let told = |header: SampleHeader| SampleHeader { time: 0, ..header };
                    let in_kernel: Vec<_> = records
                        .iter()
                        .map(|record| told(Sample::parse(record).unwrap().header))
                        .collect();
                    let on_host = host.model.take_samples().into_iter().map(told);
                    assert_eq!(in_kernel, on_host.collect::<Vec<_>>(), "{}", fixture.name);
                    compared += u32::try_from(in_kernel.len()).unwrap();
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}
