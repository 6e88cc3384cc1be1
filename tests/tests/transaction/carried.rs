//! What a change carries over: counters by PSAP, buckets, pins.

use std::fs;
use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use guard_tests::guard_process::{CARRIER, PSAP, SECOND, SIP, STRANGERS, Site};

use crate::{denying, site};

/// Every word of a state map whose places have so many.
fn words<const N: usize>(site: &Site, name: &str) -> Vec<u64> {
    let pin = site.pins().join("state").join(name);
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    let map = Array::<_, [u64; N]>::try_from(map).unwrap();
    map.iter().flat_map(Result::unwrap).collect()
}

fn state(site: &Site) -> [Vec<u64>; 5] {
    [
        words::<1>(site, "SOURCE_BUCKETS"),
        words::<1>(site, "PSAP_BUCKETS"),
        words::<1>(site, "TENTATIVE"),
        words::<2>(site, "PINS"),
        words::<4>(site, "PORTS"),
    ]
}

/// A PSAP that another takes the place of, in the file and on its address, keeps its counters;
/// the other begins at none. Back again, each has its own.
#[test]
fn counters_are_never_another_psaps() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let one = denying(&site, &[0]);
    let another = one.replace("id = 'P-1'", "id = 'P-9'").replace("Springfield", "Shelbyville");
    let count = |id: &str| site.count(id, "protected_packets");
    let receiver = site.listen(PSAP, SIP);
    assert!(site.reaches(CARRIER, &receiver));
    let before = count("P-1");
    assert!(before > 0);
    let _ = site.apply(&another).done();
    assert_eq!((count("P-9"), count("P-1")), (0, before));
    assert!(site.reaches(CARRIER, &receiver));
    let now = count("P-9");
    assert_eq!(count("P-1"), before);
    let both =
        another.clone() + &format!("[[psap]]\nid = 'P-1'\nservices = ['{SECOND}:5060/udp']\n");
    let _ = site.apply(&both).done();
    assert_eq!((count("P-9"), count("P-1")), (now, before));
    let slots = fs::read_to_string(site.state().join("slots.json")).unwrap();
    let slots: std::collections::BTreeMap<String, u32> = serde_json::from_str(&slots).unwrap();
    assert_ne!(slots["P-1"], slots["P-9"]);
}

/// A source that has used up its allowance has not got a new one by a change, and a call that is
/// up is not forgotten.
#[test]
fn buckets_and_pins_are_carried_over() {
    let Some(site) = site() else { return };
    let limits = "[limits.sip]\nper-source = '1/h'\nper-source-burst = 2\n\
        per-psap = '1000/s'\n";
    site.configure(&(denying(&site, &[0]) + limits));
    let daemon = site.start();
    let source = STRANGERS[1];
    assert_eq!([1, 2, 3].map(|_| site.passes(source)), [true, true, false]);
    let invite = "INVITE urn:service:sos SIP/2.0\r\n\r\n";
    let (caller, element) = (site.speak(STRANGERS[2]), site.listen(PSAP, SIP));
    caller.send_to(invite.as_bytes(), (PSAP, SIP)).unwrap();
    element.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = element.recv(&mut [0; 128]).unwrap();
    drop(element);
    daemon.kill();
    let before = state(&site);
    for map in [0, 2] {
        assert!(before[map].iter().any(|word| *word != 0), "map {map} is empty");
    }
    let _ = site.apply(&(denying(&site, &[]) + limits)).done();
    assert!(state(&site) == before, "not carried over");
    assert!(!site.passes(source), "no new allowance");
}
