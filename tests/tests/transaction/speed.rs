//! How long it takes to apply 6,000 PSAPs and 100,000 prefixes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::{denying, site};

const PSAPS: usize = 6000;
const PREFIXES: usize = 100_000;
/// The bound without the gates that try a generation is a second; here others compute, too.
const BOUND: Duration = Duration::from_secs(5);

#[test]
fn six_thousand_psaps_and_a_hundred_thousand_prefixes_apply_fast() {
    let Some(site) = site() else { return };
    let mut text = denying(&site, &[0]).replace("[guard]", "[guard]\ncapacity = 8192");
    site.configure(&text);
    let _daemon = site.start();
    for number in 1..PSAPS {
        let (high, low) = (number / 250, number % 250 + 1);
        let _ = write!(
            text,
            "[[psap]]\nid = 'US-{number:04}'\nname = 'Dispatch centre {number}'\n\
             services = ['10.0.{high}.{low}:5060/udp', '10.0.{high}.{low}:5061/tls']\n\
             media = ['10.0.{high}.{low}:16384-32767']\n"
        );
    }
    for number in 0..PREFIXES {
        let [_, a, b, c] = u32::try_from(number * 16).unwrap().to_be_bytes();
        let _ = write!(
            text,
            "[[deny]]\nsource = '11.{a}.{b}.{c}/28'\nowner = 'noc'\nreason = 'list {number}'\n"
        );
    }
    let first = Instant::now();
    let _ = site.apply(&text).done();
    let first = first.elapsed();
    // The same once more with a change: now what is live is as large.
    let second = Instant::now();
    let _ = site.apply(&text.replace("'Dispatch centre 17'", "'Dispatch centre XVII'")).done();
    let second = second.elapsed();
    println!("{PSAPS} PSAPs and {PREFIXES} prefixes: {first:.2?}, then a change {second:.2?}");
    assert_eq!(site.status()["configured"]["psaps"], PSAPS);
    assert!(first < BOUND && second < BOUND, "{first:?}, {second:?}");
    let back = Instant::now();
    let _ = site.guard(&["rollback", "2"]).done();
    assert!(back.elapsed() < BOUND, "{:?}", back.elapsed());
}
