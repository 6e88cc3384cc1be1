//! G1: no protected frame is dropped: in no mode, with no configuration, with no map content.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::net::Ipv4Addr;

use guard_common::abi::acl::{AclEntry, NEVER};
use guard_common::abi::party::Party;
use guard_common::abi::policy::LimitSpec;
use guard_common::abi::state::{NO_DEADLINE, alarm, switch};
use guard_common::prefix::{bit4, bucket4, network4, network6};
use guard_tests::fixtures::network::{
    BOSTON, BOSTON6, CARRIER_A, CARRIER_A6, ESRP, Network, STRANGER, WAN,
};
use guard_tests::fixtures::run::{Host, Kernel};
use guard_tests::fixtures::{Fixture, protected, sip};
use guard_tests::packet::{NETWORK, Tcp, tcp, udp};
use guard_tests::privilege::require_bpf;
use guard_user::policy::PolicyTables;
use proptest::prelude::*;

/// Runs every protected frame some times over, enforcing: none may be dropped.
fn all_pass(network: &Network, kernel: &mut Kernel) {
    for Fixture { name, steps } in protected() {
        for step in steps.iter().cycle().take(5) {
            let dropped = kernel.drops(&step.frame, network.interface(step.interface));
            assert!(!dropped, "dropped: {name}");
        }
    }
}

#[test]
fn in_every_mode_with_every_deadline() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    for mode in [0, 1, 2, 3, u64::MAX] {
        for bypass in [0, 1, u64::MAX] {
            for until in [0, 1, NO_DEADLINE] {
                kernel.set(switch::MODE, mode);
                kernel.set(switch::BYPASS, bypass);
                kernel.set(switch::DROP_UNTIL, until);
                all_pass(&network, &mut kernel);
            }
        }
    }
}

/// Limits of one frame an hour.
fn tightest(tables: &mut PolicyTables) {
    const HOUR: u64 = 3_600_000_000_000;
    let once = LimitSpec { interval: HOUR, tolerance: 0 };
    tables.policy.per_source.fill(once);
    tables.policy.per_psap.fill(once);
}

/// Deny entries for everybody, which no configuration may hold, written into the tables.
fn deny_everybody(tables: &mut PolicyTables) {
    let deny = AclEntry { deny_until: NEVER, ..AclEntry::default() };
    for half in [0, 128] {
        tables.acl4.insert(network4([half, 0, 0, 0], 1), deny);
        let mut address = [0; 16];
        address[0] = half;
        tables.acl6.insert(network6(address, 1), deny);
    }
    tables.acl_lengths4.fill(bit4(1));
    tables.acl_lengths6.fill(1);
    tables.policy.acl_lengths6 = [0; 16];
    tables.policy.acl_lengths6[0] = 1;
}

#[test]
fn with_everybody_denied_and_the_tightest_limits() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tightest(&mut tables);
    deny_everybody(&mut tables);
    let mut kernel = Kernel::new(&tables);
    for (from, to) in [(STRANGER, BOSTON), ("[2001:db8:5::7]:5060", BOSTON6)] {
        let plain = udp(from, to, sip::plain_invite()).frame();
        assert!(
            kernel.drops(&plain, network.interface(WAN)),
            "{from} is denied, or this tests nothing"
        );
    }
    all_pass(&network, &mut kernel);
}

#[test]
fn with_nothing_configured() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    tables.parties4.clear();
    tables.parties6.clear();
    tables.acl4.clear();
    tables.acl6.clear();
    tightest(&mut tables);
    let mut kernel = Kernel::new(&tables);
    all_pass(&network, &mut kernel);
}

/// As many PSAPs and deny entries as DESIGN section 7 speaks of, in addresses of their own.
fn fill_tables(tables: &mut PolicyTables) {
    let boston: Party = tables.parties4[&network4([198, 51, 100, 10], 32)];
    for number in 0..6000u32 {
        let address = (0x0b00_0000 | number).to_be_bytes();
        tables.parties4.insert(network4(address, 32), boston);
        tables.party_lengths4[bucket4(address) as usize] |= bit4(32);
    }
    let deny = AclEntry { deny_until: NEVER, ..AclEntry::default() };
    for number in 0..100_000u32 {
        let address = (0x0c00_0000 | (number << 4)).to_be_bytes();
        tables.acl4.insert(network4(address, 28), deny);
        tables.acl_lengths4[bucket4(address) as usize] |= bit4(28);
    }
}

/// Several for each of the 65,536 places.
const STRANGERS: u32 = 300_000;

#[test]
fn with_full_tables_and_no_room_for_pins() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut tables = network.tables.clone();
    fill_tables(&mut tables);
    tightest(&mut tables);
    let mut kernel = Kernel::new(&tables);
    // A PSAP that asks many strangers, who answer, takes every place there is.
    let mut asks = udp(BOSTON, STRANGER, sip::options()).frame();
    let mut answers = udp(STRANGER, BOSTON, sip::response("200 OK")).frame();
    for stranger in 0..STRANGERS {
        let address = (0x0a00_0000 | stranger).to_be_bytes();
        asks[NETWORK + 16..NETWORK + 20].copy_from_slice(&address);
        answers[NETWORK + 12..NETWORK + 16].copy_from_slice(&address);
        assert!(!kernel.drops(&asks, network.interface("lan0")));
        kernel.drops(&answers, network.interface(WAN));
    }
    let overflows = kernel.alarms()[alarm::PIN_OVERFLOW as usize];
    assert!(overflows > u64::from(STRANGERS) / 2, "only {overflows} found no place");
    all_pass(&network, &mut kernel);
}

#[test]
fn a_call_without_room_for_its_pin_is_an_alarm_and_no_less_a_call() {
    if !require_bpf() {
        return;
    }
    let network = Network::in_kernel();
    let mut kernel = Kernel::new(&network.tables);
    let (lan, wan) = (network.interface("lan0"), network.interface(WAN));
    let mut is = |frame: Vec<u8>, interface| {
        let answer = kernel.run(&frame, interface);
        (answer.reason().name(), answer.alarms[alarm::PIN_OVERFLOW as usize])
    };
    let stranger = |number: u32| format!("{}:5060", Ipv4Addr::from(0x0a00_0000 | number));
    let without_room = (0..200_000).map(stranger).find(|stranger| {
        is(udp(BOSTON, stranger, sip::options()).frame(), lan) == ("element_out", 1)
    });
    let late = without_room.expect("a set of four places overflows long before");
    assert_eq!(is(udp(&late, BOSTON, sip::emergency_invite()).frame(), wan), ("marked", 0));
    // Others that never spoke again give way.
    assert_eq!(is(udp(BOSTON, &late, sip::response("200 OK")).frame(), lan).0, "element_out");
    assert_eq!(is(udp(&late, BOSTON, sip::request("ACK", "sip:psap")).frame(), wan), ("dialog", 0));
}

/// Frames between configured parties on a configured service, by UDP and TCP, IPv4 and IPv6.
fn between_configured() -> Vec<Vec<u8>> {
    let invite = sip::plain_invite();
    vec![
        udp(CARRIER_A, BOSTON, &invite).frame(),
        tcp(CARRIER_A, BOSTON, Tcp::Data, &invite).frame(),
        udp(CARRIER_A6, BOSTON6, &invite).frame(),
        tcp(CARRIER_A6, BOSTON6, Tcp::Data, &invite).frame(),
        udp(CARRIER_A, ESRP, &invite).frame(),
    ]
}

/// What must stay for the frame to be between these parties on this service: ethertype, version
/// and header length, protocol, addresses, ports.
fn stays(frame: &[u8], place: usize) -> bool {
    let place = place.wrapping_sub(NETWORK - 2);
    match frame[NETWORK] >> 4 {
        4 => matches!(place, 0..=2 | 11 | 14..=25),
        _ => matches!(place, 0..=2 | 8 | 10..=45),
    }
}

/// How short a frame may be and still have addresses.
fn addresses_end(frame: &[u8]) -> usize {
    NETWORK + if frame[NETWORK] >> 4 == 4 { 20 } else { 40 }
}

thread_local! {
    /// A host with everybody denied and the tightest limits, and the interface to the outside.
    static HOSTILE: RefCell<(Host, u32)> = {
        let mut network = Network::on_host();
        tightest(&mut network.tables);
        deny_everybody(&mut network.tables);
        RefCell::new((Host::new(&network.tables), network.interface(WAN)))
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever else the headers say, whatever follows them, wherever the frame ends.
    #[test]
    fn what_configured_parties_send_on_a_service_passes(
        which in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        end: prop::sample::Index,
        cut: bool,
    ) {
        let mut frame = between_configured()[which].clone();
        for (place, byte) in changes {
            let place = place.index(frame.len());
            if !stays(&frame, place) {
                frame[place] = byte;
            }
        }
        if cut {
            let least = addresses_end(&frame);
            frame.truncate(least + end.index(frame.len() - least));
        }
        HOSTILE.with_borrow_mut(|(host, wan)| {
            let answer = host.run(&frame, *wan);
            let class = answer.reason().class().name();
            prop_assert!(!answer.dropped && matches!(class, "protected" | "infrastructure"), "{class}: {frame:02x?}");
            Ok(())
        })?;
    }
}
